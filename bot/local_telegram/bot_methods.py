"""What does each Bot API method do?"""

from collections.abc import Awaitable, Callable
from typing import Any

from .answers import bad_request
from .message_methods import MessageMethods
from .parameters import Parameters
from .state import State
from .updates import Updates

Json = dict[str, Any]
Method = Callable[[Parameters], Any]


class BotMethods:
    """The methods of one bot; names are case-insensitive, as on the real server."""

    def __init__(self, state: State, updates: Updates) -> None:
        self._state = state
        self._updates = updates
        messages = MessageMethods(state)
        methods: dict[str, Method | Callable[[Parameters], Awaitable[Any]]] = {
            "answerCallbackQuery": messages.answer_callback_query,
            "deleteMessage": messages.delete_message,
            "deleteMyCommands": self.delete_my_commands,
            "deleteWebhook": self.delete_webhook,
            "editMessageReplyMarkup": messages.edit_message,
            "editMessageText": messages.edit_message_text,
            "getChat": messages.get_chat,
            "getMe": self.get_me,
            "getMyCommands": self.get_my_commands,
            "getUpdates": self.get_updates,
            "getWebhookInfo": self.get_webhook_info,
            "sendChatAction": messages.send_chat_action,
            "sendMessage": messages.send_message,
            "setChatMenuButton": lambda parameters: True,
            "setMyCommands": self.set_my_commands,
            "setWebhook": self.set_webhook,
        }
        for setting, field in (
            ("Name", "name"),
            ("Description", "description"),
            ("ShortDescription", "short_description"),
        ):
            methods[f"setMy{setting}"] = self._setter(field)
            methods[f"getMy{setting}"] = self._getter(field)
        self._methods = {name.lower(): (name, do) for name, do in methods.items()}

    def find(self, name: str) -> tuple[str, Method] | None:
        """Return the method's proper name and what to call, None when unknown."""
        return self._methods.get(name.lower())

    # The bot itself

    def get_me(self, parameters: Parameters) -> Json:
        return {
            **self._state.bot,
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    def set_my_commands(self, parameters: Parameters) -> bool:
        commands = parameters.structure("commands", "commands")
        if not isinstance(commands, list):
            raise bad_request("can't parse commands: Array expected")
        for command in commands:
            if not isinstance(command, dict) or not command.get("description"):
                raise bad_request("can't parse BotCommand")
        self._state.commands[_commands_key(parameters)] = commands
        self._state.tell_about_bot()
        return True

    def get_my_commands(self, parameters: Parameters) -> list[Json]:
        return self._state.commands.get(_commands_key(parameters), [])

    def delete_my_commands(self, parameters: Parameters) -> bool:
        self._state.commands.pop(_commands_key(parameters), None)
        self._state.tell_about_bot()
        return True

    def _setter(self, field: str) -> Method:
        def set_words(parameters: Parameters) -> bool:
            key = f"{field}/{parameters.text('language_code')}"
            self._state.words[key] = parameters.text(field)
            self._state.tell_about_bot()
            return True

        return set_words

    def _getter(self, field: str) -> Method:
        def get_words(parameters: Parameters) -> Json:
            words = self._state.words
            default = self._state.bot["first_name"] if field == "name" else ""
            usual = words.get(f"{field}/") or default
            own = words.get(f"{field}/{parameters.text('language_code')}")
            return {field: own or usual}

        return get_words

    # Updates

    async def get_updates(self, parameters: Parameters) -> list[Json]:
        kinds = parameters.structure("allowed_updates", "allowed_updates")
        if isinstance(kinds, list):
            self._updates.allow(str(kind) for kind in kinds)
        limit = parameters.whole("limit", 100)
        return await self._updates.get(
            offset=parameters.whole("offset"),
            limit=limit if 1 <= limit <= 100 else 100,
            seconds=parameters.whole("timeout"),
        )

    def set_webhook(self, parameters: Parameters) -> bool:
        """Remember the address. Nothing is sent there: this server is for polling."""
        url = parameters.text("url")
        if url and not url.lower().startswith("https://"):
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        self._updates.webhook_url = url
        return self._drop_if_asked(parameters)

    def delete_webhook(self, parameters: Parameters) -> bool:
        self._updates.webhook_url = ""
        return self._drop_if_asked(parameters)

    def get_webhook_info(self, parameters: Parameters) -> Json:
        info: Json = {
            "url": self._updates.webhook_url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._updates),
        }
        if self._updates.allowed:
            info["allowed_updates"] = self._updates.allowed
        return info

    def _drop_if_asked(self, parameters: Parameters) -> bool:
        if parameters.flag("drop_pending_updates"):
            self._updates.drop_all()
        return True


def _commands_key(parameters: Parameters) -> str:
    scope = parameters.structure("scope", "BotCommandScope")
    kind = scope.get("type", "default") if isinstance(scope, dict) else "default"
    return f"{kind}/{parameters.text('language_code')}"
