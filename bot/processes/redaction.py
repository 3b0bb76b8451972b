"""Keeps secrets out of everything that is logged, whoever logs it."""

import logging
import sys
import threading
import traceback
from collections.abc import Iterable
from types import TracebackType
from urllib.parse import quote, unquote, urlsplit

MASK = "***"
# Shorter strings are no secrets, and masking them would mangle every line.
_SHORTEST = 8

_logger = logging.getLogger("bot")


def secrets_of(*, token: str, urls: Iterable[str] = ()) -> frozenset[str]:
    """Return what must not be seen: the token's secret half, passwords of addresses.

    The half before the colon is the bot's public id; left alone, the secret one is
    found however the colon was quoted.
    """
    secrets = {token.partition(":")[2] or token}
    for url in urls:
        password = urlsplit(url).password or ""
        secrets |= {password, unquote(password), quote(unquote(password), safe="")}
    return frozenset(secret for secret in secrets if len(secret) >= _SHORTEST)


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret replaced by ***."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def install(secrets: frozenset[str]) -> None:
    """Redact every log record of this process, and log what nobody caught."""
    clean_records(secrets)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable


def clean_records(secrets: frozenset[str]) -> None:
    """Redact records where they are made.

    So every handler of every library gets them clean, tracebacks included.
    """
    make_record = logging.getLogRecordFactory()

    def make_clean_record(*args: object, **kwargs: object) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        _clean(record, secrets)
        return record

    logging.setLogRecordFactory(make_clean_record)


def _clean(record: logging.LogRecord, secrets: frozenset[str]) -> None:
    try:
        message = record.getMessage()
    except Exception:
        # Arguments that do not fit: logging itself would print them all, secrets too.
        message = f"{record.msg!r} {record.args!r}"
        record.msg, record.args = redact(message, secrets), None
    else:
        if (clean := redact(message, secrets)) != message:
            record.msg, record.args = clean, None
    if record.exc_info and record.exc_info[0] is not None:
        text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if (clean := redact(text, secrets)) != text:
            # Formatters print the ready text; nobody is left to format it anew.
            record.exc_text, record.exc_info = clean, None
    if record.stack_info:
        record.stack_info = redact(record.stack_info, secrets)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _logger.critical("Stopped by an error", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or issubclass(args.exc_type, SystemExit):
        return
    name = args.thread.name if args.thread else "?"
    facts = (args.exc_type, args.exc_value, args.exc_traceback)
    _logger.error("An error ended the thread %s", name, exc_info=facts)


def _log_unraisable(args: "sys.UnraisableHookArgs") -> None:
    error = args.exc_value
    facts = (args.exc_type, error, args.exc_traceback) if error is not None else None
    _logger.error("%s: %r", args.err_msg or "Ignored", args.object, exc_info=facts)
