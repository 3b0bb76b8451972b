"""Every page of the project's own list: light to load, without complaints, readable.

A page is opened as by somebody who has never been here: nothing is in the browser's
cache. Then axe-core reads it, wide and narrow, light and dark. What it calls serious or
critical keeps somebody from using the page: there is no list of exceptions.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.admin_pages import patterns
from tests.support.browser import NARROW, WIDE, quiet_context, skip_without_chromium
from tests.support.desk import Desk
from tests.support.pages import WholePage, whole_pages

skip_without_chromium()

pytestmark = pytest.mark.takes_minutes

HEAVIEST_BYTES = 200_000
MOST_REQUESTS = 30
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
SERIOUS = """async () => {
    const {violations} = await axe.run({resultTypes: ["violations"]});
    return violations
        .filter(({impact}) => ["serious", "critical"].includes(impact))
        .flatMap(({id, nodes}) => nodes.map(({html, any, all, none}) =>
            [id, html, [...any, ...all, ...none][0]?.message]));
}"""
NEXT_FRAME = "new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)))"

# The newest rows are those whose pages are opened.
_UNRULY = f"""
from django.utils import timezone
word = "Ж" * 180
OrderStatus.objects.update(name_ru="Ж" * 64, text_ru=word, text_en=word)
customer = Customer.objects.create(name=word, phone="8" * 32, tg_username="w" * 32,
    tg_user_id={10**15}, started_at=timezone.now())
order = Order.objects.create(number="Ж" * 8, customer=customer)
order.notifications.update(failed_attempts_number=3, last_error_code="bad_request",
    last_error=word)
Order.objects.create(number="Щ" * 8, customer=Customer.objects.create(name=word[1:]))
"""


def chapters() -> list[str]:
    """Return what the names of pages begin with: the pages are tried in such parts."""
    names = {pattern.name for _, pattern in patterns() if pattern.name}
    return sorted({_chapter(name) for name in names})


def _chapter(name: str) -> str:
    of_a_model = name.startswith(("notifications_", "django_workers_", "auth_"))
    return name.rsplit("_", 1)[0] if of_a_model and _is_standard(name) else "others"


def _is_standard(name: str) -> bool:
    """Tell whether it is a page that Django's admin makes for every model."""
    verbs = ("changelist", "add", "change", "delete", "history")
    return name.rsplit("_", 1)[1] in verbs


@pytest.fixture(scope="module")
def shop(desk: Desk) -> Desk:
    desk.fill_with_example()
    desk.product.run_django(_UNRULY)
    return desk


@pytest.fixture(scope="module")
def pages(browser: Browser, shop: Desk) -> Iterator[list[WholePage]]:
    with browser.new_context() as window:
        shop.log_in(window)
        yield whole_pages(window, shop)


def test_the_pages_that_people_use_are_among_them(pages: list[WholePage]) -> None:
    names = {page.name for page in pages}
    assert names >= {
        "index",
        "notifications_order_changelist",
        "notifications_order_add",
        "notifications_order_change",
        "notifications_customer_cards",
        "notifications_customer_merge",
        "django_workers_queue_change",
        "password_change",
    }


@pytest.mark.parametrize("chapter", chapters())
def test_a_page_is_light_and_the_browser_complains_of_nothing(
    browser: Browser, shop: Desk, pages: list[WholePage], chapter: str
) -> None:
    with quiet_context(browser) as window:
        shop.log_in(window).close()
        weights = {
            page.name: weigh(window, page.url)
            for page in pages
            if _chapter(page.name) == chapter
        }

    assert too_heavy(weights) == {}


@pytest.mark.parametrize("chapter", chapters())
def test_a_page_is_readable_for_everybody(
    browser: Browser, shop: Desk, pages: list[WholePage], chapter: str
) -> None:
    with axe_context(browser) as window:
        shop.log_in(window).close()
        serious = {
            page.name: read_with_axe(window, page.url)
            for page in pages
            if _chapter(page.name) == chapter
        }

    assert {name: found for name, found in serious.items() if found} == {}


@pytest.mark.parametrize("chapter", chapters())
def test_a_page_is_no_wider_than_the_screen(
    browser: Browser, shop: Desk, pages: list[WholePage], chapter: str
) -> None:
    """Whatever people have typed: a tracking link in a text, a name without spaces."""
    too_wide = {}
    with browser.new_context() as window:
        page = shop.log_in(window)
        for found in pages:
            if _chapter(found.name) == chapter:
                page.goto(found.url)
                too_wide[found.name] = [
                    width
                    for width, height in (WIDE, NARROW)
                    if _sticks_out(page, width)
                ]

    assert {name: widths for name, widths in too_wide.items() if widths} == {}


def test_so_is_the_page_to_log_in(browser: Browser, shop: Desk) -> None:
    with quiet_context(browser) as window:
        assert too_heavy({"login": weigh(window, shop.url + "login/")}) == {}
    with axe_context(browser) as window:
        assert read_with_axe(window, shop.url + "login/") == []


def _sticks_out(page: Page, width: int) -> bool:
    """Tell whether the page can be scrolled sideways once it has followed its window.

    An open list is put below its field anew by a script that hears of the new size, and
    a browser tells it before it draws the next frame.
    """
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(NEXT_FRAME)
    root = "document.documentElement"
    return bool(page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))


def too_heavy(weights: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {
        name: (weight, requests)
        for name, (weight, requests) in weights.items()
        if weight > HEAVIEST_BYTES or requests > MOST_REQUESTS
    }


def weigh(window: BrowserContext, url: str) -> tuple[int, int]:
    """Return how many bytes come over the wire, and how many requests it takes."""
    page = window.new_page()
    wire = window.new_cdp_session(page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    asked: set[str] = set()
    sizes: list[float] = []

    def note(event: dict[str, Any]) -> None:
        if event["request"]["url"].startswith("http"):
            asked.add(event["requestId"])

    wire.on("Network.requestWillBeSent", note)
    wire.on("Network.loadingFinished", lambda e: sizes.append(e["encodedDataLength"]))
    page.goto(url)
    page.close()
    assert asked, "nothing was measured"
    assert sizes, "nothing was measured"
    return int(sum(sizes)), len(asked)


def axe_context(browser: Browser) -> BrowserContext:
    # Axe tries out styles of its own, which our policy forbids; and a colour that is
    # still changing is none that anybody reads.
    return browser.new_context(bypass_csp=True, reduced_motion="reduce")


def read_with_axe(window: BrowserContext, url: str) -> list[Any]:
    """Return what is serious, as (width, colours, rule, element, why)."""
    page = window.new_page()
    page.goto(url)
    page.evaluate(AXE)
    serious = []
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            found = page.evaluate(SERIOUS)
            serious += [(width, scheme, *violation) for violation in found]
    page.close()
    return serious
