"""The words for a manager: what happened to a notification, and what to do about it.

Whoever reads them runs a shop and knows nothing of bots. Every text says what happened
in its first sentence and what to do, if anything, in the last. Telegram's own text is
shown beside it, one click away, and is no part of these.
"""

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# By reason code: those of `verdicts`, then the engine's own.
EXPLANATIONS: Final[Mapping[str, str | Promise]] = {
    # Delivered.
    "accepted": _("Delivered: Telegram has accepted the message."),
    "accepted_no_receipt": _(
        "Delivered: Telegram has accepted the message, but its receipt was cut off on "
        "the way. There is nothing to do."
    ),
    "sent_then_deleted": _(
        "Telegram accepted the message and deleted it at once; the customer may not "
        "have seen it. Ask them, if it matters."
    ),
    # Waiting; uses up no attempt.
    "flood": _(
        "Telegram asked to wait, because too many messages were sent. The message will "
        "be sent by itself when the wait is over."
    ),
    "migrated": _(
        "The customer's group got a new number in Telegram. It has been saved, and the "
        "message is sent there by itself."
    ),
    "unreachable": _(
        "There is no connection to Telegram. Sending continues by itself when it is "
        "back; if it takes long, tell your administrator."
    ),
    "proxy_failed": _(
        "The proxy through which messages go to Telegram does not work. Tell your "
        "administrator; sending continues by itself when it works again."
    ),
    "no_free_connection": _(
        "All connections to Telegram were busy. The message will be sent by itself in "
        "a moment."
    ),
    "not_telegram": _(
        "Somebody else answered in place of Telegram: a provider, a filter or a wrong "
        "address in the settings. Tell your administrator; sending continues by itself."
    ),
    "token_rejected": _(
        "Telegram does not recognise the shop's bot: its token is wrong or has been "
        "revoked. Nothing is sent until your administrator enters the right token."
    ),
    # Telegram refused.
    "blocked_by_user": _(
        "The customer has blocked the bot. Ask them to unblock it: the message goes "
        "out by itself when they do."
    ),
    "not_started": _(
        "The customer has not pressed Start in the bot yet. Send them the link to the "
        "bot: the message goes out when they press Start."
    ),
    "chat_not_found": _(
        "Telegram does not know this customer for our bot. Check the ID, or send them "
        "the link to the bot: the message goes out when they press Start."
    ),
    "user_deactivated": _(
        "The customer has deleted their Telegram account. Reach them in another way."
    ),
    "removed_from_chat": _(
        "The bot has been removed from this group. Ask for it to be added again, then "
        "press Retry."
    ),
    "chat_deleted": _(
        "This group has been deleted. Reach the customer in another way."
    ),
    "recipient_is_bot": _(
        "The recipient is a bot and not a person. Correct the recipient, then press "
        "Retry."
    ),
    "no_rights": _(
        "The bot is not allowed to write in this chat. Ask for the right to write, "
        "then press Retry."
    ),
    "group_upgraded": _(
        "The customer's group has got a new number in Telegram, which is not known. "
        "Ask them to press Start again."
    ),
    "payment_required": _(
        "The customer accepts messages only for a payment. Reach them in another way."
    ),
    "topic_closed": _(
        "The topic in the group has been closed or deleted. Ask for it to be opened, "
        "then press Retry."
    ),
    "message_empty": _(
        "The text of the message is empty. Enter a text, then press Retry."
    ),
    "message_too_long": _(
        "The text of the message is too long for Telegram: at most 4096 characters. "
        "Shorten it, then press Retry."
    ),
    "bad_formatting": _(
        "Telegram could not read the formatting of the text. Correct the text, then "
        "press Retry."
    ),
    "bad_request": _(
        "Telegram did not accept the message. Show Telegram's reply to your "
        "administrator."
    ),
    "forbidden": _(
        "Telegram forbids writing to this customer. Show Telegram's reply to your "
        "administrator."
    ),
    "refused": _(
        "Telegram refused to deliver the message. Show Telegram's reply to your "
        "administrator."
    ),
    # Uncertain.
    "server_error": _(
        "Telegram had a failure of its own, and it is not certain whether the customer "
        "got the message. Ask them before you press Retry: it may arrive twice."
    ),
    "read_timeout": _(
        "Telegram did not answer in time, and it is not certain whether the customer "
        "got the message. Ask them before you press Retry: it may arrive twice."
    ),
    "connection_cut": _(
        "The connection broke before Telegram answered, and it is not certain whether "
        "the customer got the message. Ask them before you press Retry: it may arrive "
        "twice."
    ),
    "half_answer": _(
        "Telegram's answer broke off, and it is not certain whether the customer got "
        "the message. Ask them before you press Retry: it may arrive twice."
    ),
    "write_failed": _(
        "The connection broke while the message was being sent. Most likely the "
        "customer did not get it: press Retry."
    ),
    # The engine.
    "worker_lost": _(
        "The sending program stopped in the middle; the customer may have received the "
        "message. Ask them before you press Retry: it may arrive twice."
    ),
    "interrupted": _(
        "The sending program was stopped in the middle; the customer may have received "
        "the message. Ask them before you press Retry: it may arrive twice."
    ),
    "timeout": _(
        "Sending took too long and was given up; the customer may have received the "
        "message. Ask them before you press Retry: it may arrive twice."
    ),
    "probe_crashed": _(
        "A fault in the program kept it from asking whether Telegram works again. It "
        "asks again by itself; if it takes long, tell your administrator."
    ),
    "unhandled_exception": _(
        "A fault in the program prevented the sending. Tell your administrator, and "
        "press Retry when it has been repaired."
    ),
}


def explain(reason_code: str, description: str = "") -> str:
    """Say in the reader's language what happened and what to do.

    A code that is not known here (a newer engine's, another queue's) is explained by
    its description, and without one by the code itself.
    """
    explanation = EXPLANATIONS.get(reason_code)
    if explanation is not None:
        return str(explanation)
    details = description.strip() or reason_code.strip()
    if not details:
        return gettext("The message was not delivered. Press Retry.")
    return gettext(
        "The message was not delivered: %(details)s. Press Retry; if it fails again, "
        "show this text to your administrator."
    ) % {"details": details.rstrip(".")}
