"""Deliveries as a table: what is in it, and that it is never held as a whole."""

import asyncio
import csv
import io
import threading
import tracemalloc
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from notifications.exporting import csv_parts, harmless
from notifications.models import Customer, Order, OrderNotification
from tests.support.shop import attempt, connected, given_up, order, superuser

pytestmark = pytest.mark.django_db

ADDRESS = "/admin/notifications/ordernotification/export.csv"


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(superuser())
    return client


def download(desk: Client, **query: str) -> list[dict[str, str]]:
    response = desk.get(ADDRESS, query)
    assert response.status_code == 200
    return rows_of(content_of(response))


def content_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def rows_of(content: bytes, separator: str = ";") -> list[dict[str, str]]:
    text = content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


def many(count: int) -> None:
    connected("Анна", 1)
    OrderNotification.objects.bulk_create(
        OrderNotification(order_number=str(number), tg_user_id=1)
        for number in range(count)
    )


# --- what is in it --------------------------------------------------------------------


def test_a_delivery_is_told_in_the_words_of_a_manager(desk: Client) -> None:
    anna = connected("Анна 🌸 «Роза»; ООО", phone="8 916 000-00-01")
    made = order(
        "7",
        anna,
        processed=True,
        created_at=datetime(2026, 1, 2, 21, 30, tzinfo=UTC),
        processed_at=datetime(2026, 1, 2, 21, 30, 5, tzinfo=UTC),
    )
    attempt(made.notifications.get(), "delivered")

    assert download(desk) == [
        {
            "Номер заказа": "7",
            "Клиент": "Анна 🌸 «Роза»; ООО",
            "Телефон": "8 916 000-00-01",
            "ID пользователя в Telegram": "1001",
            "Состояние": "Доставлено",
            "Создано": "03.01.2026 00:30:00",
            "Доставлено": "03.01.2026 00:30:05",
            "Попыток": "1",
            "Последняя ошибка": "",
            "Что ответил Telegram": "",
        }
    ]


def test_what_was_not_delivered_has_its_reason_and_the_words_of_telegram(
    desk: Client,
) -> None:
    order("7", connected(), **given_up())

    (row,) = download(desk)

    assert row["Состояние"] == "Не доставлено"
    assert row["Последняя ошибка"].startswith("Наш бот не знает")
    assert row["Что ответил Telegram"] == "Bad Request: chat not found"
    assert (row["Доставлено"], row["Попыток"]) == ("", "3")


def test_a_message_without_an_order_has_the_customer_of_its_chat(desk: Client) -> None:
    connected("Анна", 1001)
    OrderNotification.objects.create(order_number="1", tg_user_id=1001)
    OrderNotification.objects.create(order_number="2", tg_user_id=-100200)

    stranger, known = download(desk)

    assert known["Клиент"] == "Анна"
    assert stranger["Клиент"] == ""
    assert stranger["ID пользователя в Telegram"] == "-100200"


def test_in_english_it_is_separated_by_commas(desk: Client) -> None:
    order("7", connected())
    desk.cookies["django_language"] = "en"

    content = content_of(desk.get(ADDRESS))

    (row,) = rows_of(content, ",")
    assert row["Order number"] == "7"
    assert row["State"] == "In the queue"


def test_the_file_has_a_mark_that_excel_needs_and_a_name_with_the_day(
    desk: Client,
) -> None:
    response = desk.get(ADDRESS)

    assert content_of(response).startswith(b"\xef\xbb\xbf")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    day = timezone.localdate().isoformat()
    named = f'attachment; filename="ordernotifications-{day}.csv"'
    assert response["Content-Disposition"] == named


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋"])
def test_no_cell_is_a_formula(desk: Client, sign: str) -> None:
    evil = f"{sign}HYPERLINK(A1)"
    order("7", Customer.objects.create(name=evil))
    OrderNotification.objects.create(order_number="=1+1", tg_user_id=5)

    (row,) = download(desk)

    assert row["Номер заказа"] == "'=1+1"
    assert harmless(evil) == f"'{evil}"
    assert harmless(-100) == -100


def test_no_name_of_a_customer_is_a_formula(desk: Client) -> None:
    order("7", connected('=cmd|"/c calc"!A1', phone="+7 916 000-00-01"))

    (row,) = download(desk)

    assert row["Клиент"] == '\'=cmd|"/c calc"!A1'
    assert row["Телефон"] == "'+7 916 000-00-01"


# --- which rows -----------------------------------------------------------------------


def test_it_has_what_the_list_was_narrowed_to(desk: Client) -> None:
    anna = connected()
    order("7", anna)
    order("71", anna, **given_up())
    order("8", anna, **given_up())

    assert [row["Номер заказа"] for row in download(desk, state="failed")] == [
        "8",
        "71",
    ]
    found = download(desk, state="failed", q="7")
    assert [row["Номер заказа"] for row in found] == ["71"]


def test_the_link_on_the_list_keeps_the_filter_and_leaves_the_page(
    desk: Client,
) -> None:
    address = reverse("admin:notifications_ordernotification_changelist")

    html = desk.get(address, {"state": "failed", "p": "1"}).content.decode()

    assert f'href="{ADDRESS}?state=failed"' in html


def test_it_has_more_rows_than_a_list_counts(desk: Client) -> None:
    many(3_050)
    OrderNotification.objects.update(processed=True, processed_at=timezone.now())

    assert len(download(desk)) == 3_050
    assert len(download(desk, delivered="today")) == 3_050


def test_a_filter_that_is_none_leads_back_to_the_list(desk: Client) -> None:
    response = desk.get(ADDRESS, {"since": "yesterday"})

    assert response.status_code == 302


def test_it_cannot_be_posted_to(desk: Client) -> None:
    assert desk.post(ADDRESS).status_code == 405


# --- how it is made -------------------------------------------------------------------


def test_each_part_takes_a_fixed_number_of_queries(desk: Client) -> None:
    many(1_500)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = desk.get(ADDRESS)
        before = len(queries)
        content_of(response)

    assert len(queries) - before <= 3 * 3


def test_a_row_that_is_deleted_during_the_download_is_left_out(desk: Client) -> None:
    many(1_200)

    response: Any = desk.get(ADDRESS)
    parts = iter(response.streaming_content)
    first = next(parts) + next(parts)
    OrderNotification.objects.filter(order_number="0").delete()
    rows = rows_of(first + b"".join(parts))

    assert len(rows) == 1_199


def test_memory_stays_flat_however_long_the_table_is() -> None:
    def peak(count: int) -> int:
        rows: Iterator[Any] = ((n, "Анна", "x" * 100) for n in range(count))
        tracemalloc.start()
        with override("ru"):
            for _ in csv_parts(["a", "b", "c"], rows):
                pass
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(1_000)
    assert peak(40_000) < 2 * peak(4_000)


@pytest.mark.django_db(transaction=True)
def test_under_asgi_it_comes_in_parts_beside_the_event_loop() -> None:
    many(3_000)
    user = superuser()
    asked_by: set[int] = set()

    async def download() -> list[bytes]:
        client = AsyncClient()
        await client.aforce_login(user)
        response: Any = await client.get(ADDRESS)
        received = [part async for part in response.streaming_content]
        await sync_to_async(connections.close_all)()
        return received

    def watch(execute: Any, *arguments: Any) -> Any:
        asked_by.add(threading.get_ident())
        return execute(*arguments)

    with warnings.catch_warnings(), connection.execute_wrapper(watch):
        warnings.simplefilter("error")
        parts = asyncio.run(download())

    assert len(rows_of(b"".join(parts))) == 3_000
    assert len(parts) > 6
    assert threading.get_ident() not in asked_by


def test_an_order_that_was_made_is_in_the_table_of_its_messages(desk: Client) -> None:
    Order.objects.create(number="9", customer=connected())

    assert [row["Номер заказа"] for row in download(desk)] == ["9"]
