"""Fills an empty database with a shop of many orders, to measure pages and queries.

DATABASE_URL=sqlite:////tmp/big.sqlite3 python -m benchmarks.big_shop --orders 1000000

The same numbers make the same shop. The login is manager / manager.
"""

import argparse
import os
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import django

SURNAMES = [
    *("Иванов", "Смирнов", "Кузнецов", "Попов", "Васильев", "Петров", "Соколов"),
    *("Михайлов", "Новиков", "Фёдоров", "Морозов", "Волков", "Алексеев", "Лебедев"),
    *("Семёнов", "Егоров", "Павлов", "Козлов", "Степанов", "Николаев"),
]
WOMEN = ["Анна", "Мария", "Елена", "Ольга", "Наталья", "Ирина", "Юлия", "Дарья"]
MEN = ["Иван", "Пётр", "Олег", "Сергей", "Андрей", "Дмитрий", "Алексей", "Максим"]
# Of the customers.
CONNECTED, BLOCKED, UNSUBSCRIBED = 0.88, 0.02, 0.01
CUSTOMERS_PER_ORDER = 0.3
# Of the messages. Of the latest orders, one in so many still waits to be sent.
FAILED, PARKED = 0.01, 0.006
LATEST, WAITING_EACH = 0.02, 10
# One order in so many was told of twice: of its status, too.
TOLD_TWICE_EACH = 6
REASONS = ("blocked_by_user", "chat_not_found", "user_deactivated", "bad_request")
PARKED_AS = ("superseded", "cancelled", "uncertain")
# The statuses of the latest orders, a fiftieth of all each; older ones are finished.
ON_THE_WAY = ("new", "paid", "packed", "shipped")
YEAR = timedelta(days=365)
BATCH = 20_000
MANAGER = "manager"

Row = tuple[Any, ...]


class BigShop:
    """Rows of a shop, in the order in which their tables can be filled."""

    def __init__(self, orders: int, now: datetime, seed: int) -> None:
        self.orders = orders
        self.customers = max(1, int(orders * CUSTOMERS_PER_ORDER))
        self._now = now
        self._random = random.Random(seed)
        self._chats: list[int | None] = [None]

    def customer_rows(self) -> Iterator[Row]:
        chance = self._random.random
        for pk in range(1, self.customers + 1):
            woman = pk % 2
            name = self._random.choice(WOMEN if woman else MEN)
            surname = self._random.choice(SURNAMES) + ("а" if woman else "")
            digits = f"{self._random.randrange(10**9):09d}"
            phone = f"+7 9{digits[:2]} {digits[2:5]}-{digits[5:7]}-{digits[7:]}"
            connected = chance() < CONNECTED
            silent = connected and chance() < UNSUBSCRIBED
            blocked = connected and chance() < BLOCKED
            past = self._now - YEAR * chance()
            full_name = f"{surname} {name}"
            self._chats.append(None if silent or not connected else 10**9 + pk)
            yield (
                pk,
                full_name,
                phone,
                10**9 + pk if connected else None,
                f"user_{pk}" if connected and not pk % 3 else "",
                f"invite-{pk}",
                past,
                past if connected else None,
                past if blocked else None,
                past if silent else None,
            )

    def order_rows(self) -> Iterator[Row]:
        for pk, customer in self._customers_of_orders():
            yield pk, _number(pk), customer, self._status(pk), self._created(pk)

    def notification_rows(self) -> Iterator[Row]:
        """Yield those of reachable customers, the first of each order by its id."""
        for pk, customer in self._customers_of_orders():
            chat = self._chats[customer]
            if chat is None:
                continue
            number, created = _number(pk), self._created(pk)
            text = f"Сформирован заказ номер {number}"
            made = (pk, number, chat, text, created, created)
            state = self._state(pk, created)
            yield (pk, *made, *state)
            if _told_twice(pk, state):
                text = f"Заказ номер {number}: оплачен"
                made = (pk, number, chat, text, created, created)
                sent = created + timedelta(seconds=30)
                yield (pk + self.orders, *made, True, "", 0, sent, "")

    def attempt_rows(self) -> Iterator[Row]:
        for pk, customer in self._customers_of_orders():
            if self._chats[customer] is None:
                continue
            created = self._created(pk)
            state = self._state(pk, created)
            processed, parked, failures, sent, reason = state
            if processed:
                yield _attempt(pk, 0, sent, "delivered", "")
            elif parked == "uncertain":
                yield _attempt(pk, 0, created, "uncertain", "read_timeout")
            for nth in range(failures):
                moment = created + timedelta(seconds=10 * nth)
                yield _attempt(pk, nth, moment, "refused", reason)
            if _told_twice(pk, state):
                sent = created + timedelta(seconds=30)
                yield _attempt(pk + self.orders, 0, sent, "delivered", "")

    def log_rows(self, user: int, content_type: int) -> Iterator[Row]:
        """Yield what the admin notes of an order that is made by hand."""
        for pk in range(1, self.orders + 1):
            note = (user, content_type, str(pk), _number(pk), 1, '[{"added": {}}]')
            yield self._created(pk), *note

    def _customers_of_orders(self) -> Iterator[tuple[int, int]]:
        """Yield the same pairs each time; some customers come back often."""
        chance = random.Random(self.orders).random
        for pk in range(1, self.orders + 1):
            yield pk, 1 + int(self.customers * chance() ** 2)

    def _created(self, pk: int) -> datetime:
        return self._now - YEAR * (1 - pk / self.orders)

    def _status(self, pk: int) -> str:
        age = (self.orders - pk) * 50 // self.orders
        if age < len(ON_THE_WAY):
            return ON_THE_WAY[age]
        return "cancelled" if _share(pk + 1) < 0.03 else "delivered"

    def _state(self, pk: int, created: datetime) -> Row:
        """Return processed, parked, failures, when it was delivered, and why not."""
        share = _share(pk)
        if pk > self.orders * (1 - LATEST) and pk % WAITING_EACH == 0:
            return False, "", 0, None, ""
        if share < FAILED:
            return False, "", 3, None, REASONS[pk % len(REASONS)]
        if share < FAILED + PARKED:
            return False, PARKED_AS[pk % len(PARKED_AS)], 0, None, ""
        return True, "", 0, created + timedelta(seconds=1 + pk % 5), ""


def _number(pk: int) -> str:
    # One in fifty comes from elsewhere, with a letter in its number.
    return f"М{pk}" if pk % 50 == 0 else str(pk)


def _share(pk: int) -> float:
    """Return a number from 0 to 1 that looks like chance and is always the same."""
    return pk * 2654435761 % 2**32 / 2**32


def _told_twice(pk: int, state: Row) -> bool:
    processed, *_ = state
    return processed and pk % TOLD_TWICE_EACH == 0


def _attempt(pk: int, nth: int, moment: datetime, outcome: str, reason: str) -> Row:
    key = uuid.UUID(int=pk * 10 + nth)
    message = pk if outcome == "delivered" else None
    return pk, key, moment, moment, outcome, bool(reason), reason, message


def _word_rows() -> Iterator[Row]:
    """Yield the words of the customers that are in the database by then."""
    from notifications.models import Customer
    from notifications.models.search_words import words_of

    columns = ("pk", "name", "phone", "tg_username")
    customers = Customer.objects.order_by("pk").values_list(*columns)
    for pk, *searched in customers.iterator(chunk_size=BATCH):
        for word in sorted(words_of(*searched)):
            yield pk, word


def fill(orders: int, say: Callable[[str], None], seed: int = 0) -> None:
    """Insert a shop into the default database.

    Raises:
        ValueError: there are orders or customers already.
    """
    from django.contrib.admin.models import LogEntry
    from django.contrib.auth import get_user_model
    from django.contrib.contenttypes.models import ContentType
    from django.core.management.color import no_style
    from django.db import connection, transaction
    from django.utils import timezone

    from django_workers.inserting import insert_rows
    from django_workers.models import Queue
    from notifications.models import (
        Customer,
        CustomerWord,
        DeliveryAttempt,
        Order,
        OrderNotification,
    )
    from notifications.models.notification import QUEUE_NAME

    if Customer.objects.exists() or Order.objects.exists():
        raise ValueError("There are customers or orders in this database already.")
    users = get_user_model().objects
    if (manager := users.filter(username=MANAGER).first()) is None:
        manager = users.create_superuser(MANAGER, password=MANAGER)
    log = (manager.pk, ContentType.objects.get_for_model(Order).pk)
    Queue.objects.get_or_create(pk=QUEUE_NAME)
    shop = BigShop(orders, timezone.now(), seed)
    tables: list[tuple[Any, tuple[str, ...], Iterable[Row]]] = [
        (Customer, CUSTOMER_COLUMNS, shop.customer_rows()),
        (CustomerWord, WORD_COLUMNS, _word_rows()),
        (Order, ORDER_COLUMNS, shop.order_rows()),
        (OrderNotification, NOTIFICATION_COLUMNS, shop.notification_rows()),
        (DeliveryAttempt, ATTEMPT_COLUMNS, shop.attempt_rows()),
        (LogEntry, LOG_COLUMNS, shop.log_rows(*log)),
    ]
    for model, columns, rows in tables:
        started, made = time.monotonic(), 0
        rows = iter(rows)
        while batch := list(islice(rows, BATCH)):
            with transaction.atomic():
                insert_rows(model, columns, batch, using="default")
            made += len(batch)
        seconds = time.monotonic() - started
        say(f"{model.__name__}: {made} rows in {seconds:.0f} s")
    models = [Customer, Order, OrderNotification]
    with connection.cursor() as cursor:
        # Their ids were given: the sequences go on after them.
        for sql in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(sql)
        if connection.vendor == "postgresql":
            # As autovacuum would do soon.
            cursor.execute(
                "ANALYZE" if connection.in_atomic_block else "VACUUM ANALYZE"
            )


CUSTOMER_COLUMNS = (
    "id",
    "name",
    "phone",
    "tg_user_id",
    "tg_username",
    "invite_code",
    "created_at",
    "started_at",
    "blocked_at",
    "unsubscribed_at",
)
WORD_COLUMNS = ("customer_id", "word")
ORDER_COLUMNS = ("id", "number", "customer_id", "status_id", "created_at")
NOTIFICATION_COLUMNS = (
    "id",
    "order_id",
    "order_number",
    "tg_user_id",
    "text",
    "created_at",
    "next_attempt_at",
    "processed",
    "parked",
    "failed_attempts_number",
    "processed_at",
    "last_error_code",
)
ATTEMPT_COLUMNS = (
    "notification_id",
    "key",
    "started_at",
    "finished_at",
    "outcome",
    "counted",
    "error_code",
    "message_id",
)
LOG_COLUMNS = (
    "action_time",
    "user_id",
    "content_type_id",
    "object_id",
    "object_repr",
    "action_flag",
    "change_message",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workers_tutorial.settings")
    if not os.environ.get("DATABASE_URL"):
        print("DATABASE_URL says which database is to be filled.", file=sys.stderr)
        return 2
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    try:
        fill(arguments.orders, print, arguments.seed)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
