"""What came back from Telegram, or how far a request had got when nothing did.

Pure: no Django, no HTTP library.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Phase(StrEnum):
    """How far a request had got when it failed."""

    # Not one byte of the request was sent.
    NO_FREE_CONNECTION = "no_free_connection"
    NOT_CONNECTED = "not_connected"
    CONNECT_TIMEOUT = "connect_timeout"
    PROXY_FAILED = "proxy_failed"
    # Telegram may have received the request and acted on it.
    WRITE_FAILED = "write_failed"
    WRITE_TIMEOUT = "write_timeout"
    READ_TIMEOUT = "read_timeout"
    CONNECTION_CUT = "connection_cut"
    HALF_ANSWER = "half_answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, from Telegram or from whoever stands in between."""

    status: int
    body: bytes
    retry_after_header: str | None = None
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A request without a whole answer; `partial` holds what came of a half one."""

    phase: Phase
    description: str = ""
    partial: Answer | None = None


Exchange: TypeAlias = Answer | NoAnswer
