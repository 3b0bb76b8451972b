"""A customer is invited and seen to connect, as a manager does it in a browser."""

import json
import re
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.support.browser import (
    NARROW,
    WIDE,
    chromium,
    quiet_context,
    skip_without_chromium,
)
from tests.support.product import RunningProduct

skip_without_chromium()

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW])
# The page looks every two seconds; the machine may be busy with other tests.
SOON_MS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProduct]:
    options = ("demo", "--port=0", "--telegram-port=0")
    with RunningProduct(tmp_path_factory.mktemp("demo"), *options) as product:
        product.wait_for_output("Ctrl-C stops it")
        yield product


def address(demo: RunningProduct, name: str) -> str:
    found = re.search(rf"{name}\s+(http\S+)", demo.output)
    assert found is not None
    return found[1]


def log_in(window: BrowserContext, demo: RunningProduct) -> Page:
    page = window.new_page()
    page.goto(address(demo, "Admin"))
    page.fill("#id_username", "manager")
    page.fill("#id_password", "manager")
    page.click("input[type=submit]")
    page.wait_for_selector("#user-tools")
    return page


def make_customer(page: Page, demo: RunningProduct, name: str) -> str:
    """Fill in the form of a new customer, open their page; return the invite's code."""
    page.goto(address(demo, "Admin") + "notifications/customer/add/")
    page.fill("#id_name", name)
    page.click("[name=_continue]")
    return state_of(page).locator("code").inner_text().removeprefix("/start ")


def state_of(page: Page) -> Locator:
    return page.locator('[data-part="connection"]')


def call(demo: RunningProduct, path: str, **body: object) -> None:
    request = urllib.request.Request(
        address(demo, "Phones").rstrip("/") + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)


def add_phone(demo: RunningProduct, name: str, user_id: int) -> None:
    call(demo, "/control/users", first_name=name, id=user_id, language_code="ru")


@SIZES
def test_the_page_shows_a_customer_as_connected_when_they_press_start(
    browser: Browser, demo: RunningProduct, size: tuple[int, int]
) -> None:
    user_id = 7_200_000_000 + size[0]
    add_phone(demo, f"Телефон {size[0]}", user_id)
    with quiet_context(browser, size) as desk:
        page = log_in(desk, demo)
        code = make_customer(page, demo, f"Новый {size[0]}")
        expect(state_of(page)).to_contain_text("Не подключён")
        page.evaluate("window.isTheSamePage = true")
        page.fill("#id_phone", "+7 9")

        call(demo, f"/control/users/{user_id}/start", code=code)

        expect(state_of(page)).to_contain_text("Подключён с", timeout=SOON_MS)
        expect(state_of(page)).to_contain_text(str(user_id))
        expect(state_of(page).locator(".qr")).to_have_count(0)
        assert page.evaluate("window.isTheSamePage")
        assert page.input_value("#id_phone") == "+7 9"


@SIZES
def test_the_link_of_an_invite_opens_the_phones_with_the_code(
    browser: Browser, demo: RunningProduct, size: tuple[int, int]
) -> None:
    name = f"Гость {size[0]}"
    add_phone(demo, name, 7_300_000_000 + size[0])
    with quiet_context(browser, size) as desk:
        page = log_in(desk, demo)
        make_customer(page, demo, f"По ссылке {size[0]}")
        phone = desk.new_page()
        phone.goto(state_of(page).locator("a.copyable").get_attribute("href") or "")
        phone.wait_for_selector("body[data-ready]")
        phone.get_by_role("button", name=name).first.click()

        phone.click("#start")

        page.bring_to_front()
        expect(state_of(page)).to_contain_text("Подключён с", timeout=SOON_MS)


def test_a_page_that_nobody_looks_at_asks_nothing(
    browser: Browser, demo: RunningProduct
) -> None:
    with quiet_context(browser) as desk:
        page = log_in(desk, demo)
        make_customer(page, demo, "Никто не смотрит")
        with page.expect_response("**/connection/**", timeout=SOON_MS):
            pass
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))

        hide(page, True)
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
    browser: Browser, demo: RunningProduct, size: tuple[int, int], has_clipboard: bool
) -> None:
    with quiet_context(browser, size) as desk:
        desk.grant_permissions(["clipboard-read", "clipboard-write"])
        page = log_in(desk, demo)
        code = make_customer(page, demo, "Копия")
        if not has_clipboard:  # as on a shop's own network without HTTPS
            page.evaluate("navigator.clipboard.writeText = () => Promise.reject()")
        page.bring_to_front()

        state_of(page).locator("button.copy").last.click()

        expect(state_of(page).locator(".copied").last).to_have_text("Скопировано")
        assert page.evaluate("navigator.clipboard.readText()") == f"/start {code}"


@SIZES
def test_cards_are_printed_eight_on_a_sheet(
    browser: Browser, demo: RunningProduct, size: tuple[int, int]
) -> None:
    demo_names = "".join(f"Customer.objects.create(name='Лист {n}')\n" for n in range(9))
    run_in_demo(demo, demo_names)
    with quiet_context(browser, size) as desk:
        page = log_in(desk, demo)
        page.goto(address(demo, "Admin") + "notifications/customer/?q=Лист")
        page.get_by_role("link", name="Карточки для печати").click()
        cards = page.locator("article.card")
        expect(cards).to_have_count(9)
        expect(page.locator("#print")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]

        pages = page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n")

    assert pages == 2
