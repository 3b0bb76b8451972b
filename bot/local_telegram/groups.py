"""What happens to groups that the bot is, or was, a member of?"""

from .people import Chat
from .state import NotPossible, State

_FIRST_GROUP_ID = -4_000_000_001
_FIRST_SUPERGROUP_ID = -1_002_000_000_001


class Groups:
    """Makes groups, turns them into supergroups, and throws the bot out."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._made = 0

    def add(self, title: str, *, added_by: int) -> Chat:
        """Let a user make a group with the bot in it."""
        chat = self._make(_FIRST_GROUP_ID, "group", title, added_by)
        self._state.tell_membership(chat, "left", "member")
        return chat

    def leave(self, chat_id: int) -> None:
        """Let somebody remove the bot from a group."""
        chat = self._state.group(chat_id)
        chat.status = "left"
        self._state.tell_membership(chat, "member", "kicked")

    def upgrade(self, chat_id: int) -> Chat:
        """Turn a group into a supergroup, which has another id."""
        old = self._state.group(chat_id)
        if old.upgraded_to is not None or old.user is None or old.type != "group":
            raise NotPossible("this group was upgraded already")
        title = str(old.facts["title"])
        new = self._make(_FIRST_SUPERGROUP_ID, "supergroup", title, old.user.id)
        old.upgraded_to = new.id
        sender = old.user.as_sender()
        for chat, content in (
            (old, {"migrate_to_chat_id": new.id}),
            (new, {"migrate_from_chat_id": chat_id}),
        ):
            message = self._state.write(chat, sender, content)
            self._state.updates.add("message", message)
        return new

    def _make(self, first_id: int, kind: str, title: str, added_by: int) -> Chat:
        user = self._state.living(added_by)
        chat_id = first_id - self._made
        self._made += 1
        facts = {"id": chat_id, "type": kind, "title": title}
        chat = Chat(chat_id, facts, "active", user)
        self._state.chats[chat_id] = chat
        return chat
