"""Makes one card of two: their orders, their chat and their invites.

What is waiting to be sent is neither lost nor doubled, and keeps its order: a message
stays the row that it is, whichever chat it goes to.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.db import OperationalError, transaction

from .customers import absorb, resume
from .models import Customer, Order, OrderNotification

_DEADLOCK = "40P01"
_TRIES = 3
_CHAT_FIELDS = (
    "tg_user_id",
    "tg_username",
    "language",
    "started_at",
    "blocked_at",
    "unsubscribed_at",
)


class Side(StrEnum):
    """Which of the two cards something is taken from."""

    KEPT = "kept"
    OTHER = "other"


class CannotMerge(Exception):
    """Nothing was changed."""


class CardGone(CannotMerge):
    """One of the cards does not exist any more, or both are the same."""


class ChatUndecided(CannotMerge):
    """Both cards have a chat, and nobody has said which one stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What became of two cards."""

    customer: Customer
    orders_moved: int
    # Messages that waited for the chat that was dropped.
    messages_moved: int
    # Orders that their customer can be told of only now.
    orders_told: int


def merge(
    kept: int,
    other: int,
    *,
    name: Side = Side.KEPT,
    phone: Side = Side.KEPT,
    chat: Side | None = None,
) -> Merged:
    """Move everything of the card `other` to the card `kept`, and delete `other`.

    A phone that only one of them has stays whatever `phone` says, and so does a chat;
    `chat` chooses between two. What waits for the chat that is dropped goes to the one
    that stays.

    Raises:
        CardGone: there are no such two cards.
        ChatUndecided: both have a chat, and `chat` is None.
    """
    for _ in range(_TRIES - 1):
        try:
            return _merge(kept, other, name, phone, chat)
        except OperationalError as error:
            # PostgreSQL chose us: a worker was writing about the same rows.
            if getattr(error.__cause__, "sqlstate", None) != _DEADLOCK:
                raise
    return _merge(kept, other, name, phone, chat)


@transaction.atomic
def _merge(
    kept_pk: int, other_pk: int, name: Side, phone: Side, chat: Side | None
) -> Merged:
    kept, other = _lock(kept_pk, other_pk)
    were_reachable = kept.is_reachable and other.is_reachable
    dropped_chat = None
    if kept.tg_user_id is not None and other.tg_user_id is not None:
        if chat is None:
            raise ChatUndecided
        dropped_chat = (other if chat is Side.KEPT else kept).tg_user_id
    elif other.tg_user_id is not None:
        chat = Side.OTHER

    if name is Side.OTHER:
        kept.name = other.name
    if phone is Side.OTHER:
        kept.phone = other.phone or kept.phone
    orders_moved = Order.objects.filter(customer=other).count()
    absorb(other, into=kept)
    if chat is Side.OTHER:
        for field in _CHAT_FIELDS:
            setattr(kept, field, getattr(other, field))
    kept.save()
    messages_moved = _readdress(dropped_chat, kept)
    orders_told = 0 if were_reachable and dropped_chat is None else resume(kept)
    return Merged(
        customer=kept,
        orders_moved=orders_moved,
        messages_moved=messages_moved,
        orders_told=orders_told,
    )


def _lock(kept_pk: int, other_pk: int) -> tuple[Customer, Customer]:
    """Lock both cards in the order in which everybody locks cards."""
    cards = Customer.objects.select_for_update().order_by("pk")
    found = cards.in_bulk([kept_pk, other_pk])
    if len(found) < 2:
        raise CardGone
    return found[kept_pk], found[other_pk]


def _readdress(dropped_chat: int | None, customer: Customer) -> int:
    """Let what waits for a dropped chat go to the customer's; return how many."""
    if dropped_chat is None:
        return 0
    waiting = OrderNotification.objects.open().filter(tg_user_id=dropped_chat)
    return waiting.update(tg_user_id=customer.tg_user_id)
