"""What a customer's Start, Stop, block and unblock change in the shop's books.

Each function is one short transaction with the customer's row locked, as everything
that makes notifications is, so that ids and commits of one chat agree.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.db import IntegrityError, router, transaction
from django.db.models import Q
from django.utils import timezone

from django_workers.wakeup import announce

from .models import Customer, Order, OrderNotification, PastInvite
from .models.telling import untold
from .verdicts import ENDED_BY_START

_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_STARTS_AT_ONCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramChat:
    """A private chat as Telegram describes it; only the id is always there."""

    id: int
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    language_code: str = ""


class _CardsMoved(Exception):
    """Two cards became one between our look and our lock: look again."""


class Greeting(StrEnum):
    """How a press of Start ended."""

    NEW = "new"
    LINKED = "linked"
    AGAIN = "again"
    CODE_UNKNOWN = "code_unknown"
    CODE_TAKEN = "code_taken"
    ALREADY_LINKED_ELSEWHERE = "already_linked_elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a press of Start did; no customer when the chat stays unknown."""

    greeting: Greeting
    customer: Customer | None


def press_start(
    chat: TelegramChat, code: str = "", at: datetime | None = None
) -> Started:
    """Make the chat reachable, linking the customer whom the code belongs to.

    An unknown chat is registered, unless its code belongs to another chat. Orders made
    while there was no way to tell their customer get their notifications now.
    """
    for _ in range(_STARTS_AT_ONCE - 1):
        try:
            return _press_start(chat, code.strip(), at or timezone.now())
        except (IntegrityError, _CardsMoved):
            # The same chat was registered between our look and our insert, or its card
            # was merged with another: look again.
            continue
    return _press_start(chat, code.strip(), at or timezone.now())


def unsubscribe(chat_id: int) -> bool:
    """Send nothing more to the chat until Start; False when the chat is unknown."""
    with transaction.atomic():
        customer = _lock_customer(chat_id)
        if customer is not None and customer.unsubscribed_at is None:
            customer.unsubscribed_at = timezone.now()
            customer.save(update_fields=["unsubscribed_at"])
    return customer is not None


def mark_blocked(chat_id: int, at: datetime) -> bool:
    """Note that the customer blocked the bot; False when it is older news."""
    with transaction.atomic():
        customer = _lock_customer(chat_id)
        if customer is None or _is_old(customer, at):
            return False
        customer.blocked_at = at
        customer.save(update_fields=["blocked_at"])
        return True


def mark_unblocked(chat_id: int, at: datetime) -> bool:
    """Note that the customer let the bot in again; False when it is older news.

    What was given up because of the block becomes due again.
    """
    with transaction.atomic():
        customer = _lock_customer(chat_id)
        if customer is None or _is_old(customer, at):
            return False
        customer.blocked_at = None
        # A refusal of an attempt that began before this moment means nothing now.
        customer.started_at = at
        customer.save(update_fields=["blocked_at", "started_at"])
        _reopen(chat_id)
        return True


def _press_start(chat: TelegramChat, code: str, at: datetime) -> Started:
    with transaction.atomic():
        of_chat, of_code = _lock_cards(chat.id, code)
        greeting = _greet(chat.id, of_chat, of_code, code)
        customer = of_chat
        if greeting is Greeting.LINKED and of_code is not None:
            customer = of_code
            if of_chat is not None:
                absorb(of_chat, into=of_code)
        elif of_chat is None:
            if greeting is Greeting.CODE_TAKEN:
                return Started(greeting=greeting, customer=None)
            customer = Customer(
                name=_name(chat), registered_by_bot=True, phone="", language=""
            )
        assert customer is not None  # noqa: S101 - for the type checker: see above
        _open(customer, chat, at)
        return Started(greeting=greeting, customer=customer)


def _greet(
    chat_id: int, of_chat: Customer | None, of_code: Customer | None, code: str
) -> Greeting:
    if code and of_code is None:
        return Greeting.CODE_UNKNOWN
    if of_code is None or of_code == of_chat:
        return Greeting.NEW if of_chat is None else Greeting.AGAIN
    if of_code.tg_user_id is not None:
        return Greeting.CODE_TAKEN
    if of_chat is None or of_chat.registered_by_bot:
        return Greeting.LINKED
    return Greeting.ALREADY_LINKED_ELSEWHERE


def _lock_cards(chat_id: int, code: str) -> tuple[Customer | None, Customer | None]:
    """Lock, in one order for everybody, the card of the chat and the card of the code.

    Text that cannot be a code is not looked for: it may not even fit a database.
    """
    wanted = Q(tg_user_id=chat_id)
    past = PastInvite.objects.filter(code=code)
    if is_code := _CODE.fullmatch(code) is not None:
        wanted |= Q(invite_code=code) | Q(pk__in=past.values("customer"))
    cards = list(Customer.objects.select_for_update().filter(wanted).order_by("pk"))
    of_chat = next((card for card in cards if card.tg_user_id == chat_id), None)
    of_code = next(
        (card for card in cards if is_code and card.invite_code == code), None
    )
    if is_code and of_code is None:
        owner = past.values_list("customer", flat=True).first()
        of_code = next((card for card in cards if card.pk == owner), None)
        if owner is not None and of_code is None:
            raise _CardsMoved
    return of_chat, of_code


def _lock_customer(chat_id: int) -> Customer | None:
    found = Customer.objects.select_for_update().filter(tg_user_id=chat_id)
    # A second look: while we waited for the lock, the chat may have got another card.
    return found.first() or found.first()


def absorb(card: Customer, *, into: Customer) -> None:
    """Move a card's orders and invites to another and delete it; `into` is not saved.

    Both are locked.
    """
    Order.objects.filter(customer=card).update(customer=into)
    PastInvite.objects.filter(customer=card).update(customer=into)
    PastInvite.objects.create(code=card.invite_code, customer=into)
    into.phone = into.phone or card.phone
    into.registered_by_bot = into.registered_by_bot and card.registered_by_bot
    card.delete()


def resume(customer: Customer) -> int:
    """Send what was held back while messages did not reach the customer, who is locked.

    Return of how many orders they are told only now.
    """
    if not customer.is_reachable or customer.tg_user_id is None:
        return 0
    if customer.blocked_at is None:
        _reopen(customer.tg_user_id)
    # What /stop held back is due now, although no row says so.
    announce(router.db_for_write(OrderNotification))
    return _catch_up(customer)


def _open(customer: Customer, chat: TelegramChat, at: datetime) -> None:
    """Make the customer reachable in this chat, and let them catch up."""
    was_reachable = customer.is_reachable
    customer.tg_user_id = chat.id
    customer.tg_username = _clean(chat.username, 64)
    customer.language = _clean(chat.language_code, 16) or customer.language
    customer.started_at = max(at, customer.started_at or at)
    customer.blocked_at = None
    customer.unsubscribed_at = None
    customer.save()
    if was_reachable:
        _reopen(chat.id)
    else:
        resume(customer)


def _catch_up(customer: Customer) -> int:
    """Tell of the status of recent orders, where it is untold; return of how many."""
    recent = Order.objects.filter(customer=customer, created_at__gte=_oldest_told())
    orders = untold(recent).select_related("status").order_by("pk")
    made = OrderNotification.objects.bulk_create(
        OrderNotification.about(order, customer) for order in orders
    )
    return len(made)


def _reopen(chat_id: int) -> None:
    given_up = OrderNotification.objects.filter(
        tg_user_id=chat_id,
        last_error_code__in=ENDED_BY_START,
        created_at__gte=_oldest_told(),
    )
    given_up.retry()


def _oldest_told() -> datetime:
    """Older orders stay untold: nobody wants a year of messages at once."""
    moment: datetime = timezone.now() - settings.NOTIFICATIONS_MAX_AGE
    return moment


def _is_old(customer: Customer, at: datetime) -> bool:
    """Whether something that was learnt already happened after `at`."""
    known = (customer.started_at, customer.blocked_at)
    return any(moment is not None and at < moment for moment in known)


def _name(chat: TelegramChat) -> str:
    """Return what the shop calls somebody who came by themselves."""
    name = _clean(f"{chat.first_name} {chat.last_name}", 200)
    return name or _clean(chat.username, 200) or f"Telegram {chat.id}"


def _clean(text: str, limit: int) -> str:
    """Return one line that any database stores and no page is turned around by."""
    kept = (
        " " if char.isspace() else char
        for char in text
        if char.isspace()
        or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _TURNING)
    )
    line = " ".join("".join(kept).split())[:limit].strip()
    is_visible = any(unicodedata.category(char)[0] not in "CZ" for char in line)
    return line if is_visible else ""
