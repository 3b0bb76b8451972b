"""Did the customer get it? The state of a message, in words and in colour."""

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from notifications.deliveries import may_have_arrived
from notifications.models import Customer, Order, OrderNotification
from notifications.reasons import explain
from notifications.verdicts import BLOCKED

from .badge import Badge
from .facts import facts_of
from .moments import when


def of_order(order: Order, *, has_invite: bool = False) -> Badge:
    """Return the state of the latest message about an order.

    With `has_invite` it stands beside the customer's invite.
    """
    latest = next(iter(order.notifications.all()), None)
    if latest is None or (latest.is_dropped and not facts_of(latest).sending):
        if not order.notify:
            return Badge(tone="idle", words=_("Not to be told"))
        if latest is None or not order.customer.is_reachable:
            return _never_made(order.customer, has_invite=has_invite)
    return of_notification(latest)


def of_notification(
    notification: OrderNotification, *, with_time: bool = True
) -> Badge:
    """Return the state of a notification that was read with its facts."""
    if notification.processed:
        return _delivered(notification.processed_at if with_time else None)
    if notification.is_dropped and not facts_of(notification).sending:
        return Badge(tone="idle", words=notification.get_parked_display())
    if notification.is_given_up:
        return _given_up(notification)
    return _held(notification) or _due(notification)


def next_attempt_at(notification: OrderNotification) -> datetime | None:
    """Return until when a notification waits; None when something else keeps it."""
    due = notification.next_attempt_at
    if notification.processed or notification.is_dropped or notification.is_given_up:
        return None
    return None if _held(notification) or due <= timezone.now() else due


def what_happened(error_code: str, description: str) -> str:
    """Return an error's explanation without what to do; nothing for no error.

    What to do is asked of a person only when the program does no more by itself.
    """
    if not error_code:
        return ""
    first, end, _rest = explain(error_code, description).partition(". ")
    return first + end.strip()


def _delivered(moment: datetime | None) -> Badge:
    if moment is None:
        return Badge(tone="good", words=_("Delivered"))
    words = _("Delivered {time}").format(time=when(moment))
    return Badge(tone="good", words=words)


def _given_up(notification: OrderNotification) -> Badge:
    code = notification.last_error_code
    words = _("Not delivered")
    if code == BLOCKED:
        words = _("Bot blocked")
    elif may_have_arrived(code):
        words = _("It may have arrived")
    return Badge(tone="bad", words=words, more=explain(code, notification.last_error))


def _held(notification: OrderNotification) -> Badge | None:
    """Return what keeps an unfinished notification from being due, if anything does."""
    facts = facts_of(notification)
    if facts.sending:
        return Badge(tone="busy", words=_("Being sent"))
    if facts.parked:
        return Badge(
            tone="bad",
            words=_("Not sent"),
            more=_("There was a fault in the program. Tell your administrator."),
        )
    if facts.silenced:
        return _unsubscribed()
    if facts.stopped:
        return Badge(
            tone="late",
            words=_("In the queue"),
            more=_("Sending was stopped by hand: it goes when sending is resumed."),
        )
    if facts.pause_reason:
        return Badge(
            tone="late", words=_("In the queue"), more=explain(facts.pause_reason)
        )
    return None


def _due(notification: OrderNotification) -> Badge:
    reason = what_happened(notification.last_error_code, notification.last_error)
    if moment := next_attempt_at(notification):
        words = _("Retry at {time}").format(time=when(moment, seconds=True))
        return Badge(tone="late", words=words, more=reason)
    if notification.failed_attempts_number:
        return Badge(tone="late", words=_("Being retried"), more=reason)
    return Badge(tone="busy", words=_("In the queue"))


def _never_made(customer: Customer, *, has_invite: bool) -> Badge:
    if customer.tg_user_id is None:
        return Badge(
            tone="idle",
            words=_("Customer not connected"),
            more=""
            if has_invite
            else _("Give them the invite: it is on the customer's page."),
        )
    if customer.unsubscribed_at is not None:
        return _unsubscribed()
    return Badge(
        tone="idle",
        words=_("Not sent"),
        more=_("No message was made for this order. Tell the customer in another way."),
    )


def _unsubscribed() -> Badge:
    return Badge(
        tone="idle",
        words=_("Unsubscribed"),
        more=_("The customer has to press Start in the bot again."),
    )
