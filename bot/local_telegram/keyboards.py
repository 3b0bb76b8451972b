"""Which buttons may a message have?"""

from typing import Any

from .answers import bad_request
from .parameters import Parameters

Json = dict[str, Any]


def read_markup(parameters: Parameters) -> Json | None:
    """Return the reply_markup as an object; raise ApiError for what is none."""
    markup = parameters.structure("reply_markup", "reply keyboard markup")
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    for name in ("inline_keyboard", "keyboard"):
        if name in markup:
            _check_rows(markup[name], is_inline=name == "inline_keyboard")
    return markup


def _check_rows(rows: Any, *, is_inline: bool) -> None:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request("can't parse reply keyboard markup: array of arrays expected")
    for row in rows:
        for number, button in enumerate(row):
            if isinstance(button, str) and not is_inline:
                row[number] = {"text": button}
                continue
            if not isinstance(button, dict) or not isinstance(button.get("text"), str):
                raise bad_request(
                    "can't parse inline keyboard button: Text buttons are unallowed in "
                    "the inline keyboard"
                    if is_inline
                    else "can't parse keyboard button: Can't find field \"text\""
                )
            if is_inline:
                _check_inline(button)


def _check_inline(button: Json) -> None:
    data = button.get("callback_data")
    if data is not None and not 1 <= len(str(data).encode()) <= 64:
        raise bad_request("BUTTON_DATA_INVALID")
    if not set(button) - {"text", "style", "icon_custom_emoji_id"}:
        raise bad_request(
            "can't parse inline keyboard button: "
            "Text buttons are unallowed in the inline keyboard"
        )
