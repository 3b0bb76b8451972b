"""The ten things that a manager does most, each in a browser, wide and narrow.

1. Log in, in either language: test_every_page.py.
2. Make an order with the keyboard, warned of who is not connected: test_orders.py;
   see that it was delivered, and when: here.
3. Make a customer, hand over the invite, see them connect: test_customers.py.
4. See why a message did not arrive, and retry it: test_orders.py.
5. Narrow the orders to what was not delivered, and retry all of it: test_orders.py.
6. Find an order by its number, its customer or a phone: test_orders.py.
7. Change the status of an order, and see what its customer was told: here.
8. Correct the number of an order whose message still waits: here.
9. Print cards with invites: test_customers.py.
10. See on the first page whether all is well, and what went wrong: test_dashboard.py,
    and from there come to the messages in question: here.

And on any of the pages switch the language without losing one's place: here.
"""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import NARROW, WIDE, quiet_context, skip_without_chromium
from tests.support.desk import Desk
from tests.support.telegram import ANNA
from tests.support.waiting import wait_until

skip_without_chromium()

BOTH_SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
Size = tuple[int, int]


def make_order(desk: Desk, number: str, **message: str) -> str:
    """Make an order of Anna's; return its page. `message`: SQL by column."""
    columns = "".join(f"{name}={value}, " for name, value in message.items())
    desk.product.run_django(
        "from datetime import timedelta\n"
        "from django.db import transaction\n"
        "from django.utils import timezone\n"
        "with transaction.atomic():\n"
        "    anna = Customer.objects.get(name='Анна Смирнова')\n"
        f"    order = Order.objects.create(number={number!r}, customer=anna)\n"
        + (f"    order.notifications.update({columns})\n" if columns else "")
    )
    [(key,)] = desk.product.query(
        f"SELECT id FROM notifications_order WHERE number = '{number}'"
    )
    return f"{desk.url}notifications/order/{key}/change/"


@BOTH_SIZES
def test_a_manager_sees_that_an_order_was_delivered_and_when(
    browser: Browser, desk: Desk, size: Size
) -> None:
    number = f"D{size[0]}"
    address = make_order(desk, number)
    desk.telegram.wait_for_message(ANNA, f"заказ номер {number}")
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + f"notifications/order/?q={number}")

        def row() -> str:
            page.reload()
            return page.locator("#result_list tbody tr").inner_text()

        wait_until(lambda: re.search(r"Доставлено \d\d:\d\d", row()), what="the badge")
        page.goto(address)
        story = page.locator(".timeline")
        expect(story).to_contain_text("Создано")
        expect(story).to_contain_text("Доставлено")


@BOTH_SIZES
def test_a_new_status_is_told_to_the_customer_and_shown_to_the_manager(
    browser: Browser, desk: Desk, size: Size
) -> None:
    number = f"S{size[0]}"
    address = make_order(desk, number)
    desk.telegram.wait_for_message(ANNA, f"заказ номер {number}")
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(address)

        page.select_option("#id_status", label="Отправлен")
        page.click("[name=_continue]")

        expect(page.locator(".messagelist")).to_be_visible()
        told = f"Заказ номер {number}: Отправлен"
        desk.telegram.wait_for_message(ANNA, told)
        expect(page.locator("#content")).to_contain_text(told)
        expect(page.locator(".order-message")).to_have_count(2)


@BOTH_SIZES
def test_the_number_of_a_message_that_still_waits_is_corrected(
    browser: Browser, desk: Desk, size: Size
) -> None:
    wrong, right = f"W{size[0]}", f"Z{size[0]}"
    later = "timezone.now() + timedelta(hours=1)"
    address = make_order(desk, wrong, next_attempt_at=later)
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(address)

        page.fill("#id_number", right)
        page.click("[name=_continue]")

        expect(page.locator(".messagelist")).to_contain_text("исправлено")
        expect(page.locator(".message-text").last).to_contain_text(right)
    desk.product.run_django(
        "from django.utils import timezone\n"
        f"OrderNotification.objects.filter(order_number={right!r}).update(\n"
        "    next_attempt_at=timezone.now())\n"
    )
    desk.telegram.wait_for_message(ANNA, f"заказ номер {right}", timeout=30)
    assert not any(wrong in text for text in desk.telegram.texts(ANNA))


@BOTH_SIZES
def test_the_first_page_leads_to_what_was_not_delivered(
    browser: Browser, desk: Desk, size: Size
) -> None:
    number = f"N{size[0]}"
    desk.make_failed(number)
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)

        page.locator(".tile", has_text="Не доставлено").click()

        rows = page.locator("#result_list")
        expect(rows).to_contain_text(number)
        expect(rows.locator(".badge-good")).to_have_count(0)


@BOTH_SIZES
def test_the_language_is_switched_on_the_page_where_one_is(
    browser: Browser, desk: Desk, size: Size
) -> None:
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + "notifications/order/?state=failed&q=1")
        place = page.url

        page.get_by_role("button", name="EN", exact=True).click()

        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.locator("h1")).to_have_text("Orders")
        assert page.url == place
        page.get_by_role("button", name="RU", exact=True).click()
        expect(page.locator("h1")).to_have_text("Заказы")
