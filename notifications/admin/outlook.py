"""What will come of an order that is being filled in: will its customer read of it?"""

from collections.abc import Mapping

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from notifications.messages import text_about
from notifications.models import Customer, OrderStatus
from notifications.models.order import Order

from .connection import connection_of
from .invite import invite_of

_LONGEST_KEY = 18


def outlook(filled_in: Mapping[str, object]) -> SafeString:
    """Return the exact message, and whatever keeps it from the chosen customer.

    Made from a form that may be empty or wrong: it says what can be said.
    """
    customer = customer_named(filled_in.get("customer"))
    number = str(filled_in.get("number") or "").strip()
    longest = Order._meta.get_field("number").max_length
    reader = customer or Customer(name="…", language="")
    order = Order(
        number=number[:longest],
        status=OrderStatus.initial(),
        notify=str(filled_in.get("quietly") or "") not in ("on", "true", "True"),
    )
    return render_to_string(
        "admin/notifications/outlook.html",
        {
            "customer": customer,
            "connection": connection_of(customer).label() if customer else "",
            "hindrance": hindrance_of(customer) if customer else "",
            "nothing": nothing_is_sent(order),
            "text": text_about(order.number, order.status, reader) if number else "",
        },
    )


def nothing_is_sent(order: Order) -> str:
    """Return why its customer is told nothing of the order; empty when they are."""
    if not order.notify:
        return _("The customer will not be told of this order: so it was chosen.")
    if not order.status.notifies:
        return _("Customers are told nothing of new orders: so their status is set.")
    return ""


def hindrance_of(customer: Customer) -> SafeString | None:
    """Return why a message does not reach the customer now, and their invite."""
    if customer.tg_user_id is None:
        words = _(
            "The customer is not connected: the message goes as soon as they press "
            "Start. Their invite:"
        )
    elif customer.unsubscribed_at is not None:
        words = _(
            "The customer unsubscribed: the message goes when they press Start again. "
            "Their invite:"
        )
    elif customer.blocked_at is not None:
        words = _(
            "The customer blocked the bot, so the message will hardly arrive: ask them "
            "to unblock it. Their invite:"
        )
    else:
        return None
    return format_html("{} {}", words, invite_of(customer).as_html())


def customer_named(key: object) -> Customer | None:
    """Return the customer of a form's field; None when it names nobody."""
    if not is_key(key):
        return None
    return Customer.objects.filter(pk=int(str(key))).first()


def is_key(key: object) -> bool:
    """Whether a row might have this key: a database refuses to look for others."""
    text = str(key or "")
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_KEY
