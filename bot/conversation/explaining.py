"""What went wrong with a call to Telegram, in words for the operator."""

from aiogram.exceptions import (
    ClientDecodeError,
    TelegramConflictError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

REJECTED = (TelegramUnauthorizedError, TelegramNotFound)


def explain(error: Exception) -> str:
    """Return one line; the token is in none of them."""
    match error:
        case TelegramConflictError() if "webhook" in error.message.lower():
            return "A webhook is set for this bot: restart the bot to remove it"
        case TelegramConflictError():
            return (
                "ANOTHER PROGRAM READS THE MESSAGES OF THIS BOT with the same token "
                "(Telegram answered 409): stop it, or customers are answered by either"
            )
        case TelegramUnauthorizedError() | TelegramNotFound():
            return f"Telegram rejects the token in TG_BOT_TOKEN ({error.message})"
        case TelegramRetryAfter():
            return f"Telegram asks to wait for {error.retry_after} s"
        case TelegramNetworkError():
            return f"Telegram cannot be reached ({error.message})"
        case ClientDecodeError():
            return "What answers at TG_API_URL is not a Bot API server"
    return f"Telegram answered: {error}"
