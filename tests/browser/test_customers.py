"""A customer is invited and seen to connect, as a manager does it in a browser."""

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import NARROW, WIDE, quiet_context, skip_without_chromium
from tests.support.desk import Desk

skip_without_chromium()

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
# The page looks every two seconds; the machine may be busy with other tests.
SOON_MS = 30_000


def make_customer(page: Page, desk: Desk, name: str) -> str:
    """Fill in the form of a new customer, open their page; return the invite's code."""
    page.goto(desk.url + "notifications/customer/add/")
    page.fill("#id_name", name)
    page.click("[name=_continue]")
    return state_of(page).locator("code").inner_text().removeprefix("/start ")


def state_of(page: Page) -> Locator:
    return page.locator('[data-part="connection"]')


def add_phone(desk: Desk, name: str) -> int:
    fields = {"first_name": name, "language_code": "ru"}
    added = httpx.post(f"{desk.telegram.page_url}control/users", json=fields)
    return int(added.raise_for_status().json()["id"])


@SIZES
def test_the_page_shows_a_customer_as_connected_when_they_press_start(
    browser: Browser, desk: Desk, size: tuple[int, int]
) -> None:
    phone = add_phone(desk, f"Телефон {size[0]}")
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        code = make_customer(page, desk, f"Новый {size[0]}")
        expect(state_of(page)).to_contain_text("Не подключён")
        page.evaluate("window.isTheSamePage = true")
        page.fill("#id_phone", "+7 9")

        desk.telegram.press_start(phone, code)

        expect(state_of(page)).to_contain_text("Подключён с", timeout=SOON_MS)
        expect(state_of(page)).to_contain_text(str(phone))
        expect(state_of(page).locator(".qr")).to_have_count(0)
        assert page.evaluate("window.isTheSamePage")
        assert page.input_value("#id_phone") == "+7 9"


@SIZES
def test_the_link_of_an_invite_opens_the_phones_with_the_code(
    browser: Browser, desk: Desk, size: tuple[int, int]
) -> None:
    name = f"Гость {size[0]}"
    add_phone(desk, name)
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        make_customer(page, desk, f"По ссылке {size[0]}")
        phone = window.new_page()
        phone.goto(state_of(page).locator("a.copyable").get_attribute("href") or "")
        phone.wait_for_selector("body[data-ready]")
        phone.get_by_role("button", name=name).first.click()

        phone.click("#start")

        page.bring_to_front()
        expect(state_of(page)).to_contain_text("Подключён с", timeout=SOON_MS)


def test_a_page_that_nobody_looks_at_asks_nothing(browser: Browser, desk: Desk) -> None:
    with quiet_context(browser) as window:
        page = desk.log_in(window)
        make_customer(page, desk, "Никто не смотрит")
        with page.expect_response("**/connection/**", timeout=SOON_MS):
            pass
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))

        hide(page, True)
        asked.clear()
        page.wait_for_timeout(5_000)  # to see that nothing is asked for so long
        assert asked == []

        with page.expect_response("**/connection/**", timeout=SOON_MS):
            hide(page, False)


def hide(page: Page, is_hidden: bool) -> None:
    """Do what a browser does when its tab is left, or looked at again."""
    page.evaluate(
        """is_hidden => {
            Object.defineProperty(document, "hidden",
                                  {value: is_hidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


@SIZES
@pytest.mark.parametrize("has_clipboard", [True, False])
def test_the_command_of_an_invite_is_copied_by_a_button(
    browser: Browser, desk: Desk, size: tuple[int, int], has_clipboard: bool
) -> None:
    with quiet_context(browser, size) as window:
        window.grant_permissions(["clipboard-read", "clipboard-write"])
        page = desk.log_in(window)
        code = make_customer(page, desk, "Копия")
        if not has_clipboard:  # as on a shop's own network without HTTPS
            page.evaluate(
                "() => { navigator.clipboard.writeText = () => Promise.reject(); }"
            )
        page.bring_to_front()

        state_of(page).locator("button.copy").last.click()

        expect(state_of(page).locator(".copied").last).to_have_text("Скопировано")
        assert page.evaluate("navigator.clipboard.readText()") == f"/start {code}"


@SIZES
def test_cards_are_printed_eight_on_a_sheet(
    browser: Browser, desk: Desk, size: tuple[int, int]
) -> None:
    name = f"Лист{size[0]}"
    desk.product.run_django(
        "for number in range(9):\n"
        f"    Customer.objects.create(name='{name} ' + str(number))\n"
    )
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + "notifications/customer/?q=" + name)
        page.get_by_role("link", name="Карточки для печати").click()
        cards = page.locator("article.card")
        expect(cards).to_have_count(9)
        expect(page.locator("#print")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]

        pages = page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n")

    assert pages == 2
