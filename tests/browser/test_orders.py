"""What a manager does with orders all day, with a keyboard and with a phone."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import NARROW, WIDE, quiet_context, skip_without_chromium
from tests.support.desk import Desk
from tests.support.telegram import ANNA
from tests.support.waiting import wait_until

skip_without_chromium()

BOTH_SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
Size = tuple[int, int]


def choose_customer(page: Page, name: str) -> None:
    if not page.locator(".select2-search__field").is_visible():
        page.locator("#id_customer + .select2 .select2-selection").click()
    page.locator(".select2-search__field").fill(name)
    page.locator(".select2-results__option", has_text=re.compile(name, re.I)).click()


@BOTH_SIZES
def test_an_order_is_made_with_the_keyboard_alone(
    browser: Browser, desk: Desk, size: Size
) -> None:
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + "notifications/order/add/")
        number = page.input_value("#id_number")

        if size == NARROW:
            expect(page.locator("#id_customer + .select2 :focus")).to_have_count(1)
            page.keyboard.press("Enter")
        expect(page.locator(".select2-search__field")).to_be_focused()
        page.keyboard.type("анна")
        option = page.locator(".select2-results__option--highlighted")
        expect(option).to_contain_text("Анна Смирнова")
        page.keyboard.press("Enter")
        expect(page.locator("[name=_save]")).to_be_focused()
        expect(page.locator("#outlook")).to_contain_text(f"заказ номер {number}")
        page.keyboard.press("Enter")

        expect(page.locator(".messagelist")).to_contain_text("Сообщение отправляется")
        desk.telegram.wait_for_message(ANNA, f"заказ номер {number}")


@pytest.mark.parametrize("width", [1400, 1100, 800])
def test_a_number_of_seven_digits_stays_on_one_line_of_the_list(
    browser: Browser, desk: Desk, width: int
) -> None:
    with quiet_context(browser, (width, 900)) as window:
        page = desk.log_in(window)
        page.goto(desk.url + "notifications/order/add/")
        page.fill("#id_number", "1999940")
        choose_customer(page, "пётр")
        page.click("[name=_save]")
        expect(page.locator(".messagelist")).to_be_visible()
        page.goto(desk.url + "notifications/order/?q=1999940")

        number = page.locator("#result_list").get_by_role("link", name="1999940")
        assert number.evaluate("link => link.getClientRects().length") == 1


@BOTH_SIZES
def test_a_customer_who_is_not_connected_is_told_of_before_saving(
    browser: Browser, desk: Desk, size: Size
) -> None:
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + "notifications/order/add/")
        outlook = page.locator("#outlook")

        choose_customer(page, "пётр")
        expect(outlook).to_contain_text("Клиент не подключён")
        expect(outlook.locator("code")).to_contain_text("/start ")
        choose_customer(page, "громова")
        expect(outlook).to_contain_text("Клиент заблокировал бота")
        choose_customer(page, "тихий")
        expect(outlook).to_contain_text("Клиент отписался")
        choose_customer(page, "анна")
        expect(outlook).to_contain_text("Подключён")
        expect(outlook.locator(".warning")).to_have_count(0)

        page.fill("#id_number", "Щ-1")
        expect(outlook).to_contain_text("заказ номер Щ-1")
        page.check("#id_quietly")
        expect(outlook).to_contain_text("не сообщат")
        expect(outlook).not_to_contain_text("Щ-1")


@BOTH_SIZES
def test_going_back_and_saving_again_makes_no_second_order(
    browser: Browser, desk: Desk, size: Size
) -> None:
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + "notifications/order/add/")
        number = page.input_value("#id_number")
        choose_customer(page, "пётр")
        page.click("[name=_save]")
        page.wait_for_selector(".messagelist")

        page.go_back()
        if page.input_value("#id_number") != number or not page.input_value(
            "#id_customer"
        ):
            page.fill("#id_number", number)
            choose_customer(page, "пётр")
        page.click("[name=_save]")

        expect(page.locator(".messagelist")).to_contain_text(
            f"Заказ {number} уже сохранён: второй раз он не создан."
        )
        rows = desk.product.query(
            f"SELECT count(*) FROM notifications_order WHERE number = '{number}'"
        )
        assert rows == [(1,)]


@BOTH_SIZES
def test_a_failed_message_is_retried_from_its_row(
    browser: Browser, desk: Desk, size: Size
) -> None:
    number = f"R{size[0]}"
    desk.make_failed(number)
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + f"notifications/order/?q={number}")
        row = page.locator("#result_list tbody tr")
        expect(row).to_contain_text("Не доставлено")

        row.get_by_role("button", name="Повторить").click()

        expect(page.locator(".messagelist")).to_contain_text("будет отправлено снова")
        assert page.url.endswith(f"?q={number}")
        desk.telegram.wait_for_message(ANNA, f"заказ номер {number}")
        wait_until(lambda: "Доставлено" in _reread(page), what="the record")


@BOTH_SIZES
def test_all_that_a_filter_found_is_retried_after_a_question(
    browser: Browser, desk: Desk, size: Size
) -> None:
    numbers = [f"B{size[0]}{letter}" for letter in "abc"]
    desk.make_failed(*numbers)
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + f"notifications/order/?q=B{size[0]}")

        choices = page.get_by_role("navigation", name="Фильтр")
        if size == NARROW:
            expect(choices).to_be_hidden()
            page.get_by_role("link", name="Фильтр").click()
        choices.get_by_role("link", name="Не доставлено", exact=True).click()
        page.wait_for_url("**state=failed**")
        if size == NARROW:
            expect(page.locator(".to-filter")).to_contain_text("Не доставлено")
        page.get_by_role("link", name="Повторить недоставленные").click()
        expect(page.locator("#content")).to_contain_text(
            "Среди найденного не доставлены 3 сообщения."
        )
        page.get_by_role("button", name="Повторить").click()

        expect(page.locator(".messagelist")).to_contain_text(
            "3 сообщения будут отправлены снова."
        )
        for number in numbers:
            desk.telegram.wait_for_message(ANNA, f"заказ номер {number}")


@BOTH_SIZES
def test_an_order_is_found_in_any_letter_case(
    browser: Browser, desk: Desk, size: Size
) -> None:
    desk.make_failed(f"S{size[0]}")
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + "notifications/order/")

        for words in ("СМИРНОВА аНна", "8 (916) 000-00-01", f"s{size[0]}"):
            page.fill("#searchbar", words)
            with page.expect_navigation():
                page.keyboard.press("Enter")
            expect(page.locator("#result_list")).to_contain_text(f"S{size[0]}")


def _reread(page: Page) -> str:
    page.reload()
    return page.locator("#result_list").inner_text()
