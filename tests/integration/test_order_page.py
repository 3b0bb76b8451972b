"""The page of an order: its messages, and what a manager changes there."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications.models import Customer, Order, OrderNotification, OrderStatus
from notifications.orders import change_status
from tests.support.orders import connected, deliver, new_order, states, take
from tests.support.shop import attempt, superuser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def manager() -> Client:
    client = Client()
    client.force_login(superuser())
    return client


def address(order: Order) -> str:
    return reverse("admin:notifications_order_change", args=[order.pk])


def question(order: Order) -> str:
    return reverse("admin:notifications_order_send_again", args=[order.pk])


def form(order: Order, **changes: Any) -> dict[str, Any]:
    """Return the form as a manager has it open, with what they change."""
    fresh = Order.objects.get(pk=order.pk)
    fields = {
        "number": fresh.number,
        "customer": fresh.customer_id,
        "status": fresh.status_id,
        "seen_version": fresh.version,
    }
    if fresh.notify:
        fields["notify"] = "on"
    return fields | changes


def save(manager: Client, order: Order, fields: dict[str, Any]) -> str:
    return manager.post(address(order), fields, follow=True).content.decode()


def page(manager: Client, url: str) -> str:
    return manager.get(url).content.decode()


# --- changes --------------------------------------------------------------------------


def test_a_new_status_is_saved_and_told(manager: Client) -> None:
    order = new_order("42")

    html = save(manager, order, form(order, status="paid"))

    assert "Клиент получит новое сообщение" in html
    assert states(order) == [("new", "superseded"), ("paid", "waiting")]


def test_a_corrected_number_corrects_the_message_that_waits(manager: Client) -> None:
    order = new_order("42")

    html = save(manager, order, form(order, number="43"))

    assert "исправлено" in html
    assert deliver() == ["Сформирован заказ номер 43"]


def test_a_manager_is_told_that_a_delivered_message_stays(manager: Client) -> None:
    order = new_order("42")
    deliver()

    assert "изменить его нельзя" in save(manager, order, form(order, number="43"))


def test_a_manager_is_told_that_a_message_on_its_way_stays(manager: Client) -> None:
    order = new_order("42")
    take()

    assert "изменить его нельзя" in save(manager, order, form(order, number="43"))


def test_an_order_that_is_no_longer_to_be_told_says_so(manager: Client) -> None:
    order = new_order("42")
    fields = form(order)
    del fields["notify"]

    html = save(manager, order, fields)

    assert "не будет отправлено" in html
    assert "Без уведомления" in page(manager, address(order))


def test_for_who_cannot_be_reached_the_invite_is_at_hand(manager: Client) -> None:
    customer = Customer.objects.create(name="Пётр")
    order = new_order("42", customer=customer)

    html = save(manager, order, form(order, status="paid"))

    assert customer.invite_code in html
    html = page(manager, address(order))
    assert "Заказ номер 42: Оплачен" in html
    assert "на странице клиента" not in html


def test_whether_the_customer_got_it_is_told_first(manager: Client) -> None:
    order = new_order("42")
    deliver()

    html = page(manager, address(order)).split('id="order_form"')[1]

    assert html.index("Доставлено") < html.index('name="number"')


def test_a_taken_number_is_told_in_words(manager: Client) -> None:
    first = new_order("1")
    second = new_order("2", customer=first.customer)

    assert "Заказ 1 уже есть" in save(manager, second, form(second, number="1"))


def test_saving_without_a_change_changes_nothing(manager: Client) -> None:
    order = new_order("42")

    save(manager, order, form(order))

    assert Order.objects.get().version == 0
    assert states(order) == [("new", "waiting")]


def test_a_status_that_is_no_longer_offered_is_kept_by_its_orders(
    manager: Client,
) -> None:
    order = new_order("42", status_id="packed")
    OrderStatus.objects.filter(pk="packed").update(is_active=False)

    save(manager, order, form(order, number="43"))

    order.refresh_from_db()
    assert (order.number, order.status_id) == ("43", "packed")
    other = new_order("44", customer=order.customer)
    save(manager, other, form(other, status="packed"))
    assert Order.objects.get(pk=other.pk).status_id == "new"


def test_nothing_beside_the_status_changes_the_statuses(manager: Client) -> None:
    html = page(manager, address(new_order("42")))

    assert '<select name="status"' in html
    assert "/orderstatus/__fk__/" not in html
    assert "/orderstatus/add/" not in html.split('id="content"')[1]


# --- two managers ---------------------------------------------------------------------


def test_nobody_overwrites_without_a_word(manager: Client) -> None:
    order = new_order("42")
    mine = form(order, number="43")
    change_status(order.pk, "cancelled")

    html = save(manager, order, mine)

    assert "его изменил кто-то другой" in html
    assert '<a href="">Откройте страницу заново' in html
    assert "Отменён" in html
    order.refresh_from_db()
    assert (order.number, order.status_id) == ("42", "cancelled")


def test_a_second_click_on_save_is_no_conflict(manager: Client) -> None:
    order = new_order("42")
    fields = form(order, status="paid")

    save(manager, order, fields)
    html = save(manager, order, fields)

    assert "кто-то другой" not in html
    assert states(order) == [("new", "superseded"), ("paid", "waiting")]


def test_a_form_without_its_version_saves_nothing(manager: Client) -> None:
    order = new_order("42")
    fields = form(order, number="43")
    del fields["seen_version"]

    save(manager, order, fields)

    assert Order.objects.get().number == "42"


# --- messages -------------------------------------------------------------------------


def test_every_message_is_shown_with_its_very_text(manager: Client) -> None:
    order = new_order("42")
    deliver()
    OrderStatus.objects.filter(pk="paid").update(text_ru="Спасибо, {customer_name}!")
    change_status(order.pk, "paid")

    html = page(manager, address(order))

    assert html.index("Спасибо, Анна!") < html.index("Сформирован заказ номер 42")
    assert "Доставлено" in html
    assert "В очереди" in html


def test_what_is_delivered_while_the_page_is_made_does_not_contradict_it(
    manager: Client,
) -> None:
    order = new_order("42")
    attempt(order.notifications.get(), "delivered")

    html = page(manager, address(order)).split('class="timeline"')[1]

    assert "Доставлено" not in html.split("</ol>")[0]


def test_more_messages_need_no_more_queries(manager: Client) -> None:
    order = new_order("42")
    deliver()
    address(order)
    page(manager, address(order))
    with CaptureQueriesContext(connection) as few:
        page(manager, address(order))
    for status in ("paid", "packed", "shipped"):
        change_status(order.pk, status)
        deliver()

    with CaptureQueriesContext(connection) as many:
        page(manager, address(order))

    assert len(many) == len(few)


# --- sent again -----------------------------------------------------------------------


def test_a_delivered_message_is_sent_again_after_a_question(manager: Client) -> None:
    order = new_order("42")
    deliver()
    delivered = order.notifications.get()
    assert question(order) in page(manager, address(order))

    html = page(manager, question(order))
    assert "Сформирован заказ номер 42" in html
    assert OrderNotification.objects.count() == 1

    answer = manager.post(question(order), {"message": delivered.pk}, follow=True)
    assert "снова отправляется" in answer.content.decode()
    assert deliver() == ["Сформирован заказ номер 42"]
    assert "Отправлено ещё раз вручную" in page(manager, address(order))


def test_who_comes_back_to_the_question_reads_that_it_was_sent_again(
    manager: Client,
) -> None:
    order = new_order("42")
    deliver()
    assert "Его уже отправляли" not in page(manager, question(order))

    manager.post(question(order), {"message": order.notifications.get().pk})
    deliver()

    assert "Его уже отправляли ещё раз вручную" in page(manager, question(order))


def test_a_second_click_sends_nothing_more(manager: Client) -> None:
    order = new_order("42")
    deliver()
    fields = {"message": order.notifications.get().pk}

    manager.post(question(order), fields)
    deliver()
    answer = manager.post(question(order), fields, follow=True)

    assert "уже есть более новое сообщение" in answer.content.decode()
    assert OrderNotification.objects.count() == 2


@pytest.mark.parametrize("message", ["", "0", "x", "9" * 30])
def test_what_is_no_message_of_the_order_is_not_sent(
    manager: Client, message: str
) -> None:
    order = new_order("42")
    deliver()

    manager.post(question(order), {"message": message})

    assert OrderNotification.objects.count() == 1


def test_what_was_not_delivered_is_not_offered(manager: Client) -> None:
    order = new_order("42")

    assert question(order) not in page(manager, address(order))
    answer = manager.get(question(order), follow=True).content.decode()
    assert "только доставленное сообщение" in answer


# --- rights ---------------------------------------------------------------------------


def test_who_may_only_look_changes_and_sends_nothing() -> None:
    order = new_order("42")
    deliver()
    user = User.objects.create_user("observer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_order"))
    observer = Client()
    observer.force_login(user)

    html = page(observer, address(order))

    assert "Сформирован заказ номер 42" in html
    assert 'name="_save"' not in html
    assert question(order) not in html
    assert observer.get(question(order)).status_code == 403
    message = {"message": order.notifications.get().pk}
    assert observer.post(question(order), message).status_code == 403
    assert observer.post(address(order), form(order, number="1")).status_code == 403
    assert (Order.objects.get().number, OrderNotification.objects.count()) == ("42", 1)


# --- many at once ---------------------------------------------------------------------


def test_many_orders_get_a_status_at_once(manager: Client) -> None:
    customer = connected()
    orders = [new_order(str(n), customer=customer) for n in range(3)]
    untold = new_order("9", customer=Customer.objects.create(name="Пётр"))
    change_status(orders[0].pk, "paid")

    answer = manager.post(
        reverse("admin:notifications_order_changelist"),
        {
            "action": "status_paid",
            "_selected_action": [order.pk for order in [*orders, untold]],
        },
        follow=True,
    ).content.decode()

    assert "3 заказа получили новый статус" in answer
    assert "Сообщений отправляется: 2" in answer
    assert "узнают после нажатия Start: 1" in answer
    assert set(Order.objects.values_list("status", flat=True)) == {"paid"}
    assert deliver() == ["Заказ номер 0: Оплачен"]


def test_who_may_only_look_is_offered_no_status() -> None:
    new_order("42")
    user = User.objects.create_user("observer", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_order"))
    observer = Client()
    observer.force_login(user)

    html = page(observer, reverse("admin:notifications_order_changelist"))

    assert "status_paid" not in html
