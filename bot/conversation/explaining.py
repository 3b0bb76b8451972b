"""What went wrong with a call to Telegram, in words for the operator."""

from dataclasses import dataclass

from aiogram.exceptions import (
    ClientDecodeError,
    TelegramConflictError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

REJECTED = (TelegramUnauthorizedError, TelegramNotFound)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A trouble: its kind, for the admin to word, and one line for the operator."""

    code: str
    text: str

    def __str__(self) -> str:
        return self.text


def explain(error: Exception) -> Trouble:
    """Return what went wrong; the token is in none of it."""
    match error:
        case TelegramConflictError() if "webhook" in error.message.lower():
            return Trouble(
                "webhook", "A webhook is set for this bot: restart the bot to remove it"
            )
        case TelegramConflictError():
            return Trouble(
                "conflict",
                "ANOTHER PROGRAM READS THE MESSAGES OF THIS BOT with the same token "
                "(Telegram answered 409): stop it, or customers are answered by either",
            )
        case TelegramUnauthorizedError() | TelegramNotFound():
            return Trouble(
                "token_rejected",
                f"Telegram rejects the token in TG_BOT_TOKEN ({error.message})",
            )
        case TelegramRetryAfter():
            return Trouble("flood", f"Telegram asks to wait for {error.retry_after} s")
        case TelegramNetworkError():
            return Trouble(
                "unreachable", f"Telegram cannot be reached ({error.message})"
            )
        case ClientDecodeError():
            return Trouble(
                "not_telegram", "What answers at TG_API_URL is not a Bot API server"
            )
    return Trouble("refused", f"Telegram answered: {error}")
