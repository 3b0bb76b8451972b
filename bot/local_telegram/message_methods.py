"""How are messages sent, changed and taken back?"""

from typing import Any

from .answers import bad_request
from .keyboards import read_markup
from .markup import parse_html
from .parameters import Parameters
from .state import Chat, State

Json = dict[str, Any]

_LONGEST_TEXT = 4096
_PARSE_MODES = ("", "html", "markdown", "markdownv2", "none")


class MessageMethods:
    """The Bot API methods that are about a chat and what is said in it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def send_message(self, parameters: Parameters) -> Json:
        content = _read_content(parameters)
        markup = read_markup(parameters)
        chat = self._writable(parameters)
        if len(content["text"]) > _LONGEST_TEXT:
            raise bad_request("message is too long")
        if markup:
            content["reply_markup"] = markup
        if parameters.flag("protect_content"):
            content["has_protected_content"] = True
        if answered := self._answered(parameters, chat):
            content["reply_to_message"] = answered
        return self._state.deliver(chat, content)

    def edit_message_text(self, parameters: Parameters) -> Json:
        return self._edit(parameters, _read_content(parameters))

    def edit_message(self, parameters: Parameters) -> Json:
        return self._edit(parameters, None)

    def delete_message(self, parameters: Parameters) -> bool:
        chat = self._writable(parameters)
        message_id = parameters.whole("message_id")
        if message_id not in chat.messages:
            raise bad_request("message to delete not found")
        self._state.deleted(chat, message_id)
        return True

    def send_chat_action(self, parameters: Parameters) -> bool:
        chat = self._writable(parameters)
        if not parameters.text("action"):
            raise bad_request("wrong parameter action in request")
        self._state.hub.publish("action", chat_id=chat.id)
        return True

    def answer_callback_query(self, parameters: Parameters) -> bool:
        self._state.answer_callback(
            parameters.text("callback_query_id"),
            parameters.text("text"),
            is_alert=parameters.flag("show_alert"),
        )
        return True

    def get_chat(self, parameters: Parameters) -> Json:
        chat = self._state.chats.get(_chat_id(parameters))
        if chat is None or (chat.status == "new" and chat.type == "private"):
            raise bad_request("chat not found")
        gifts = dict.fromkeys(
            (
                "unlimited_gifts",
                "limited_gifts",
                "unique_gifts",
                "premium_subscription",
            ),
            True,
        )
        return {
            **chat.facts,
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": {**gifts, "gifts_from_channels": True},
        }

    def _writable(self, parameters: Parameters) -> Chat:
        return self._state.chat_to_write_to(_chat_id(parameters))

    def _edit(self, parameters: Parameters, content: Json | None) -> Json:
        markup = read_markup(parameters)
        chat = self._writable(parameters)
        old = chat.messages.get(parameters.whole("message_id"))
        if old is None:
            raise bad_request("message to edit not found")
        if old["from"] is not self._state.bot:
            raise bad_request("message can't be edited")
        if content is None:
            content = {name: old[name] for name in ("text", "entities") if name in old}
        elif len(content["text"]) > _LONGEST_TEXT:
            raise bad_request("MESSAGE_TOO_LONG")
        if markup:
            content["reply_markup"] = markup
        compared = ("text", "entities", "reply_markup")
        if all(old.get(name) == content.get(name) for name in compared):
            raise bad_request(
                "message is not modified: specified new message content and reply "
                "markup are exactly the same as a current content and reply markup "
                "of the message"
            )
        kept = {name: value for name, value in old.items() if name not in compared}
        new = {**kept, **content, "edit_date": old["date"]}
        self._state.changed(chat, new)
        return new

    def _answered(self, parameters: Parameters, chat: Chat) -> Json | None:
        """Return the message that this one answers, without what it answered."""
        described = parameters.structure("reply_parameters", "reply parameters")
        if isinstance(described, dict):
            message_id = described.get("message_id")
            may_miss = bool(described.get("allow_sending_without_reply"))
        else:
            message_id = parameters.whole("reply_to_message_id")
            may_miss = parameters.flag("allow_sending_without_reply")
        if not message_id:
            return None
        message = chat.messages.get(message_id) if type(message_id) is int else None
        if message is None:
            if may_miss:
                return None
            raise bad_request("message to be replied not found")
        return {k: v for k, v in message.items() if k != "reply_to_message"}


def _chat_id(parameters: Parameters) -> int:
    if not parameters.text("chat_id").strip():
        raise bad_request("chat_id is empty")
    chat_id = parameters.chat_id()
    if chat_id is None:
        raise bad_request("chat not found")
    return chat_id


def _read_content(parameters: Parameters) -> Json:
    text = parameters.text("text").strip()
    mode = parameters.text("parse_mode").lower()
    if mode not in _PARSE_MODES:
        raise bad_request("unsupported parse_mode")
    entities: Any = None
    if mode == "html":
        text, entities = parse_html(text)
        text = text.rstrip()
    elif not mode:
        entities = parameters.structure("entities", "message entities")
    if not text.strip():
        raise bad_request("message text is empty")
    content: Json = {"text": text}
    if entities:
        content["entities"] = entities
    return content
