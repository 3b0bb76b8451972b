"""Answers a message, as far as Telegram lets us."""

import asyncio
import logging

from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.types import Message

from bot.conversation import texts

# One customer's answer may not keep the others waiting for long.
_TRIES = 3
_LONGEST_WAIT_SECONDS = 5.0

_logger = logging.getLogger(__name__)


async def reply(message: Message, text: str) -> None:
    """Say one of our sentences in the language of the message's author."""
    await reply_ready(message, texts.in_language(text, language_of(message)))


async def reply_ready(message: Message, text: str) -> None:
    """Send the text as it is; a failure is logged, what was recorded stays recorded."""
    for tries_left in reversed(range(_TRIES)):
        try:
            await message.answer(text)
            return
        except TelegramForbiddenError:
            return  # the customer has already blocked the bot: nobody to talk to
        except (TelegramRetryAfter, TelegramNetworkError, TelegramServerError) as error:
            wait = getattr(error, "retry_after", 1.0)
            if not tries_left or wait > _LONGEST_WAIT_SECONDS:
                _logger.warning("No answer to chat %s: %s", message.chat.id, error)
                return
            await asyncio.sleep(wait)
        except ClientDecodeError:
            # Accepted, by a server that says so in its own way: to repeat it is wrong.
            _logger.warning("Unreadable answer to a message to %s", message.chat.id)
            return
        except TelegramAPIError as error:
            _logger.warning("No answer to chat %s: %s", message.chat.id, error)
            return


def language_of(message: Message) -> str | None:
    """Return the language code of the author, which Telegram may leave out."""
    return message.from_user.language_code if message.from_user else None
