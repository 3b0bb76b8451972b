"""The first page of the admin: what it counts, where it leads, and what it warns of."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from django_workers.models import Queue, Worker
from notifications import figures
from notifications.admin.charts import LEAST_HEIGHT, Chart, draw
from notifications.admin.dashboard import charts_at, duration
from notifications.models import (
    BotStatus,
    Customer,
    DeliveryAttempt,
    OrderNotification,
)
from notifications.models.notification import QUEUE_NAME
from notifications.reasons import EXPLANATIONS

pytestmark = pytest.mark.django_db

MOST_QUERIES = 25
SCRIPT = "<script>alert(1)</script>"


# --- builders -------------------------------------------------------------------------


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("manager"))
    return client


@pytest.fixture
def everything_works() -> None:
    now = timezone.now()
    BotStatus.record(at=now, username="shop_bot", last_poll_at=now)
    queue = Queue.objects.create(pk=QUEUE_NAME)
    Worker.objects.create(queue=queue, host="shop", pid=42)


def message(number: str = "1", **fields: Any) -> OrderNotification:
    return OrderNotification.objects.create(
        **{"order_number": number, "tg_user_id": 1001} | fields
    )


def delivered(ago: timedelta = timedelta(0), took: float = 1.0) -> OrderNotification:
    moment = timezone.now() - ago
    made = moment - timedelta(seconds=took)
    return message(processed=True, processed_at=moment, created_at=made)


def given_up(code: str = "chat_not_found", **fields: Any) -> OrderNotification:
    return message(failed_attempts_number=3, last_error_code=code, **fields)


def failed_attempt(ago: timedelta = timedelta(0), **fields: Any) -> None:
    moment = timezone.now() - ago
    values = {"outcome": "refused", "counted": True, "error_code": "chat_not_found"}
    DeliveryAttempt.objects.create(
        notification=fields.pop("notification", None) or given_up(),
        key=uuid.uuid4(),
        started_at=moment,
        finished_at=moment,
        **values | fields,
    )


def board(client: Client) -> str:
    response = client.get(reverse("dashboard"))
    assert response.status_code == 200
    return unescape(response.content.decode())


def tiles(html: str) -> dict[str, tuple[str, str]]:
    """Return number and address of each tile by its name."""
    found = re.findall(
        r'<a class="tile [\w-]+" href="([^"]+)">'
        r'<span class="tile-number">([^<]+)</span> '
        r'<span class="tile-name">([^<]+)</span>',
        html,
    )
    return {name: (number, address) for address, number, name in found}


def troubles(client: Client) -> list[str]:
    return re.findall(r"<h2>([^<]+)</h2>\n<p>", board(client).split('class="tiles"')[0])


# --- tiles ----------------------------------------------------------------------------


def test_each_tile_leads_to_the_rows_that_it_counts(manager: Client) -> None:
    now = timezone.now()
    Customer.objects.create(name="Пётр")
    Customer.objects.create(
        name="Олег", tg_user_id=7, started_at=now, unsubscribed_at=now
    )
    for _ in range(3):
        message()
    message(tg_user_id=7)  # It waits for Start, not for us.
    for _ in range(2):
        delivered()
    delivered(timedelta(days=2))
    given_up()
    message(parked="uncertain")
    message(parked="superseded")

    found = tiles(board(manager))

    numbers = {name: number for name, (number, _) in found.items()}
    assert numbers == {
        "Ждёт отправки": "3",
        "Доставлено сегодня": "2",
        "Не доставлено": "2",
        "Клиенты не подключены": "1",
    }
    for name, (number, address) in found.items():
        html = manager.get(address).content.decode()
        assert f"Найдено: {number}" in html, name


def test_many_rows_are_counted_only_so_far(manager: Client) -> None:
    OrderNotification.objects.bulk_create(
        OrderNotification(order_number=str(n), tg_user_id=n)
        for n in range(figures.COUNTED_ROWS + 5)
    )

    number, _ = tiles(board(manager))["Ждёт отправки"]

    assert number.replace("\xa0", "") == "10000+"


def test_the_age_of_the_oldest_waiting_message_is_told(manager: Client) -> None:
    now = timezone.now()
    message(next_attempt_at=now - timedelta(minutes=7, seconds=5))
    message(next_attempt_at=now + timedelta(minutes=7))

    assert "самое старое — 7 мин" in board(manager)


def test_a_message_that_is_due_later_has_no_age(manager: Client) -> None:
    message(next_attempt_at=timezone.now() + timedelta(minutes=7))

    assert "самое старое" not in board(manager)


def test_without_the_right_to_see_customers_their_tile_is_left_out() -> None:
    client = person("view_ordernotification")

    assert "Клиенты не подключены" not in board(client)
    assert "Ждёт отправки" in board(client)


# --- reasons --------------------------------------------------------------------------


def test_failures_are_grouped_by_reason_in_words_and_lead_to_their_messages(
    manager: Client,
) -> None:
    for code in ["chat_not_found", "blocked_by_user", "blocked_by_user"]:
        given_up(code)
    message(last_error_code="blocked_by_user")  # It is being retried.

    html = board(manager)

    lines = re.findall(
        r'<tr><th scope="row"><a href="([^"]+)">([^<]+)</a></th>'
        r'<td class="number">(\d+)</td></tr>',
        html,
    )
    words = [(words, number) for _, words, number in lines]
    assert words == [
        ("Клиент заблокировал бота.", "2"),
        ("Наш бот не знает такого клиента в Telegram.", "1"),
    ]
    for address, words_, number in lines:
        listed = unescape(manager.get(address).content.decode())
        assert f"Найдено: {number}" in listed
        # The filter beside the list says what it filters by.
        assert re.search(
            rf'title="{re.escape(words_)}"|>\s*{re.escape(words_)}', listed
        )


def test_every_reason_that_there_is_can_be_shown(manager: Client) -> None:
    for code in [*EXPLANATIONS, "printer_on_fire", ""]:
        given_up(code)

    html = board(manager)

    assert "printer_on_fire" in html
    assert "По неизвестной причине." in html
    assert html.count('<td class="number">1</td></tr>') >= len(EXPLANATIONS)


def test_a_reason_of_any_text_is_shown_as_text(manager: Client) -> None:
    given_up(SCRIPT)

    response = manager.get(reverse("dashboard")).content.decode()

    assert SCRIPT not in response


# --- bars -----------------------------------------------------------------------------


def table(html: str, name: str) -> list[tuple[str, int, int]]:
    part = html.partition(f'id="chart-{name}-table"')[2].partition("</table>")[0]
    rows = re.findall(
        r'<th scope="row">([^<]+)</th><td class="number">(\d+)</td>'
        r'<td class="number">(\d+)</td>',
        part,
    )
    return [(label, int(sent), int(lost)) for label, sent, lost in rows]


def test_bars_count_by_local_hours_and_days() -> None:
    noon = datetime(2026, 7, 15, 12, 0, tzinfo=ZoneInfo("Europe/Moscow"))
    for moment in (
        noon + timedelta(minutes=30),
        noon,
        noon - timedelta(microseconds=1),
        noon - timedelta(hours=12, microseconds=1),
        noon - timedelta(days=14),
    ):
        message(processed=True, processed_at=moment)
    attempt_at(noon - timedelta(minutes=1))
    attempt_at(noon - timedelta(minutes=1), counted=False)

    today, (hours, days) = charts_at(noon + timedelta(minutes=30))

    def seen(chart: Chart) -> list[tuple[str, int, int]]:
        bars = [(bar.label, bar.delivered, bar.failed) for bar in chart.bars]
        return [bar for bar in bars if bar[1:] != (0, 0)]

    assert (len(hours.bars), len(days.bars)) == (24, 14)
    assert seen(hours) == [("23:00", 1, 0), ("11:00", 1, 1), ("12:00", 2, 0)]
    assert seen(days) == [("14 июл", 1, 0), ("15 июл", 3, 1)]
    assert today == 3


@pytest.mark.parametrize(("day", "hours"), [(29, 23), (25, 25)])
def test_a_day_on_which_the_clock_is_changed_is_counted_whole(
    settings: Any, day: int, hours: int
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    timezone.activate(settings.TIME_ZONE)
    try:
        month = 3 if day == 29 else 10
        midnight = datetime(2026, month, day, tzinfo=ZoneInfo("Europe/Berlin"))
        first = midnight.astimezone(UTC)
        for hour in range(hours):
            made = first + timedelta(hours=hour, minutes=30)
            message(processed=True, processed_at=made)

        today, charts = charts_at(first + timedelta(hours=hours, minutes=-1))

        assert today == hours
        assert charts[0].delivered == min(hours, 24)
    finally:
        timezone.deactivate()


def test_bars_have_words_for_those_who_do_not_see_them(manager: Client) -> None:
    delivered()
    failed_attempt()

    html = board(manager)

    for svg in re.findall(r"<svg class=\"chart-bars\".*?</svg>", html, re.DOTALL):
        assert 'role="img"' in svg
        for name in re.search(r'aria-labelledby="([^"]+)"', svg)[1].split():  # type: ignore[index]  # it is there
            assert html.count(f'id="{name}"') == 1
        assert "Доставлено: 1. Неудачных попыток: 1." in svg
        assert "style=" not in svg
    assert html.count("<svg") == 2


def test_the_highest_bar_fills_the_chart_and_the_lowest_is_seen() -> None:
    chart = draw(
        name="x",
        title="X",
        column="X",
        labels=["a", "b", "c"],
        label_every=2,
        delivered=[10_000, 1, 0],
        failed=[10_000, 0, 0],
    )

    high, low, none = chart.bars
    assert high.delivered_height + high.failed_height == 100
    assert high.failed_y == 0
    assert low.delivered_height == LEAST_HEIGHT
    assert none.delivered_height == none.failed_height == 0
    assert [bar.has_label for bar in chart.bars] == [True, False, True]
    assert (chart.delivered, chart.failed) == (10_001, 10_000)


@pytest.mark.parametrize("field", ["delivered", "failed"])
def test_counts_between_moments_include_the_first_and_not_the_last(field: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    edges = [start + timedelta(hours=n) for n in range(4)]
    for edge in edges:
        message(processed=True, processed_at=edge)
        attempt_at(edge)

    count = figures.delivered_in if field == "delivered" else figures.failed_in

    assert count(edges) == [1, 1, 1]


def attempt_at(moment: datetime, *, counted: bool = True) -> None:
    DeliveryAttempt.objects.create(
        notification=given_up(),
        key=uuid.uuid4(),
        started_at=moment,
        finished_at=moment,
        outcome="refused",
        counted=counted,
        error_code="x",
    )


# --- times ----------------------------------------------------------------------------


def test_half_and_95_of_100_messages_arrive_within() -> None:
    for seconds in range(1, 101):
        delivered(took=seconds)

    times = figures.delivery_times(timezone.now() - timedelta(hours=1))

    assert times == figures.DeliveryTimes(median=50, percentile_95=95, measured=100)


def test_only_the_latest_deliveries_of_the_last_day_are_measured(
    manager: Client,
) -> None:
    delivered(timedelta(hours=25), took=1)
    assert "За последние 24 часа ничего не доставлено." in board(manager)

    delivered(timedelta(hours=1), took=90)
    html = board(manager)

    assert "<dd>1 мин</dd>" not in html
    assert html.count("<dd>90 с</dd>") == 2
    assert "По 1 последнему сообщению" in html


def test_a_clock_that_was_set_back_makes_no_negative_times() -> None:
    delivered(took=-5)

    times = figures.delivery_times(timezone.now() - timedelta(hours=1))

    assert times is not None
    assert times.median == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0,1 с"),
        (1.24, "1,2 с"),
        (9.96, "10,0 с"),
        (45, "45 с"),
        (119, "119 с"),
        (120, "2 мин"),
        (7200, "2 ч"),
        (48 * 3600, "2 дн."),
    ],
)
def test_lengths_of_time_are_told_in_the_unit_that_fits(
    seconds: float, words: str
) -> None:
    assert duration(seconds) == words


# --- troubles -------------------------------------------------------------------------


def test_nothing_is_warned_of_while_everything_works(
    manager: Client, everything_works: None
) -> None:
    assert troubles(manager) == []
    assert board(manager).count(">Работает</span>") == 2


def test_before_the_first_start_both_programs_are_told_to_be_missing(
    manager: Client,
) -> None:
    assert troubles(manager) == [
        "Сообщения не отправляются: программа отправки не запущена",
        "Бот не отвечает клиентам: его программа не запущена",
    ]


def test_a_worker_that_is_silent_is_no_worker(
    manager: Client, everything_works: None
) -> None:
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=30))

    assert troubles(manager) == [
        "Сообщения не отправляются: программа отправки не запущена"
    ]
    assert "Не работает" in board(manager)


def test_a_bot_that_has_not_written_for_a_minute_does_not_run(
    manager: Client, everything_works: None
) -> None:
    long_ago = timezone.now() - timedelta(minutes=2)
    BotStatus.record(at=long_ago, last_poll_at=long_ago)

    assert troubles(manager) == ["Бот не отвечает клиентам: его программа не запущена"]
    assert "Последний раз работал:" in board(manager)


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("conflict", "Клиентам отвечают две программы с одним и тем же ботом"),
        ("webhook", "Бот не слышит клиентов"),
        ("token_rejected", "Telegram не узнаёт бота магазина"),
        ("unreachable", "Нет связи с Telegram"),
        ("not_telegram", "Вместо Telegram отвечает кто-то другой"),
        ("flood", "Telegram попросил бота подождать"),
        ("something_new", "Бот не получает ответов от Telegram"),
    ],
)
def test_what_the_bot_suffers_from_is_told_in_words(
    manager: Client, everything_works: None, code: str, title: str
) -> None:
    BotStatus.record(at=timezone.now(), last_error=SCRIPT, last_error_code=code)

    assert troubles(manager) == [title]
    assert SCRIPT not in board(manager)


def test_a_bot_whose_polls_hang_is_told_of(
    manager: Client, everything_works: None
) -> None:
    now = timezone.now()
    BotStatus.record(at=now, last_poll_at=now - timedelta(minutes=5))

    assert troubles(manager) == ["Бот не получает ответов от Telegram"]


@pytest.mark.parametrize(
    ("reason", "title"),
    [
        ("unreachable", "Нет связи с Telegram"),
        ("token_rejected", "Telegram не узнаёт бота магазина"),
        ("flood", "Telegram попросил подождать"),
        ("server_error", "Отправка приостановлена"),
        ("something_new", "Отправка приостановлена"),
    ],
)
def test_why_and_until_when_the_queue_pauses_by_itself_is_told(
    manager: Client, everything_works: None, reason: str, title: str
) -> None:
    until = timezone.now() + timedelta(minutes=1)
    Queue.objects.update(paused_until=until, pause_reason=reason)

    assert troubles(manager) == [title]
    at = timezone.localtime(until).strftime("%H:%M:%S")
    assert f"Следующая попытка: {at}" in board(manager).replace("\xa0", " ")

    Queue.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    assert "Прямо сейчас идёт новая попытка." in board(manager)


def test_one_trouble_that_both_programs_have_is_told_once(
    manager: Client, everything_works: None
) -> None:
    now = timezone.now()
    Queue.objects.update(paused_until=now, pause_reason="token_rejected")
    BotStatus.record(at=now, last_error="x", last_error_code="token_rejected")

    assert troubles(manager) == ["Telegram не узнаёт бота магазина"]


def test_who_paused_sending_and_why_is_told_with_the_way_to_resume(
    manager: Client, everything_works: None
) -> None:
    Queue.objects.update(
        stopped_at=timezone.now(), stopped_by="Ольга", stop_reason="Меняем токен"
    )

    (title,) = troubles(manager)
    html = board(manager)

    assert title.startswith("Отправка приостановлена: Ольга,")
    assert "Меняем токен. Сообщения ждут" in html
    page = reverse("admin:django_workers_queue_change", args=[QUEUE_NAME])
    assert f'href="{page}"' in html
    assert f'href="{page}"' not in board(person("view_ordernotification"))


def test_messages_that_wait_for_long_while_everything_works_are_told_of(
    manager: Client, everything_works: None
) -> None:
    message(next_attempt_at=timezone.now() - timedelta(minutes=6))

    assert troubles(manager) == ["Сообщения уходят с опозданием"]


def test_messages_that_wait_while_sending_is_paused_are_no_trouble_of_their_own(
    manager: Client, everything_works: None
) -> None:
    message(next_attempt_at=timezone.now() - timedelta(minutes=6))
    Queue.objects.update(stopped_at=timezone.now(), stopped_by="Ольга")

    assert len(troubles(manager)) == 1


# --- who may see it, and what it costs ------------------------------------------------


def person(*rights: str) -> Client:
    user = User.objects.create_user(f"user-{'-'.join(rights)}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def test_the_refreshed_part_is_that_of_the_first_page(
    manager: Client, everything_works: None
) -> None:
    def read(address: str) -> str:
        html = manager.get(reverse(address)).content.decode()
        return re.sub(r"\d\d:\d\d:\d\d", "time", html)

    page, part = read("admin:index"), read("dashboard")

    assert part.strip() in page
    assert "<html" not in part


def test_who_may_not_see_messages_sees_no_numbers() -> None:
    client = person("view_order")

    assert client.get(reverse("dashboard")).status_code == 403
    page = client.get(reverse("admin:index"))
    assert page.status_code == 200
    assert "data-live" not in page.content.decode()


def test_strangers_are_sent_to_the_login(client: Client) -> None:
    assert client.get(reverse("dashboard")).status_code == 302
    User.objects.create_user("customer")
    client.force_login(User.objects.get())
    assert client.get(reverse("dashboard")).status_code == 302


def test_the_dashboard_is_only_read(manager: Client) -> None:
    assert manager.post(reverse("dashboard")).status_code == 405


def test_the_dashboard_needs_the_same_queries_for_any_number_of_rows(
    manager: Client, everything_works: None
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            board(manager)
        return len(queries)

    before = count()
    for number in range(30):
        delivered(timedelta(hours=number))
        given_up(f"reason-{number}")
        message()
        failed_attempt(timedelta(hours=number))

    assert count() == before <= MOST_QUERIES


def test_an_english_reader_gets_an_english_dashboard(manager: Client) -> None:
    manager.cookies["django_language"] = "en"

    html = board(manager)

    assert "Waiting to be sent" in html
    assert not re.search("[а-яА-Я]", html)


# --- on the page of the queue ---------------------------------------------------------


def test_the_queue_page_counts_failures_by_reason_and_period(
    manager: Client, everything_works: None
) -> None:
    failed_attempt(timedelta(minutes=5))
    failed_attempt(timedelta(hours=5))
    failed_attempt(timedelta(days=5))
    failed_attempt(timedelta(days=8))
    failed_attempt(timedelta(minutes=5), error_code="flood", counted=False)

    queue = reverse("admin:django_workers_queue_change", args=[QUEUE_NAME])
    html = unescape(manager.get(queue).content.decode())

    rows = re.findall(
        r'<tr><th scope="row"><a href="[^"]+">([^<]+)</a></th>'
        r'((?:<td class="number">\d+</td>)+)</tr>',
        html,
    )
    assert [(words, re.findall(r"\d+", numbers)) for words, numbers in rows] == [
        ("Наш бот не знает такого клиента в Telegram.", ["1", "2", "3"]),
        (
            "Telegram попросил подождать: было отправлено слишком много сообщений.",
            ["1", "1", "1"],
        ),
    ]


def test_the_queue_page_tells_how_much_waits_and_how_fast_it_goes(
    manager: Client, everything_works: None
) -> None:
    for ago in (timedelta(seconds=5), timedelta(minutes=30), timedelta(hours=2)):
        delivered(ago)
    message()

    queue = reverse("admin:django_workers_queue_change", args=[QUEUE_NAME])
    html = unescape(manager.get(queue).content.decode())

    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", html))
    assert facts["Ждёт отправки"] == "1"
    assert facts["Доставлено за минуту"] == "1"
    assert facts["Доставлено за час"] == "2"


def test_other_queues_and_other_people_get_no_failures(everything_works: None) -> None:
    failed_attempt()
    Queue.objects.create(pk="other")
    words = "Попытки, не доставившие сообщение"
    rate = "Доставлено за минуту"

    def page(client: Client, queue: str) -> str:
        address = reverse("admin:django_workers_queue_change", args=[queue])
        return client.get(address).content.decode()

    operator = person("view_queue", "view_ordernotification")
    assert words in page(operator, QUEUE_NAME)
    assert rate in page(operator, QUEUE_NAME)
    assert rate not in page(operator, "other")
    assert words not in page(operator, "other")
    assert words not in page(person("view_queue"), QUEUE_NAME)
