"""What is true on this Telegram, and what do people and the bot change in it?

Nothing here knows HTTP. Every act of a person becomes an update for the bot.
"""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .answers import ApiError, bad_request
from .hub import Hub
from .markup import commands_in
from .people import PRESET_USERS, Chat, User
from .updates import Updates

__all__ = ["PRESET_USERS", "Chat", "NotPossible", "State", "User"]

Json = dict[str, Any]


class NotPossible(Exception):
    """An act that this person's Telegram would not offer; the text says why."""


class State:
    """Users, chats and messages around one bot."""

    def __init__(
        self,
        *,
        bot_id: int,
        bot_username: str,
        users: Iterable[User],
        hub: Hub,
        updates: Updates,
    ) -> None:
        self.hub = hub
        self.updates = updates
        self.users: dict[int, User] = {}
        self.chats: dict[int, Chat] = {}
        self.bot: Json = {
            "id": bot_id,
            "is_bot": True,
            "first_name": "Магазин",
            "username": bot_username,
        }
        self.commands: dict[str, list[Json]] = {}
        """What setMyCommands said, by "scope/language"."""
        self.words: dict[str, str] = {}
        """The bot's name and descriptions, by "kind/language"."""
        self._callbacks: dict[str, int] = {}
        self._last_message_id = 0
        for user in users:
            self.add_user(replace(user))

    # What people do

    def add_user(self, user: User) -> User:
        """Give somebody a phone; raise NotPossible when the id is taken."""
        if user.id in self.chats or user.id == self.bot["id"]:
            raise NotPossible(f"the id {user.id} is taken")
        if user.id <= 0:
            raise NotPossible("a user's id is above 0")
        if not user.first_name.strip():
            raise NotPossible("everybody on Telegram has a first name")
        self.users[user.id] = user
        self.chats[user.id] = Chat(user.id, user.as_chat(), user=user)
        self._tell_about(user)
        return user

    def free_user_id(self) -> int:
        return max([7_100_000_000, *self.users]) + 1

    def press_start(self, user_id: int, code: str = "") -> Json:
        """Send /start, with the code of a deep link if any; unblocks the bot first."""
        chat = self.phone(user_id)
        if chat.status == "blocked":
            self.unblock(user_id)
        return self.say(user_id, f"/start {code}".rstrip())

    def say(self, user_id: int, text: str, *, chat_id: int | None = None) -> Json:
        """Send a text to the bot, or into a group that it is a member of."""
        content: Json = {"text": text}
        if entities := commands_in(text):
            content["entities"] = entities
        return self.post(user_id, content, chat_id=chat_id)

    def share_contact(self, user_id: int) -> Json:
        user = self.living(user_id)
        contact = {
            "phone_number": user.phone or "79990000000",
            "first_name": user.first_name,
            "user_id": user.id,
        }
        if user.last_name:
            contact["last_name"] = user.last_name
        return self.post(user_id, {"contact": contact})

    def post(self, user_id: int, content: Json, *, chat_id: int | None = None) -> Json:
        """Send a message with any content the Bot API knows, say a sticker."""
        user = self.living(user_id)
        chat = self.phone(user_id) if chat_id is None else self.group(chat_id)
        if chat.status == "blocked":
            raise NotPossible("this person has blocked the bot: unblock it first")
        if chat.status == "new":
            chat.status = "active"
        message = self.write(chat, user.as_sender(), content)
        self.updates.add("message", message)
        return message

    def press_button(self, user_id: int, message_id: int, data: str) -> Json:
        """Press a button under one of the bot's messages."""
        chat = self.phone(user_id)
        message = chat.messages.get(message_id)
        if message is None:
            raise NotPossible("there is no such message")
        query_id = str(time.time_ns() + len(self._callbacks))
        self._callbacks[query_id] = user_id
        query = {
            "id": query_id,
            "from": self.living(user_id).as_sender(),
            "message": message,
            "chat_instance": str(chat.id),
            "data": data,
        }
        self.updates.add("callback_query", query)
        return query

    def block(self, user_id: int) -> None:
        chat = self.phone(user_id)
        self.living(user_id)
        if chat.status == "new":
            raise NotPossible("only a bot that was started can be blocked")
        if chat.status == "active":
            chat.status = "blocked"
            self.tell_membership(chat, "member", "kicked")

    def unblock(self, user_id: int) -> None:
        chat = self.phone(user_id)
        self.living(user_id)
        if chat.status == "blocked":
            chat.status = "active"
            self.tell_membership(chat, "kicked", "member")

    def deactivate(self, user_id: int) -> None:
        """Delete the account; messages to it are refused from now on."""
        user = self._user(user_id)
        user.is_deactivated = True
        self._tell_about(user)

    def mark_read(self, user_id: int) -> None:
        chat = self.phone(user_id)
        if chat.unread:
            chat.unread = 0
            self._tell_about(self._user(user_id))

    # What the bot does

    def chat_to_write_to(self, chat_id: int) -> Chat:
        """Return the chat; raise ApiError when the bot may not write there."""
        chat = self.chats.get(chat_id)
        if chat is None:
            if chat_id == self.bot["id"]:
                raise ApiError(403, "Forbidden: the bot can't send messages to the bot")
            raise bad_request("chat not found")
        if chat.upgraded_to is not None:
            raise ApiError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": chat.upgraded_to},
            )
        if chat.status == "active" and not (chat.user and chat.user.is_deactivated):
            return chat
        raise ApiError(403, f"Forbidden: {_why_not(chat)}")

    def deliver(self, chat: Chat, content: Json) -> Json:
        """Put the bot's message on the phone and return it."""
        chat.unread += 1
        return self.write(chat, self.bot, content)

    def changed(self, chat: Chat, message: Json) -> None:
        """Put the new form of one of the bot's messages on the phone."""
        chat.messages[message["message_id"]] = message
        self.hub.publish("edited", chat_id=chat.id, message=message)

    def deleted(self, chat: Chat, message_id: int) -> None:
        del chat.messages[message_id]
        self.hub.publish("deleted", chat_id=chat.id, message_id=message_id)

    def answer_callback(self, query_id: str, text: str, *, is_alert: bool) -> None:
        """Show the text on the phone whose button was pressed."""
        user_id = self._callbacks.pop(query_id, None)
        if user_id is None:
            raise bad_request(
                "query is too old and response timeout expired or query ID is invalid"
            )
        self.hub.publish("toast", chat_id=user_id, text=text, is_alert=is_alert)

    def tell_about_bot(self) -> None:
        """Show the bot's changed name, descriptions and commands on the phones."""
        self.hub.publish("bot", bot=self.bot_summary())

    # What the page shows

    def bot_summary(self) -> Json:
        return {**self.bot, "commands": self.commands, "words": self.words}

    def summary(self, user: User) -> Json:
        """Return what the list of phones shows about a user."""
        return self.chats[user.id].summary(user)

    def phone(self, user_id: int) -> Chat:
        """Return the private chat of a user; raise NotPossible for a stranger."""
        self._user(user_id)
        return self.chats[user_id]

    def _user(self, user_id: int) -> User:
        user = self.users.get(user_id)
        if user is None:
            raise NotPossible(f"there is no user {user_id}")
        return user

    def living(self, user_id: int) -> User:
        """Return a user; raise NotPossible when there is none, or not any more."""
        user = self._user(user_id)
        if user.is_deactivated:
            raise NotPossible("this account was deleted")
        return user

    def group(self, chat_id: int) -> Chat:
        """Return a group with the bot in it; raise NotPossible when there is none."""
        chat = self.chats.get(chat_id)
        if chat is None or chat.type == "private" or chat.status == "left":
            raise NotPossible(f"there is no group {chat_id} with the bot in it")
        return chat

    def write(self, chat: Chat, sender: Json, content: Json) -> Json:
        """Put a message into a chat, whoever wrote it; the bot gets no update."""
        self._last_message_id += 1
        message = {
            "message_id": self._last_message_id,
            "from": sender,
            "chat": chat.facts,
            "date": int(time.time()),
            **content,
        }
        chat.keep(message)
        if chat.type == "private" and chat.user and self.hub.is_watched:
            summary = self.summary(chat.user)
            self.hub.publish("message", message=message, user=summary)
        else:
            self.hub.wake()
        return message

    def tell_membership(self, chat: Chat, old: str, new: str) -> None:
        """Tell the bot that its place in a chat changed."""
        if chat.user is None:
            return
        self.updates.add(
            "my_chat_member",
            {
                "chat": chat.facts,
                "from": chat.user.as_sender(),
                "date": int(time.time()),
                "old_chat_member": _membership(self.bot, old),
                "new_chat_member": _membership(self.bot, new),
            },
        )
        self._tell_about(chat.user)

    def _tell_about(self, user: User) -> None:
        self.hub.publish("user", user=self.summary(user))


def _membership(bot: Json, status: str) -> Json:
    member: Json = {"user": bot, "status": status}
    if status == "kicked":
        member["until_date"] = 0
    return member


def _why_not(chat: Chat) -> str:
    if chat.status == "left":
        return f"bot was kicked from the {chat.type} chat"
    if chat.user is not None and chat.user.is_bot:
        return "the bot can't send messages to the bot"
    if chat.user is not None and chat.user.is_deactivated:
        return "user is deactivated"
    if chat.status == "blocked":
        return "bot was blocked by the user"
    return "bot can't initiate conversation with a user"
