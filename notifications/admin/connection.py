"""Can the bot write to this customer, since when, and what is to be done if not?"""

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from notifications.models import Connection, Customer

from .badge import Badge, Tone
from .invite import invite_of
from .moments import when

_TONES: dict[str, Tone] = {
    Connection.CONNECTED: "good",
    Connection.NOT_CONNECTED: "idle",
    Connection.BLOCKED: "bad",
    Connection.UNSUBSCRIBED: "idle",
}


def connection_of(customer: Customer) -> Badge:
    """Return whether messages reach the customer, and what to do if they do not."""
    state = customer.connection
    return Badge(tone=_TONES[state], words=str(state.label), more=_what_to_do(state))


def connection_line(customer: Customer) -> SafeString:
    """Return the state and since when, as short as a list has it."""
    return format_html(
        '{} <span class="since">{}</span>',
        connection_of(customer).label(),
        _("since {time}").format(time=when(customer.connection_since)),
    )


def connection_panel(customer: Customer) -> SafeString:
    """Return the state, what to do about it, and the invite if one is needed.

    The same words wherever a manager has to know: on the customer's page, and before
    an order of theirs is saved.
    """
    is_connected = customer.connection is Connection.CONNECTED
    html = render_to_string(
        "admin/notifications/connection.html",
        {
            "line": connection_line(customer),
            "what_to_do": connection_of(customer).more,
            "telegram_user": telegram_user(customer),
            "invite": None if is_connected else invite_of(customer),
            "card": reverse("admin:notifications_customer_card", args=[customer.pk]),
        },
    )
    return mark_safe(html.strip())  # noqa: S308 - a template's output


def telegram_user(customer: Customer) -> str:
    """Return the @username, if there is one, and the ID; empty before Start."""
    if customer.tg_user_id is None:
        return ""
    name = f"@{customer.tg_username}, " if customer.tg_username else ""
    return f"{name}{customer.tg_user_id}"


def _what_to_do(state: Connection) -> str:
    match state:
        case Connection.NOT_CONNECTED:
            return _("Give the customer the invite: they press Start once.")
        case Connection.UNSUBSCRIBED:
            return _("The customer has to press Start in the bot again.")
        case Connection.BLOCKED:
            return _("Ask the customer to unblock the bot in Telegram.")
        case Connection.CONNECTED:
            return ""
