"""How does Telegram read a text: its HTML tags, its commands, its length?"""

import html
import re
from typing import Any

from .answers import bad_request

Json = dict[str, Any]

_TAG = re.compile(r"<(/?)([A-Za-z0-9-]*)([^<>]*)(>?)")
_HREF = re.compile(r"""href\s*=\s*("([^"]*)"|'([^']*)'|[^\s>]+)""", re.IGNORECASE)
_COMMAND = re.compile(r"(?<![\w/])/[A-Za-z0-9_]{1,32}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")
_KINDS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
}


def length(text: str) -> int:
    """Return the length in UTF-16 units, which entities are counted in."""
    return len(text) + sum(character > "\uffff" for character in text)


def commands_in(text: str) -> list[Json]:
    """Return the entities of the /commands in a user's text."""
    return [
        {
            "type": "bot_command",
            "offset": length(text[: found.start()]),
            "length": length(found.group()),
        }
        for found in _COMMAND.finditer(text)
    ]


def parse_html(source: str) -> tuple[str, list[Json]]:
    """Return the text without its tags, and the entities that they stand for.

    Raises ApiError 400 where Telegram would.
    """
    text = ""
    entities: list[Json] = []
    open_tags: list[tuple[str, str, int]] = []
    position = 0
    while (start := source.find("<", position)) >= 0:
        text += html.unescape(source[position:start])
        offset = len(source[:start].encode())
        tag = _TAG.match(source, start)
        if tag is None or not tag[4]:
            raise _wrong(f"Unclosed start tag at byte offset {offset}")
        closes, name, rest = tag[1], tag[2].lower(), tag[3]
        if not closes:
            if name not in _KINDS:
                raise _wrong(f'Unsupported start tag "{name}" at byte offset {offset}')
            open_tags.append((name, rest, length(text)))
        elif not open_tags:
            raise _wrong(f"Unexpected end tag at byte offset {offset}")
        else:
            opened, attributes, begin = open_tags.pop()
            if name not in ("", opened):
                raise _wrong(
                    f"Unmatched end tag at byte offset {offset}, "
                    f'expected "</{opened}>", found "</{name}>"'
                )
            entities += _entity(opened, attributes, begin, text)
        position = tag.end()
    text += html.unescape(source[position:])
    if open_tags:
        raise _wrong(
            f'Can\'t find end tag corresponding to start tag "{open_tags[-1][0]}"'
        )
    return text, sorted(entities, key=lambda entity: entity["offset"])


def _entity(name: str, attributes: str, begin: int, text: str) -> list[Json]:
    size = length(text) - begin
    if size <= 0:
        return []
    entity: Json = {"type": _KINDS[name], "offset": begin, "length": size}
    if name == "a":
        found = _HREF.search(attributes)
        if found is None:
            return []
        entity["url"] = html.unescape(found[2] or found[3] or found[1])
    return [entity]


def _wrong(reason: str) -> Exception:
    return bad_request(f"can't parse entities: {reason}")
