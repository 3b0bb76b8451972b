"""A small shop on an ordinary working day, in Russian: for pictures and for browsers.

The same customers, orders and messages each time, counted back from now.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

DAYS = 14
FIRST_NUMBER = 1001
# Name, phone, what became of the invite.
CUSTOMERS = (
    ("Анна Смирнова", "+7 916 000-00-01", "connected"),
    ("Иван Петров", "+7 903 000-00-02", "connected"),
    ("Мария Кузнецова", "+7 925 000-00-03", "connected"),
    ("Сергей Волков", "+7 926 000-00-04", "connected"),
    ("Ольга Морозова", "+7 905 000-00-05", "connected"),
    ("Дмитрий Соколов", "+7 964 000-00-06", "connected"),
    ("Екатерина Лебедева", "+7 977 000-00-07", "connected"),
    ("Алексей Козлов", "+7 985 000-00-08", "connected"),
    ("Наталья Новикова", "+7 999 000-00-09", "connected"),
    ("Emily Carter", "+44 20 7946 0010", "connected"),
    ("Инна Громова", "+7 910 000-00-11", "blocked"),
    ("Олег Тихий", "", "unsubscribed"),
    ("Пётр Новиков", "+7 915 000-00-12", "invited"),
    ("Юлия Фёдорова", "+7 917 000-00-13", "invited"),
    ("Константин Рождественский-Верхнекамский", "+7 918 000-00-14", "invited"),
)
FAILURES = (
    ("Инна Громова", "blocked_by_user", "Forbidden: bot was blocked by the user"),
    ("Сергей Волков", "chat_not_found", "Bad Request: chat not found"),
    ("Алексей Козлов", "user_deactivated", "Forbidden: user is deactivated"),
    ("Алексей Козлов", "user_deactivated", "Forbidden: user is deactivated"),
)
TEXTS = {
    "new": "Здравствуйте, {customer_name}! Сформирован заказ номер {order_number}",
    "shipped": "{customer_name}, заказ {order_number} уже в пути",
    "delivered": "Заказ {order_number} доставлен. Спасибо, что выбрали нас!",
}


@dataclass(frozen=True, slots=True)
class Sale:
    """One order as it came in: whose, when, and how far it is."""

    number: str
    customer: str
    at: datetime
    status: str


def fill(login: str) -> None:
    """Fill the default database, which has neither customers nor orders.

    Everything is written at once, so that a worker finds nothing half-made to send.
    """
    from django.db import transaction
    from django.utils import timezone

    from notifications.models import OrderStatus

    now = timezone.now()
    with transaction.atomic():
        for code, text in TEXTS.items():
            OrderStatus.objects.filter(pk=code).update(text_ru=text)
        customers = _make_customers(now)
        _make_sales(customers, now)
        _make_failures(customers, now)
        _make_waiting(customers, now)
        _make_stuck(customers, now)
        _make_story(customers, now, login)


# --- rows ----------------------------------------------------------------------------


def _make_customers(now: datetime) -> dict[str, Any]:
    from notifications.models import Customer

    made = {}
    for position, (name, phone, state) in enumerate(CUSTOMERS):
        past = now - timedelta(days=60 - position, hours=position % 5)
        is_connected = state != "invited"
        customer = Customer.objects.create(
            name=name,
            phone=phone,
            invite_code=f"invite-{position:02}-xK7vQ2mN9pLs",
            tg_user_id=700_000_000 + position * 7919 if is_connected else None,
            language="en" if name.startswith("Emily") else "ru",
            started_at=past if is_connected else None,
            blocked_at=now - timedelta(hours=5) if state == "blocked" else None,
            unsubscribed_at=now - timedelta(days=2)
            if state == "unsubscribed"
            else None,
        )
        Customer.objects.filter(pk=customer.pk).update(created_at=past)
        made[name] = customer
    return made


def _sales(now: datetime) -> Iterator[Sale]:
    names = [name for name, _, state in CUSTOMERS if state == "connected"]
    moments = sorted(
        now - timedelta(days=day, minutes=9 + nth * 31 + day * 7 % 50)
        for day in range(DAYS)
        for nth in range(15 + day * 5 % 7)
    )
    for number, at in enumerate(moments, start=FIRST_NUMBER):
        is_old = at < now - timedelta(days=4)
        status = "delivered" if is_old else ("shipped", "packed", "paid")[number % 3]
        yield Sale(str(number), names[number % len(names)], at, status)


def _make_sales(customers: dict[str, Any], now: datetime) -> None:
    from notifications.models import Order

    sales = list(_sales(now))
    orders = Order.objects.bulk_create(
        Order(number=sale.number, customer=customers[sale.customer], status_id="new")
        for sale in sales
    )
    for order, sale in zip(orders, sales, strict=True):
        Order.objects.filter(pk=order.pk).update(created_at=sale.at)
        super_update(order, status_id=sale.status)
        notification = order.notifications.get()
        _deliver(notification, sale.at, after=0.2 + int(sale.number) % 9 / 10)
    _fail_now_and_then(orders[::9], sales[::9])


def super_update(order: Any, **fields: Any) -> None:
    """Write columns of an order without a word to its customer: the past is told."""
    from django.db.models import QuerySet

    QuerySet(type(order)).filter(pk=order.pk).update(**fields)


def _fail_now_and_then(orders: list[Any], sales: list[Sale]) -> None:
    for order, sale in zip(orders, sales, strict=True):
        notification = order.notifications.get()
        at = sale.at - timedelta(seconds=4)
        _attempt(notification, at, "uncertain", "server_error", "Bad Gateway")


def _make_failures(customers: dict[str, Any], now: datetime) -> None:
    for position, (name, code, words) in enumerate(FAILURES):
        at = now - timedelta(hours=1 + position * 2, minutes=12)
        notification = _make_order(f"{1400 + position}", customers[name], at)
        for nth, delay in enumerate((0, 3, 18)):
            later = at + timedelta(seconds=delay + nth)
            _attempt(notification, later, "refused", code, words)
        _update(
            notification,
            failed_attempts_number=3,
            last_error_code=code,
            last_error=words,
        )


def _make_waiting(customers: dict[str, Any], now: datetime) -> None:
    """Make one that waits, one behind it in its chat, and three unreachable."""
    anna = customers["Анна Смирнова"]
    at = now - timedelta(minutes=1)
    words = "Too Many Requests: retry after 3600"
    first = _make_order("1410", anna, at)
    _attempt(first, at, "postponed", "flood", words)
    _update(first, next_attempt_at=now + timedelta(hours=1), last_error_code="flood")
    _make_order("1411", anna, at + timedelta(seconds=20))
    _make_order("1412", customers["Олег Тихий"], at - timedelta(minutes=8), None)
    _make_order("1413", customers["Пётр Новиков"], at - timedelta(minutes=4), None)
    _make_order("1414", customers["Юлия Фёдорова"], at - timedelta(minutes=2), None)


def _make_story(customers: dict[str, Any], now: datetime, login: str) -> None:
    """Make an order that came all the way, with a stumble, and its log."""
    from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
    from django.contrib.auth import get_user_model

    from notifications.models import Order

    maria = customers["Мария Кузнецова"]
    at = now - timedelta(hours=3, minutes=20)
    first = _make_order("1416", maria, at)
    _attempt(first, at, "failed", "server_error", "Internal Server Error")
    _deliver(first, at, after=4)
    order = Order.objects.get(number="1416")
    for hours, status in ((2, "paid"), (1, "shipped")):
        order.status_id = status
        order.save()
        message = order.notifications.latest("pk")
        moment = now - timedelta(hours=hours)
        _update(message, created_at=moment)
        _deliver(message, moment, after=0.4)
    user = get_user_model().objects.get(username=login)
    fields: list[Any] = [{"added": {}}]
    changes: list[Any] = [{"changed": {"fields": ["Статус"]}}]
    for flag, what in ((ADDITION, fields), (CHANGE, changes), (CHANGE, changes)):
        LogEntry.objects.log_actions(user.pk, [order], flag, what, single_object=True)


def _make_stuck(customers: dict[str, Any], now: datetime) -> None:
    """Make a message whose sending a mistake in the program has ended."""
    from django_workers.models import Claim, Queue
    from notifications.models.notification import QUEUE_NAME

    queue, _ = Queue.objects.get_or_create(pk=QUEUE_NAME)
    stuck = _make_order("1415", customers["Ольга Морозова"], now - timedelta(hours=6))
    Claim.objects.create(
        id=uuid.UUID(int=1), queue=queue, task_id=str(stuck.pk), error="ValueError: x"
    )


# --- one row -------------------------------------------------------------------------


def _make_order(
    number: str, customer: Any, at: datetime, told: bool | None = True
) -> Any:
    """Make an order; return its message, if it has one."""
    from notifications.models import Order

    order = Order.objects.create(number=number, customer=customer)
    Order.objects.filter(pk=order.pk).update(created_at=at)
    if not told:
        return None
    notification = order.notifications.get()
    _update(notification, created_at=at)
    return notification


def _deliver(notification: Any, at: datetime, *, after: float) -> None:
    finished = at + timedelta(seconds=after)
    _update(notification, created_at=at, processed=True, processed_at=finished)
    _attempt(notification, finished, "delivered", "", "", message_id=notification.pk)


def _attempt(
    notification: Any, at: datetime, outcome: str, code: str, words: str, **more: Any
) -> None:
    from notifications.models import DeliveryAttempt

    position = DeliveryAttempt.objects.filter(notification=notification).count()
    DeliveryAttempt.objects.create(
        notification=notification,
        key=uuid.UUID(int=notification.pk * 10 + position),
        started_at=at - timedelta(seconds=0.2),
        finished_at=at,
        outcome=outcome,
        counted=outcome in ("refused", "failed", "uncertain"),
        error_code=code,
        description=words,
        **more,
    )


def _update(notification: Any, **fields: Any) -> None:
    type(notification)._default_manager.filter(pk=notification.pk).update(**fields)
