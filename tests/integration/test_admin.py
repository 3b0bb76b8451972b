"""The manager's desk, page by page, as a browser without scripts would use it."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from django_workers.models import Claim, Queue, Worker
from notifications.admin import message_filters
from notifications.admin.desk import LISTED_ROWS
from notifications.admin.numbers import next_order_number
from notifications.models import (
    BotStatus,
    Customer,
    Order,
    OrderNotification,
)
from notifications.models.notification import QUEUE_NAME
from notifications.task_queues import task_queue
from tests.support.shop import (
    add_order,
    attempt,
    claim,
    connected,
    given_up,
    list_of,
    order,
    order_page,
    orders_in_every_state,
    orders_listed,
    page,
    superuser,
    worker,
)
from tests.support.workers import in_thread

pytestmark = pytest.mark.django_db

LISTS = [
    "notifications_order",
    "notifications_customer",
    "notifications_ordernotification",
    "django_workers_queue",
    "django_workers_worker",
    "django_workers_claim",
]
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(superuser())
    return client


# --- every page opens -----------------------------------------------------------------


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_list_opens(manager: Client, name: str) -> None:
    list_of(manager, name)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_full_list_opens_in_both_languages(
    manager: Client, name: str, language: str
) -> None:
    orders_in_every_state()
    manager.cookies["django_language"] = language

    assert "result_list" in list_of(manager, name)


def test_the_page_of_every_row_opens(manager: Client) -> None:
    orders_in_every_state()
    for model in (Order, Customer, OrderNotification, Queue, Worker, Claim):
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        for row in model._default_manager.all():
            page(manager, reverse(f"admin:{name}_change", args=[row.pk]))


@pytest.mark.parametrize("name", LISTS[:3])
def test_the_history_of_a_row_opens(manager: Client, name: str) -> None:
    made = order("6", connected(), **given_up())
    rows = [made, made.customer, made.notifications.get()]
    pk = rows[LISTS.index(name)].pk
    manager.post(
        reverse("admin:notifications_order_changelist"),
        {"action": "retry_chosen", "_selected_action": [made.pk]},
    )

    html = page(manager, reverse(f"admin:{name}_history", args=[pk]))

    assert ("повторена" in html) is (name == "notifications_ordernotification")


@pytest.mark.parametrize("name", LISTS[:3])
def test_the_form_of_a_new_row_opens(manager: Client, name: str) -> None:
    page(manager, reverse(f"admin:{name}_add"))


def test_no_page_has_a_script_or_a_style_of_its_own(manager: Client) -> None:
    orders = orders_in_every_state()
    pages = [
        *(reverse(f"admin:{name}_changelist") for name in LISTS),
        *(reverse(f"admin:{name}_add") for name in LISTS[:3]),
        *map(order_page, orders.values()),
        reverse(
            "admin:notifications_customer_change", args=[Customer.objects.all()[0].pk]
        ),
        reverse("admin:index"),
    ]
    for address in pages:
        html = page(manager, address)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)


# --- the list of orders ---------------------------------------------------------------


def test_each_state_is_told_in_words(manager: Client) -> None:
    orders = orders_in_every_state()

    html = list_of(manager, "notifications_order")

    for words, made in orders.items():
        row = html.split(f">{made.number}</a>")[1].split("</tr>")[0]
        assert f">{words}" in row, words
        assert f">{words}" in page(manager, order_page(made)), words


def test_a_row_says_why_it_failed_and_what_to_do(manager: Client) -> None:
    order("6", connected(), **given_up())

    html = list_of(manager, "notifications_order")

    assert "Наш бот не знает такого клиента в Telegram." in html
    assert "Bad Request" not in html


def test_a_pause_of_the_queue_is_told_where_messages_wait(manager: Client) -> None:
    order("1", connected())
    Queue.objects.create(
        pk=QUEUE_NAME, paused_until=timezone.now(), pause_reason="unreachable"
    )

    assert "Нет связи с Telegram" in list_of(manager, "notifications_order")


def test_the_queue_of_the_facts_is_that_of_the_worker() -> None:
    assert task_queue.queue_name == QUEUE_NAME


@pytest.mark.parametrize(
    ("state", "numbers"),
    [
        ("waiting", ["8", "5", "4", "2", "1"]),
        ("delivered", ["3"]),
        ("failed", ["7", "6"]),
        ("blocked", ["7"]),
        ("unsubscribed", ["10"]),
        ("not_connected", ["9"]),
        ("nonsense", ["10", "9", "8", "7", "6", "5", "4", "3", "2", "1"]),
    ],
)
def test_orders_are_filtered_by_state(
    manager: Client, state: str, numbers: list[str]
) -> None:
    orders_in_every_state()

    assert orders_listed(manager, state=state) == numbers


def test_a_message_that_stop_held_back_is_told_and_filtered_so(manager: Client) -> None:
    customer = connected()
    order("1", customer)
    Customer.objects.update(unsubscribed_at=timezone.now())

    assert orders_listed(manager, state="unsubscribed") == ["1"]
    assert orders_listed(manager, state="waiting") == []
    assert ">Отписался<" in list_of(manager, "notifications_order")


@pytest.mark.parametrize(
    "term",
    [
        "иванов",
        "ИВАНОВ",
        "Иванов пётр",
        "+7 912 345-67-89",
        "8 (912) 345 67 89",
        "3456789",
        "@petr_I",
        "а-77",
        "№А-7",
    ],
)
def test_an_order_is_found_in_any_letter_case(manager: Client, term: str) -> None:
    customer = Customer.objects.create(
        name="Иванов Пётр", phone="+7 (912) 345-67-89", tg_username="Petr_i"
    )
    order("А-77", customer)
    order("5", connected("Смирнова Анна"))

    assert orders_listed(manager, q=term) == ["А-77"]
    assert orders_listed(manager, q=f"{term} нет такого") == []


def test_a_list_says_when_there_is_nothing_to_show(manager: Client) -> None:
    orders = reverse("admin:notifications_order_changelist")
    assert "Здесь пока ничего нет." in page(manager, orders)

    order("1", connected())
    assert "Показать все" not in page(manager, orders)
    found = page(manager, orders + "?q=7")

    assert "Ничего не найдено." in found
    assert "Показать все" in found
    assert 'name="action"' not in found


def test_a_list_names_what_it_was_narrowed_to(manager: Client) -> None:
    orders = reverse("admin:notifications_order_changelist")

    assert "Не доставлено, Сегодня" in page(manager, f"{orders}?state=failed&day=today")
    assert "Создано <a" in page(manager, f"{orders}?since=2026-01-01")


def test_the_way_to_a_new_row_is_told_in_russian(manager: Client) -> None:
    html = page(manager, reverse("admin:notifications_customer_add"))

    assert "Добавить клиент\n" not in html
    assert re.search("&rsaquo; Новый клиент\\s+</div>", html)


def test_only_the_counted_part_of_a_long_list_is_paged(manager: Client) -> None:
    customer = Customer.objects.create(name="Пётр")
    Order.objects.bulk_create(
        Order(number=str(number), customer=customer)
        for number in range(LISTED_ROWS + 1)
    )

    assert "Найдено: больше 3" in list_of(manager, "notifications_order")
    assert "Найдено: 111" in list_of(manager, "notifications_order", q="10")


def test_an_older_message_is_found_among_more_than_a_list_shows(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_filters, "LISTED_ROWS", 2)
    customer, now = connected(), timezone.now()
    for number in range(1, 6):
        days_ago = now - timedelta(days=6 - number)
        order(str(number), customer, processed=True, processed_at=days_ago)

    def found(**query: str) -> int:
        html = list_of(manager, "notifications_ordernotification", **query)
        return html.count('class="field-order_number"')

    assert found(delivered="month", q="1") == 1
    assert found(delivered="month", since="2020-01-01") == 5


# --- a new order ----------------------------------------------------------------------


def test_a_new_order_makes_one_notification_and_says_so(manager: Client) -> None:
    html = add_order(manager, "105", connected())

    notification = OrderNotification.objects.get()
    assert (notification.order_number, notification.tg_user_id) == ("105", 1001)
    assert "Сообщение отправляется клиенту." in html


@pytest.mark.django_db(transaction=True)
def test_a_number_that_is_taken_while_the_form_is_checked_is_told() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite nobody else writes meanwhile")
    customer, other, browser = connected(), connected("Пётр", 1002), Client()
    browser.force_login(superuser())
    looks: list[str] = []

    def take_after_first_look(
        execute: Any, sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        result = execute(sql, params, many, context)
        if '"number" = %s' in sql:
            looks.append(sql)
            if len(looks) == 1:
                in_thread(
                    lambda: Order.objects.create(number="105", customer=customer)
                ).join()
        return result

    with connection.execute_wrapper(take_after_first_look):
        html = add_order(browser, "105", other)

    assert "Заказ 105 уже есть. Следующий свободный номер — 106." in html
    assert (Order.objects.count(), OrderNotification.objects.count()) == (1, 1)


def test_a_customer_who_is_not_connected_is_told_with_the_invite(
    manager: Client,
) -> None:
    BotStatus.record(at=timezone.now(), username="my_shop_bot")
    customer = Customer.objects.create(name="Пётр")

    html = add_order(manager, "105", customer)

    code = customer.invite_code
    assert "Клиент не подключён: сообщение уйдёт, как только он нажмёт Start." in html
    assert f"https://t.me/my_shop_bot?start={code}" in html
    assert f"/start {code}" in html
    assert not OrderNotification.objects.exists()


def test_a_customer_who_unsubscribed_or_blocked_is_told(manager: Client) -> None:
    silent = connected("Олег", 1002, unsubscribed_at=timezone.now())
    blocked = connected("Анна", 1003, blocked_at=timezone.now())

    assert "Клиент отписался" in add_order(manager, "1", silent)
    assert "Клиент заблокировал бота, и сообщение" in add_order(manager, "2", blocked)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("123456789", "не более 8 символов"),
        ("1 2", "В номере не должно быть пробелов."),
        ("1\u200b2", "В номере не должно быть пробелов."),
        ("", "Обязательное поле."),
        ("   ", "Обязательное поле."),
    ],
)
def test_a_wrong_number_is_explained(manager: Client, number: str, words: str) -> None:
    assert words in add_order(manager, number, connected())
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("numbers", "offered"),
    [
        ([], "1"),
        (["1", "2", "10"], "11"),
        (["9"], "10"),
        (["99", "100"], "101"),
        (["007", "005"], "008"),
        (["0099", "12"], "0100"),
        (["А-900", "900-А", "9/1", "7", "-8"], "8"),
        (["٩٩٩", "5"], "6"),
        (["99999999"], ""),
        (["99999998"], "99999999"),
    ],
)
def test_the_next_free_number_is_offered(
    manager: Client, numbers: list[str], offered: str
) -> None:
    customer = Customer.objects.create(name="Пётр")
    Order.objects.bulk_create(
        Order(number=number, customer=customer) for number in numbers
    )

    assert next_order_number() == offered
    html = page(manager, reverse("admin:notifications_order_add"))
    field = re.search(r'<input[^>]*name="number"[^>]*>', html)
    assert field is not None
    assert (f'value="{offered}"' in field[0]) is bool(offered)


def test_the_next_number_is_read_from_an_index() -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        next_order_number()

    assert len(queries) == 8
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN " + queries[0]["sql"])
            assert "order_number_by_length" in str(cursor.fetchall())


def test_the_customer_is_chosen_by_typing_in_any_letter_case(manager: Client) -> None:
    customer = Customer.objects.create(name="Иванов")
    connected("Смирнова")

    response = manager.get(
        reverse("admin:autocomplete"),
        {
            "term": "иВанов",
            "app_label": "notifications",
            "model_name": "order",
            "field_name": "customer",
        },
    )

    found = response.json()["results"]
    assert [choice["id"] for choice in found] == [str(customer.pk)]


def test_a_new_customer_can_be_made_beside_the_choice(manager: Client) -> None:
    html = page(manager, reverse("admin:notifications_order_add"))

    assert 'id="add_id_customer"' in html
    assert "> Новый клиент</a>" in html
    assert 'id="delete_id_customer"' not in html


# --- the page of an order -------------------------------------------------------------


def test_the_timeline_tells_every_attempt(manager: Client) -> None:
    made = order("1", connected(), failed_attempts_number=1, processed=True)
    notification = made.notifications.get()
    raw = "Bad Request: chat not found <i>"
    attempt(
        notification,
        "refused",
        error_code="chat_not_found",
        description=raw,
        counted=True,
    )
    attempt(notification, "postponed", error_code="flood", description="retry after 5")
    attempt(notification, "delivered", message_id=7)

    html = page(manager, order_page(made))

    assert "Создано и поставлено в очередь" in html
    assert "Попытка 1: отказ" in html
    assert "не считается попыткой" in html
    assert "Telegram попросил подождать" in html
    assert "<code>Bad Request: chat not found &lt;i&gt;</code>" in html
    assert html.index("отказ") < html.index("Отложено") < html.rindex("Доставлено")


def test_a_long_story_is_cut_to_its_latest_attempts(manager: Client) -> None:
    made = order("1", connected())
    for number in range(51):
        attempt(made.notifications.get(), "postponed", description=f"wait-{number}-")

    html = page(manager, order_page(made))

    assert "Показаны последние попытки: 50" in html
    assert "wait-0-" not in html
    assert "wait-50-" in html


def test_the_timeline_numbers_the_attempts_and_says_when_the_next_one_is(
    manager: Client,
) -> None:
    later = timezone.now() + timedelta(minutes=5)
    made = order("1", connected(), failed_attempts_number=2, next_attempt_at=later)
    for _ in range(2):
        attempt(
            made.notifications.get(),
            "refused",
            error_code="chat_not_found",
            counted=True,
        )

    story = page(manager, order_page(made)).split('class="timeline"')[1]

    told = re.sub(r"<[^>]*>", "", story.split("</ol>")[0])
    moment = f"{timezone.localtime(later):%H:%M:%S}"
    assert re.search(
        rf"Попытка 1: отказ.*Попытка 2: отказ.*{moment}\s+Следующая попытка", told, re.S
    )
    assert "сейчас" not in told


def test_a_cut_story_numbers_nothing(manager: Client) -> None:
    made = order("1", connected())
    for _ in range(51):
        attempt(
            made.notifications.get(),
            "refused",
            error_code="chat_not_found",
            counted=True,
        )

    html = page(manager, order_page(made))

    assert "Попытка 1" not in html
    assert "Отказ" in html


def test_the_text_is_shown_in_the_shops_language(manager: Client) -> None:
    manager.cookies["django_language"] = "en"

    html = page(manager, order_page(order("A7", connected())))

    assert "Сформирован заказ номер A7" in html
    assert "In the queue" in html


# --- retry ----------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["order", "ordernotification"])
def test_the_action_retries_what_was_given_up_and_counts_the_rest(
    manager: Client, model: str
) -> None:
    orders = orders_in_every_state()
    rows: Any = Order if model == "order" else OrderNotification

    response = manager.post(
        reverse(f"admin:notifications_{model}_changelist"),
        {
            "action": "retry_chosen",
            "_selected_action": list(rows.objects.values_list("pk", flat=True)),
        },
        follow=True,
    )

    html = response.content.decode()
    assert "2 сообщения будут отправлены снова." in html
    assert "Пропущено, уже доставлены: 1." in html
    assert "Пропущено, ещё ждут отправки: 5." in html
    retried = orders["Не доставлено"].notifications.get()
    assert retried.failed_attempts_number == 0
    assert retried.next_attempt_at <= timezone.now()
    assert not OrderNotification.objects.given_up().exists()
    assert LogEntry.objects.filter(change_message__contains="повторена").count() == 2


@pytest.mark.parametrize("model", ["order", "ordernotification"])
def test_the_button_of_a_row_retries_it_and_comes_back(
    manager: Client, model: str
) -> None:
    made = order("6", connected(), **given_up())
    row = made if model == "order" else made.notifications.get()
    address = reverse(f"admin:notifications_{model}_retry", args=[row.pk])
    came_from = "http://testserver/admin/notifications/order/?state=failed"
    assert f'formaction="{address}"' in page(
        manager, reverse(f"admin:notifications_{model}_change", args=[row.pk])
    )

    assert manager.get(address).status_code == 405
    assert OrderNotification.objects.given_up().exists()
    response = manager.post(address, headers={"referer": came_from})

    assert (response.status_code, response.url) == (302, came_from)  # type: ignore[attr-defined]  # a redirect has one
    assert not OrderNotification.objects.given_up().exists()


def test_a_retry_never_leads_to_another_site(manager: Client) -> None:
    made = order("6", connected(), **given_up())

    response = manager.post(
        reverse("admin:notifications_order_retry", args=[made.pk]),
        headers={"referer": "https://evil.example/"},
    )

    assert response.url == reverse("admin:notifications_order_changelist")  # type: ignore[attr-defined]  # a redirect has one


def test_a_retry_of_an_order_without_a_message_says_so(manager: Client) -> None:
    made = order("9", Customer.objects.create(name="Пётр"))

    response = manager.post(
        reverse("admin:notifications_order_retry", args=[made.pk]), follow=True
    )

    assert "Сообщений, которые можно повторить, нет." in response.content.decode()


def test_who_may_only_look_may_not_retry(client: Client) -> None:
    made = order("6", connected(), **given_up())
    client.force_login(User.objects.create_user("guest", is_staff=True))

    response = client.post(reverse("admin:notifications_order_retry", args=[made.pk]))

    assert response.status_code == 403
    assert OrderNotification.objects.given_up().exists()


# --- customers ------------------------------------------------------------------------


def test_a_customer_is_added_by_name_and_phone(manager: Client) -> None:
    BotStatus.record(at=timezone.now(), username="my_shop_bot")

    response = manager.post(
        reverse("admin:notifications_customer_add"),
        {"name": "Пётр", "phone": "+7 900 000-00-00"},
        follow=True,
    )

    customer = Customer.objects.get()
    assert customer.words.filter(word="петр").exists()
    assert f"?start={customer.invite_code}" in response.content.decode()


def test_a_customer_made_beside_an_order_leaves_no_message_behind(
    manager: Client,
) -> None:
    address = reverse("admin:notifications_customer_add")

    manager.post(address, {"name": "Пётр", "_popup": "1"})

    assert "/start" not in page(manager, reverse("admin:index"))


def test_a_customer_needs_a_name(manager: Client) -> None:
    manager.post(reverse("admin:notifications_customer_add"), {"name": "  "})

    assert not Customer.objects.exists()


def test_an_invite_without_a_known_bot_is_the_command_alone(manager: Client) -> None:
    customer = Customer.objects.create(name="Пётр")

    html = page(
        manager, reverse("admin:notifications_customer_change", args=[customer.pk])
    )

    assert f"/start {customer.invite_code}" in html
    assert "t.me" not in html


def test_the_page_of_a_customer_shows_the_latest_orders(manager: Client) -> None:
    customer = connected()
    for number in range(21):
        order(f"N-{number}", customer)

    html = page(
        manager, reverse("admin:notifications_customer_change", args=[customer.pk])
    )

    assert re.findall(r">(N-\d+)</a>", html) == [f"N-{n}" for n in range(20, 10, -1)]
    assert "Это последние 10." in html
    assert len(orders_listed(manager, customer__id__exact=str(customer.pk))) == 21


@pytest.mark.parametrize(
    ("connection_state", "name"),
    [
        ("connected", "Анна"),
        ("not_connected", "Пётр"),
        ("blocked", "Олег"),
        ("unsubscribed", "Инна"),
    ],
)
def test_customers_are_filtered_by_connection(
    manager: Client, connection_state: str, name: str
) -> None:
    connected()
    Customer.objects.create(name="Пётр")
    connected("Олег", 1002, blocked_at=timezone.now())
    connected("Инна", 1003, unsubscribed_at=timezone.now())

    html = list_of(manager, "notifications_customer", connection=connection_state)

    assert re.findall(r'field-name"><a href="[^"]*">([^<]*)<', html) == [name]


def test_a_customer_with_orders_cannot_be_deleted(manager: Client) -> None:
    made = order("1", connected())

    address = reverse("admin:notifications_customer_delete", args=[made.customer.pk])
    html = manager.post(address, {"post": "yes"}).content.decode()

    assert Customer.objects.exists()
    assert "заказ" in html


# --- notifications --------------------------------------------------------------------


def add_notification(client: Client, number: str, tg_user_id: str) -> str:
    response = client.post(
        reverse("admin:notifications_ordernotification_add"),
        {"order_number": number, "tg_user_id": tg_user_id, "processed": "on"},
        follow=True,
    )
    return unescape(response.content.decode())


def test_a_bare_notification_is_added_by_number_and_id(manager: Client) -> None:
    html = add_notification(manager, "42", "1001")

    notification = OrderNotification.objects.unfinished().get()
    assert (notification.order_number, notification.tg_user_id) == ("42", 1001)
    assert "Сообщение отправляется клиенту." in html


def test_the_same_bare_notification_does_not_wait_twice(manager: Client) -> None:
    add_notification(manager, "42", "1001")
    html = add_notification(manager, "42", "1001")

    assert "Такое же сообщение этому пользователю уже ждёт отправки." in html
    assert OrderNotification.objects.count() == 1


@pytest.mark.parametrize(
    ("number", "tg_user_id"),
    [("", "1"), ("1", ""), ("1", "0"), ("1", "-5"), ("1", "x"), ("1", "9" * 20)],
)
def test_a_wrong_bare_notification_is_refused(
    manager: Client, number: str, tg_user_id: str
) -> None:
    assert "errornote" in add_notification(manager, number, tg_user_id)
    assert not OrderNotification.objects.exists()


def test_a_notification_is_read_only_once_it_is_made(manager: Client) -> None:
    notification = OrderNotification.objects.create(order_number="1", tg_user_id=1)
    address = reverse(
        "admin:notifications_ordernotification_change", args=[notification.pk]
    )

    manager.post(address, {"order_number": "2", "tg_user_id": "2"})

    notification.refresh_from_db()
    assert (notification.order_number, notification.tg_user_id) == ("1", 1)


@pytest.mark.parametrize(
    ("term", "found"), [("5", 1), ("50", 1), ("777", 1), ("0", 0), ("х" * 50, 0)]
)
def test_notifications_are_found_by_number_and_by_telegram_id(
    manager: Client, term: str, found: int
) -> None:
    OrderNotification.objects.create(order_number="501", tg_user_id=777)

    html = list_of(manager, "notifications_ordernotification", q=term)

    assert html.count('class="field-order_number"') == found


# --- all pages ------------------------------------------------------------------------


def test_a_message_after_saving_cannot_bring_a_script(manager: Client) -> None:
    BotStatus.record(at=timezone.now(), username=SCRIPT)
    stranger = Customer.objects.create(name=SCRIPT)

    response = manager.post(
        reverse("admin:notifications_order_add"),
        {"number": "<b>", "customer": stranger.pk},
        follow=True,
    )

    html = response.content.decode()
    assert "https://t.me/" in html
    assert SCRIPT not in html
    assert "<b>" not in html


def test_names_and_numbers_cannot_bring_a_script(manager: Client) -> None:
    BotStatus.record(at=timezone.now(), username=SCRIPT)
    stranger = Customer.objects.create(name=SCRIPT, phone=SCRIPT)
    friend = connected(SCRIPT, tg_username=SCRIPT)
    made = order("<b>", friend, **given_up(SCRIPT) | {"last_error": SCRIPT})
    attempt(made.notifications.get(), "refused", error_code=SCRIPT, description=SCRIPT)
    notification = made.notifications.get()
    pages = [
        *(reverse(f"admin:{name}_changelist") for name in LISTS),
        order_page(made),
        order_page(order("2", stranger)),
        reverse("admin:notifications_customer_change", args=[friend.pk]),
        reverse("admin:notifications_customer_change", args=[stranger.pk]),
        reverse("admin:notifications_ordernotification_change", args=[notification.pk]),
    ]

    for address in pages:
        html = page(manager, address)
        assert SCRIPT not in html
        assert "<b>" not in html


@pytest.mark.parametrize(
    "query", [{}, {"q": "анна"}, {"q": "1"}, {"state": "waiting"}], ids=str
)
# The list of customers also counts those in each state of connection; that of orders
# offers their statuses, to find them and to set them. Both count what a search fits.
@pytest.mark.parametrize(
    ("name", "most"),
    [
        (name, {"notifications_customer": 9, "notifications_order": 11}.get(name, 6))
        for name in LISTS
    ],
)
def test_the_queries_of_a_list_do_not_grow_with_its_rows(
    manager: Client, name: str, most: int, query: dict[str, str]
) -> None:
    def fill(first: int) -> None:
        for number in range(first, first + 5):
            made = order(str(number), connected("Анна", 5000 + number))
            claim(made, worker=worker())
            attempt(made.notifications.get(), "postponed")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            manager.get(reverse(f"admin:{name}_changelist"), query)
        return len(captured)

    fill(10)
    few = queries()
    fill(100)

    assert queries() == few
    assert few <= most


@pytest.mark.skipif(
    settings.INSTALLED_APPS.index("notifications")
    > settings.INSTALLED_APPS.index("django.contrib.admin"),
    reason="Django's templates hide the shop's: INSTALLED_APPS has the admin first.",
)
def test_every_page_has_the_theme_and_a_language_switch(manager: Client) -> None:
    html = page(manager, reverse("admin:index"))
    assert "notifications/admin.css" in html
    assert 'name="language" value="en"' in html

    response = manager.post(
        reverse("set_language"), {"language": "en", "next": "/admin/"}, follow=True
    )

    assert "The manager&#x27;s desk" in response.content.decode()


def test_the_language_is_switched_before_logging_in(client: Client) -> None:
    assert 'name="language" value="en"' in page(client, reverse("admin:login"))


def test_the_desk_has_its_own_name(manager: Client) -> None:
    html = page(manager, reverse("admin:index"))

    assert "Рабочее место менеджера" in html
    assert "Магазин" in html
    assert "Django" not in html


@pytest.mark.parametrize("name", LISTS[3:])
def test_the_workers_tables_are_only_looked_at(manager: Client, name: str) -> None:
    orders_in_every_state()
    model: Any = {"queue": Queue, "worker": Worker, "claim": Claim}[name.split("_")[-1]]
    row = model.objects.first()

    forbidden = [
        manager.get(reverse(f"admin:{name}_add")),
        manager.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"}),
        manager.post(reverse(f"admin:{name}_change", args=[row.pk]), {}),
    ]

    assert [response.status_code for response in forbidden] == [403, 403, 403]
    assert model.objects.filter(pk=row.pk).exists()


def test_a_queue_says_in_words_how_it_is(manager: Client) -> None:
    now = timezone.now()
    Queue.objects.create(pk="a")
    Queue.objects.create(pk="b", stopped_at=now, stopped_by="Ольга")
    hour = timedelta(hours=1)
    Queue.objects.create(pk="c", paused_until=now + hour, pause_reason="unreachable")
    Queue.objects.create(pk="d", paused_until=now - hour, pause_reason="unreachable")
    Queue.objects.create(pk="e")
    for name in "acd":
        Worker.objects.create(queue_id=name, host="shop", pid=42)

    html = list_of(manager, "django_workers_queue")

    assert "Работает" in html
    assert "Остановлена вручную: Ольга" in html
    assert "Пауза до" in html
    assert "Проверяется, закончилась ли пауза: unreachable" in html
    assert "С этой очередью никто не работает" in html


def test_a_claim_says_in_words_how_it_is(manager: Client) -> None:
    anna = connected()
    claim(order("1", anna), worker=worker())
    claim(order("2", anna), held_until=timezone.now())
    claim(order("3", anna), alone=True)
    claim(order("4", anna), error="ValueError")

    html = list_of(manager, "django_workers_claim")

    for words in (
        "Выполняется",
        "Отложена до",
        "отдельно",
        "Ждёт человека: ValueError",
    ):
        assert words in html
