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
# Of the customers, and of the messages.
CONNECTED, BLOCKED, UNSUBSCRIBED = 0.88, 0.02, 0.01
FAILED = 0.01
WAITING = 0.002
REASONS = ("blocked_by_user", "chat_not_found", "user_deactivated", "bad_request")
CUSTOMERS_PER_ORDER = 0.2
YEARS = timedelta(days=730)
BATCH = 20_000

Row = tuple[Any, ...]


class BigShop:
    """Rows of a shop, in the order in which their tables can be filled."""

    def __init__(self, orders: int, now: datetime, seed: int) -> None:
        self.orders = orders
        self.customers = max(1, int(orders * CUSTOMERS_PER_ORDER))
        self._now = now
        self._random = random.Random(seed)
        self._chats: list[int | None] = [None]
        self._waiting_after = orders - int(orders * WAITING)

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
            past = self._now - YEARS * chance()
            full_name = f"{surname} {name}"
            self._chats.append(None if silent or not connected else 10**9 + pk)
            yield (
                pk,
                full_name,
                phone,
                10**9 + pk if connected else None,
                f"invite-{pk}",
                past,
                past if connected else None,
                past if blocked else None,
                past if silent else None,
            )

    def order_rows(self) -> Iterator[Row]:
        for pk, customer in self._customers_of_orders():
            # One in fifty comes from elsewhere, with a letter in its number.
            number = f"М{pk}" if pk % 50 == 0 else str(pk)
            yield pk, number, customer, self._created(pk)

    def notification_rows(self) -> Iterator[Row]:
        """Yield one for each order whose customer is reachable, under its id."""
        for pk, customer in self._customers_of_orders():
            chat = self._chats[customer]
            if chat is None:
                continue
            created = self._created(pk)
            number = f"М{pk}" if pk % 50 == 0 else str(pk)
            row = (pk, pk, number, chat, created, created)
            if pk > self._waiting_after:
                yield *row, False, 0, None, ""
            elif self._failed(pk):
                yield *row, False, 3, None, REASONS[pk % 7 % len(REASONS)]
            else:
                yield *row, True, 0, created + timedelta(seconds=1 + pk % 5), ""

    def attempt_rows(self) -> Iterator[Row]:
        for pk, customer in self._customers_of_orders():
            if self._chats[customer] is None or pk > self._waiting_after:
                continue
            moment = self._created(pk)
            key = uuid.UUID(int=pk)
            if not self._failed(pk):
                yield pk, key, moment, moment, "delivered", False, "", pk
                continue
            for nth in range(3):
                later = moment + timedelta(seconds=10 * nth)
                key = uuid.UUID(int=pk + (nth + 1) * 10**9)
                reason = REASONS[pk % 7 % len(REASONS)]
                yield pk, key, later, later, "refused", True, reason, None

    def _customers_of_orders(self) -> Iterator[tuple[int, int]]:
        """Yield the same pairs each time; some customers come back often."""
        chance = random.Random(self.orders).random
        for pk in range(1, self.orders + 1):
            yield pk, 1 + int(self.customers * chance() ** 2)

    def _created(self, pk: int) -> datetime:
        return self._now - YEARS * (1 - pk / self.orders)

    def _failed(self, pk: int) -> bool:
        return pk * 2654435761 % 2**32 < FAILED * 2**32


def _word_rows() -> Iterator[Row]:
    """Yield the words of the customers that are in the database by then."""
    from notifications.models import Customer
    from notifications.models.search_words import words_of

    customers = Customer.objects.order_by("pk").values_list("pk", "name", "phone")
    for pk, name, phone in customers.iterator(chunk_size=BATCH):
        for word in sorted(words_of(name, phone, "")):
            yield pk, word


def fill(orders: int, say: Callable[[str], None], seed: int = 0) -> None:
    """Insert a shop into the default database.

    Raises:
        ValueError: there are orders or customers already.
    """
    from django.contrib.auth import get_user_model
    from django.core.management.color import no_style
    from django.db import connection, transaction
    from django.utils import timezone

    from django_workers.inserting import insert_rows
    from notifications.models import (
        Customer,
        CustomerWord,
        DeliveryAttempt,
        Order,
        OrderNotification,
    )

    if Customer.objects.exists() or Order.objects.exists():
        raise ValueError("There are customers or orders in this database already.")
    shop = BigShop(orders, timezone.now(), seed)
    tables: list[tuple[Any, tuple[str, ...], Iterable[Row]]] = [
        (Customer, CUSTOMER_COLUMNS, shop.customer_rows()),
        (CustomerWord, WORD_COLUMNS, _word_rows()),
        (Order, ORDER_COLUMNS, shop.order_rows()),
        (OrderNotification, NOTIFICATION_COLUMNS, shop.notification_rows()),
        (DeliveryAttempt, ATTEMPT_COLUMNS, shop.attempt_rows()),
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
    if not get_user_model().objects.filter(username="manager").exists():
        get_user_model().objects.create_superuser("manager", password="manager")


CUSTOMER_COLUMNS = (
    "id",
    "name",
    "phone",
    "tg_user_id",
    "invite_code",
    "created_at",
    "started_at",
    "blocked_at",
    "unsubscribed_at",
)
WORD_COLUMNS = ("customer_id", "word")
ORDER_COLUMNS = ("id", "number", "customer_id", "created_at")
NOTIFICATION_COLUMNS = (
    "id",
    "order_id",
    "order_number",
    "tg_user_id",
    "created_at",
    "next_attempt_at",
    "processed",
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
