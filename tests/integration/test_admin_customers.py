"""The customers' pages: connection, invites, cards to print, history."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import reverse
from django.utils import timezone

from notifications.admin.connection import connection_of, connection_panel
from notifications.admin.customer_cards import CARDS_AT_ONCE
from notifications.admin.invite import Invite
from notifications.models import (
    CONNECTION_IS,
    BotStatus,
    Connection,
    Customer,
    Order,
    OrderNotification,
)

pytestmark = pytest.mark.django_db

CHAT = 7_100_000_001
CARDS = reverse("admin:notifications_customer_cards")
LIST = reverse("admin:notifications_customer_changelist")


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("manager"))
    return client


@pytest.fixture
def bot() -> None:
    BotStatus.record(at=timezone.now(), username="shop_bot")


def viewer(client: Client, *permissions: str) -> Client:
    """Log in somebody of the staff with these permissions and no others."""
    user = User.objects.create_user("olga", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def connected(name: str = "Анна", chat: int = CHAT, **fields: Any) -> Customer:
    fields = {"started_at": timezone.now(), **fields}
    return Customer.objects.create(name=name, tg_user_id=chat, **fields)


def one_in_each_state() -> dict[Connection, Customer]:
    now = timezone.now()
    return {
        Connection.CONNECTED: connected("Анна", CHAT),
        Connection.NOT_CONNECTED: Customer.objects.create(name="Пётр"),
        Connection.BLOCKED: connected("Олег", CHAT + 1, blocked_at=now),
        Connection.UNSUBSCRIBED: connected("Инна", CHAT + 2, unsubscribed_at=now),
    }


def page_of(customer: Customer, name: str = "change") -> str:
    return reverse(f"admin:notifications_customer_{name}", args=[customer.pk])


def read(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200
    return unescape(response.content.decode())


def names_on_cards(html: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", html)


# --- the state of the connection ------------------------------------------------------


def test_every_customer_is_in_exactly_one_state_and_the_database_agrees() -> None:
    now = timezone.now()
    one_in_each_state()
    connected("Ира", CHAT + 3, blocked_at=now, unsubscribed_at=now)
    # Left over from before the chat was taken away.
    Customer.objects.create(name="Яна", unsubscribed_at=now, blocked_at=now)

    for customer in Customer.objects.all():
        found = [
            state
            for state, condition in CONNECTION_IS.items()
            if Customer.objects.filter(condition, pk=customer.pk).exists()
        ]
        assert found == [customer.connection]


@pytest.mark.parametrize(
    ("state", "words", "what_to_do"),
    [
        (Connection.CONNECTED, "Подключён", ""),
        (Connection.NOT_CONNECTED, "Не подключён", "Передайте клиенту приглашение"),
        (Connection.BLOCKED, "Заблокировал бота", "разблокировать бота"),
        (Connection.UNSUBSCRIBED, "Отписался", "снова нажать Start"),
    ],
)
def test_a_state_is_told_in_words_with_what_to_do(
    manager: Client, state: Connection, words: str, what_to_do: str
) -> None:
    customer = one_in_each_state()[state]

    html = read(manager, page_of(customer))

    assert f">{words}</span>" in html
    assert what_to_do in html
    assert f">{words}</span>" in read(manager, LIST)


def test_the_list_says_since_when(manager: Client) -> None:
    long_ago = timezone.now() - timedelta(days=800)
    connected(started_at=long_ago)

    year = timezone.localtime(long_ago).year
    assert re.search(
        rf'class="since">с \d+ \w+ {year}, \d\d:\d\d<', read(manager, LIST)
    )


def test_the_filter_counts_each_state(manager: Client) -> None:
    one_in_each_state()
    Customer.objects.create(name="Второй")

    html = read(manager, LIST)

    choices = ["Подключён (1)", "Не подключён (2)", "Отписался (1)"]
    for choice in [*choices, "Заблокировал бота (1)"]:
        assert choice in html


# --- invites --------------------------------------------------------------------------


@pytest.mark.usefixtures("bot")
def test_an_invite_is_a_link_a_qr_code_and_a_command(manager: Client) -> None:
    customer = Customer.objects.create(name="Пётр")
    link = f"https://t.me/shop_bot?start={customer.invite_code}"

    html = read(manager, page_of(customer))

    assert f'href="{link}"' in html
    assert f"/start {customer.invite_code}" in html
    assert f'aria-label="QR-код приглашения: он открывает ссылку {link}"' in html
    assert html.count('<button type="button" class="copy"') == 2
    assert page_of(customer, "card") in html


@pytest.mark.usefixtures("bot")
def test_the_qr_code_changes_with_the_link() -> None:
    drawn = {Invite(code, "shop_bot").qr for code in ("a", "b")}

    assert len(drawn) == 2
    assert all('<path fill="#fff"' in svg for svg in drawn)


def test_there_is_no_qr_code_without_a_link() -> None:
    with pytest.raises(ValueError, match="never started"):
        _ = Invite("code", "").qr


@override_settings(TG_LINK_URL="http://127.0.0.1:8081")
def test_the_links_of_invites_can_lead_elsewhere() -> None:
    assert (
        Invite("code", "shop_bot").link == "http://127.0.0.1:8081/shop_bot?start=code"
    )


def test_before_the_bot_ran_it_is_said_what_to_do(manager: Client) -> None:
    customer = Customer.objects.create(name="Пётр")

    for address in (page_of(customer), page_of(customer, "card"), CARDS):
        html = read(manager, address)
        assert "бот ещё ни разу не запускался" in html
        assert "администратора" in html
        assert "<svg viewBox" not in html


@pytest.mark.usefixtures("bot")
def test_the_connected_are_not_invited(manager: Client) -> None:
    customer = connected(tg_username="anna")

    html = read(manager, page_of(customer))

    assert f"@anna, {CHAT}" in html
    assert customer.invite_code not in html


@pytest.mark.usefixtures("bot")
def test_the_same_panel_serves_other_pages() -> None:
    customers = one_in_each_state()

    for state, customer in customers.items():
        html = connection_panel(customer)
        assert connection_of(customer).words in html
        assert (customer.invite_code in html) == (state is not Connection.CONNECTED)


# --- the page that waits for Start ----------------------------------------------------


def test_what_is_known_already_is_answered_with_nothing(manager: Client) -> None:
    customer = Customer.objects.create(name="Пётр")

    response = manager.get(page_of(customer, "connection"), {"known": "not_connected"})

    assert (response.status_code, response.content) == (204, b"")


def test_after_start_the_parts_of_the_page_are_answered(manager: Client) -> None:
    customer = connected()
    Order.objects.create(number="А-1", customer=customer)

    answer = manager.get(
        page_of(customer, "connection"), {"known": "not_connected"}
    ).json()

    assert answer["state"] == "connected"
    assert "Подключён" in answer["parts"]["connection"]
    assert "А-1" in answer["parts"]["orders"]
    assert "А-1" in answer["parts"]["messages"]
    html = read(manager, page_of(customer))
    for name in answer["parts"]:
        assert f'data-part="{name}"' in html


def test_only_who_waits_is_watched(manager: Client) -> None:
    waits, is_there = Customer.objects.create(name="Пётр"), connected()

    assert f'data-watch="{page_of(waits, "connection")}"' in read(
        manager, page_of(waits)
    )
    assert "data-watch" not in read(manager, page_of(is_there))


def test_the_look_of_a_waiting_page_is_cheap(manager: Client) -> None:
    customer = Customer.objects.create(name="Пётр")
    address = page_of(customer, "connection")

    with CaptureQueriesContext(connection) as captured:
        manager.get(address, {"known": "not_connected"})

    # The session, the user, the customer.
    assert len(captured) == 3


def test_the_state_of_an_unknown_customer_is_not_found(manager: Client) -> None:
    for name in ("connection", "card"):
        address = reverse(f"admin:notifications_customer_{name}", args=[404])
        assert manager.get(address).status_code == 404


# --- who may -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["connection", "card", "cards"])
def test_who_may_not_see_customers_sees_none_of_it(client: Client, name: str) -> None:
    customer = Customer.objects.create(name="Пётр")
    address = CARDS if name == "cards" else page_of(customer, name)

    assert client.get(address).status_code == 302
    assert viewer(client, "view_order").get(address).status_code == 403


@pytest.mark.usefixtures("bot")
def test_who_may_see_customers_sees_it_and_changes_nothing(client: Client) -> None:
    customer = Customer.objects.create(name="Пётр")
    viewer(client, "view_customer")

    for address in (page_of(customer, "card"), CARDS, page_of(customer, "connection")):
        assert client.get(address).status_code == 200
        assert client.post(address).status_code == 405


# --- cards to print -------------------------------------------------------------------


@pytest.mark.usefixtures("bot")
def test_a_card_has_the_name_the_code_and_the_command(manager: Client) -> None:
    customer = Customer.objects.create(name="Пётр <b> & Ко 🌸")

    html = read(manager, page_of(customer, "card"))

    assert names_on_cards(html) == ["Пётр <b> & Ко 🌸"]
    assert f"https://t.me/shop_bot?start={customer.invite_code}" in html
    assert f"/start {customer.invite_code}" in html
    assert html.count("<svg viewBox") == 1


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    ("language", "words"),
    [("", "Нажмите Start"), ("en", "Press Start."), ("xx", "Нажмите Start")],
)
def test_a_card_speaks_the_shops_language_unless_another_is_chosen(
    manager: Client, language: str, words: str
) -> None:
    customer = Customer.objects.create(name="Пётр")
    manager.cookies["django_language"] = "en"

    assert words in read(manager, page_of(customer, "card"), words=language)


@pytest.mark.usefixtures("bot")
def test_cards_are_made_for_whom_no_message_reaches(manager: Client) -> None:
    one_in_each_state()

    html = read(manager, CARDS)

    assert names_on_cards(html) == ["Инна", "Олег", "Пётр"]
    assert "Карточки 1–3 из 3; 1 лист A4" in html


@pytest.mark.usefixtures("bot")
def test_cards_are_made_for_what_the_list_shows(manager: Client) -> None:
    one_in_each_state()
    Customer.objects.create(name="Пётр Второй", phone="+7 916 111-22-33")

    assert names_on_cards(read(manager, CARDS, connection="blocked")) == ["Олег"]
    assert names_on_cards(read(manager, CARDS, q="пётр")) == ["Пётр", "Пётр Второй"]
    assert names_on_cards(read(manager, CARDS, q="второй", p="3")) == ["Пётр Второй"]
    html = read(manager, LIST, connection="blocked")
    assert f'href="{CARDS}?connection=blocked"' in html


@pytest.mark.usefixtures("bot")
def test_cards_are_made_for_the_chosen(manager: Client) -> None:
    anna, petr, oleg, _ = one_in_each_state().values()
    chosen = {"action": "print_cards", "_selected_action": [anna.pk, petr.pk]}

    response = manager.post(LIST, chosen, follow=True)

    assert names_on_cards(response.content.decode()) == ["Пётр"]

    everybody = {**chosen, "select_across": "1"}
    response = manager.post(f"{LIST}?connection=blocked", everybody, follow=True)

    assert names_on_cards(response.content.decode()) == [oleg.name]


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    "query",
    [
        {"chosen": "x,-1,9999999999999999999,²"},
        {"sheets": "-3"},
        {"sheets": "999999999"},
        {"q": "никого"},
    ],
)
def test_a_strange_address_of_cards_is_harmless(
    manager: Client, query: dict[str, str]
) -> None:
    Customer.objects.create(name="Пётр")

    html = read(manager, CARDS, **query)

    if query != {"sheets": "-3"}:
        assert "карточка никому не нужна" in html


@pytest.mark.usefixtures("bot")
def test_many_cards_are_printed_in_parts_that_say_how_many(manager: Client) -> None:
    Customer.objects.bulk_create(
        Customer(name=f"Клиент {number:03}") for number in range(CARDS_AT_ONCE + 3)
    )

    with CaptureQueriesContext(connection) as captured:
        first = manager.get(CARDS)
    html = first.content.decode()
    last = read(manager, CARDS, sheets="2")

    assert len(names_on_cards(html)) == CARDS_AT_ONCE
    assert f"Карточки 1–{CARDS_AT_ONCE} из {CARDS_AT_ONCE + 3}; 8 листов A4" in html
    assert 'rel="next"' in html
    assert names_on_cards(last)[-1] == f"Клиент {CARDS_AT_ONCE + 2:03}"
    assert 'rel="prev"' in last
    assert 'rel="next"' not in last
    assert len(first.content) < 200_000
    assert len(captured) <= 10


# --- history --------------------------------------------------------------------------


def test_the_page_lists_messages_newest_first_also_those_without_an_order(
    manager: Client,
) -> None:
    customer = connected()
    Order.objects.create(number="А-1", customer=customer)
    OrderNotification.objects.create(order_number="Б-2", tg_user_id=CHAT)
    OrderNotification.objects.create(order_number="В-3", tg_user_id=CHAT + 1)

    html = read(manager, page_of(customer))

    table = html.partition('data-part="messages"')[2]
    assert re.findall(r"<td>(\w-\d)</td>", table) == ["Б-2", "А-1"]
    assert "В-3" not in html


def test_a_long_history_is_cut_and_leads_to_all_of_it(manager: Client) -> None:
    customer = connected()
    for number in range(12):
        Order.objects.create(number=f"{number}", customer=customer)

    html = read(manager, page_of(customer))

    for address in re.findall(r'<a href="([^"]*)">Все (?:заказы|сообщения)', html):
        assert read(manager, address).count('class="action-select"') == 12


def test_the_queries_of_a_page_do_not_grow_with_its_history(manager: Client) -> None:
    customer = connected()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            read(manager, page_of(customer))
        return len(captured)

    Order.objects.create(number="first", customer=customer)
    queries()  # what the first page of all asks once and for all
    few = queries()
    for number in range(15):
        Order.objects.create(number=f"{number}", customer=customer)

    assert queries() == few
    assert few <= 12


# --- merging two cards ----------------------------------------------------------------


def merge_page(client: Client, kept: Customer, **query: Any) -> str:
    return read(client, page_of(kept, "merge"), **query)


def test_the_other_card_is_asked_for_and_similar_ones_are_offered(
    manager: Client,
) -> None:
    kept = Customer.objects.create(name="Анна Смирнова", phone="+7 916 111-22-33")
    same_phone = Customer.objects.create(name="Аня", phone="8 (916) 1112233")
    same_name = Customer.objects.create(name="СМИРНОВА Анна")
    Customer.objects.create(name="Пётр")

    html = merge_page(manager, kept)

    offered = re.findall(r'<a href="\?other=(\d+)"', html)
    assert offered == [str(same_phone.pk), str(same_name.pk)]
    assert "admin-autocomplete" in html
    assert page_of(kept, "merge") in read(manager, page_of(kept))


def test_both_cards_are_shown_and_nothing_happens_yet(manager: Client) -> None:
    kept = Customer.objects.create(name="Анна Смирнова")
    other = connected("Аня", registered_by_bot=True, phone="8 916")
    Order.objects.create(number="1", customer=other)

    html = merge_page(manager, kept, other=str(other.pk))

    for words in ("Анна Смирнова", "Аня", "Подключён", "8 916", str(CHAT)):
        assert words in html
    assert 'name="chat"' not in html
    assert Customer.objects.count() == 2


def test_a_merge_is_done_told_and_noted(manager: Client) -> None:
    kept = connected("Аня", registered_by_bot=True)
    other = Customer.objects.create(name="Анна Смирнова", phone="8 916")
    Order.objects.create(number="1", customer=other)

    asked = merge_page(manager, kept, other=str(other.pk))
    wanted = {"other": other.pk, "name": "other"}
    response = manager.post(page_of(kept, "merge"), wanted, follow=True)

    html = unescape(response.content.decode())
    assert 'value="other" checked' in asked
    assert response.redirect_chain == [(page_of(kept), 302)]
    assert "Перенесён 1 заказ." in html
    assert "Теперь клиент получит сообщение о 1 заказе." in html
    customer = Customer.objects.get()
    assert (customer.name, customer.tg_user_id) == ("Анна Смирнова", CHAT)
    history = read(
        manager, reverse("admin:notifications_customer_history", args=[customer.pk])
    )
    assert "Объединено с карточкой «Анна Смирнова (8 916)»." in history


def test_of_two_accounts_one_is_chosen(manager: Client) -> None:
    kept, other = connected("Анна"), connected("Аня", CHAT + 1)
    address = page_of(kept, "merge")

    assert 'name="chat"' in merge_page(manager, kept, other=str(other.pk))
    undecided = manager.post(address, {"other": other.pk})
    assert "выберите, какой аккаунт останется" in unescape(undecided.content.decode())
    assert Customer.objects.count() == 2

    manager.post(address, {"other": other.pk, "chat": "other"})
    assert Customer.objects.get().tg_user_id == CHAT + 1


@pytest.mark.parametrize("wanted", [{"other": ""}, {"other": "x"}, {"other": "404"}])
def test_a_merge_with_nobody_is_explained(
    manager: Client, wanted: dict[str, str]
) -> None:
    kept = Customer.objects.create(name="Анна")

    for response in (
        manager.get(page_of(kept, "merge"), wanted),
        manager.post(page_of(kept, "merge"), wanted),
        manager.post(page_of(kept, "merge"), {"other": kept.pk}),
        manager.post(page_of(kept, "merge"), {**wanted, "chat": "both"}),
    ):
        assert response.status_code == 200
        assert "errorlist" in response.content.decode()
    assert Customer.objects.get() == kept


def test_who_may_only_look_may_not_merge(client: Client) -> None:
    kept, other = Customer.objects.create(name="1"), Customer.objects.create(name="2")
    viewer(client, "view_customer")

    assert client.get(page_of(kept, "merge")).status_code == 403
    assert client.post(page_of(kept, "merge"), {"other": other.pk}).status_code == 403
    assert "/merge/" not in read(client, page_of(kept))


def test_pages_of_cards_have_no_script_or_style_of_their_own(manager: Client) -> None:
    kept, other = connected("Анна"), connected("Аня", CHAT + 1)
    pages = [
        merge_page(manager, kept),
        merge_page(manager, kept, other=str(other.pk)),
        read(manager, CARDS),
        read(manager, page_of(kept, "card")),
    ]

    for html in pages:
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)


# --- search ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "names"),
    [
        ("семенов", ["Семёнов Пётр"]),
        ("ПЁТР", ["Семёнов Пётр"]),
        ("8 (916) 123-45", ["Анна"]),
        ("4567", ["Анна"]),
        ("@ANNA_P", ["Анна"]),
        ("%", []),
        ("_", []),
        ("\\", []),
        ("", ["Анна", "Семёнов Пётр"]),
    ],
)
def test_customers_are_found(manager: Client, term: str, names: list[str]) -> None:
    Customer.objects.create(name="Семёнов Пётр")
    connected(phone="+7 916 123-45-67", tg_username="anna_petrova")

    html = read(manager, LIST, q=term)

    assert re.findall(r'field-name"><a href="[^"]*">([^<]*)<', html) == names
