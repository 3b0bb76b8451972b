"""Every page that a link leads to opens, and the browser complains of nothing.

It complains of whatever the content security policy forbids, of missing files, and of
exceptions in scripts.
"""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import NARROW, WIDE, quiet_context, skip_without_chromium
from tests.support.desk import LOGIN, Desk

skip_without_chromium()

pytestmark = pytest.mark.takes_minutes

EXPECTED = {
    "/admin/",
    "/admin/auth/user/N/change/",
    "/admin/auth/user/N/password/",
    "/admin/notifications/customer/N/change/",
    "/admin/notifications/customer/add/",
    "/admin/notifications/order/?state",
    "/admin/notifications/order/N/change/",
    "/admin/notifications/order/N/delete/",
    "/admin/notifications/order/N/history/",
    "/admin/notifications/order/add/",
    "/admin/notifications/ordernotification/N/change/",
    "/admin/password_change/",
}
LINKS = "Array.from(document.links, link => link.href)"


@pytest.fixture(scope="module", autouse=True)
def _orders(desk: Desk) -> None:
    desk.make_failed("501", "502")
    desk.product.run_django(
        "customer = Customer.objects.get(name='Анна Смирнова')\n"
        "Order.objects.create(number='503', customer=customer)\n"
        "customer = Customer.objects.get(name='Пётр Новиков')\n"
        "Order.objects.create(number='504', customer=customer)\n"
    )


def shape_of(url: str) -> str:
    """Return an address without what tells one row, or one choice, from another."""
    parts = urlsplit(url)
    path = re.sub(r"/\d+(?=/)", "/N", parts.path)
    path = re.sub(r"(/(?:queue|worker|claim)/)(?!\?)[^/]+(?=/)", r"\1N", path)
    names = sorted({name for name, _ in parse_qsl(parts.query, True)})
    return path + ("?" + "&".join(names) if names else "")


def walk(page: Page, root: str) -> set[str]:
    """Open a page of each shape that links lead to; return the shapes."""
    found = {shape_of(root): root}
    waiting = [root]
    while waiting:
        url = waiting.pop()
        response = page.goto(url)
        assert response is not None
        assert response.status == 200, url
        for link in page.evaluate(LINKS):
            known = shape_of(link) in found
            # Filters of a filtered list would go on for ever.
            repeated = urlsplit(url).query and urlsplit(link).query
            if urlsplit(link).path.endswith(".csv"):
                continue  # A file to keep, not a page.
            if link.startswith(root) and not known and not repeated:
                found[shape_of(link)] = link
                waiting.append(link.partition("#")[0])
    return set(found)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_page_opens_without_a_complaint_of_the_browser(
    browser: Browser, desk: Desk, size: tuple[int, int], language: str
) -> None:
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.evaluate(f"document.cookie = 'django_language={language}; path=/'")

        shapes = walk(page, desk.url)

    assert shapes >= EXPECTED, EXPECTED - shapes


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_scripts_of_the_admin_work_under_the_policy(
    browser: Browser, desk: Desk, size: tuple[int, int]
) -> None:
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)

        page.goto(desk.url + "notifications/order/add/")
        with page.expect_popup() as opened:
            page.click("#add_id_customer")
        popup = opened.value
        popup.fill("#id_name", f"Новый {size[0]}")
        popup.click("[name=_save]")
        chosen = page.locator("#id_customer + .select2 .select2-selection__rendered")
        expect(chosen).to_contain_text(f"Новый {size[0]}")

        page.goto(desk.url + "auth/user/1/change/")
        page.click("#calendarlink0")
        page.click("#calendarbox0 .calendar td:not(.nonday) a")
        page.click("#clocklink0")
        page.click("#clockbox0 .timelist a >> nth=0")
        page.click("#id_user_permissions_from option >> nth=0")
        page.click("#id_user_permissions_add")

        page.goto(desk.url + "notifications/order/")
        page.locator(".action-select").first.check()
        expect(page.locator(".action-counter")).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_login_page_is_read_in_either_language(
    browser: Browser, desk: Desk, size: tuple[int, int]
) -> None:
    with quiet_context(browser, size) as window:
        page = window.new_page()
        page.goto(desk.url)
        expect(page.get_by_text("Пароль")).to_be_visible()

        page.get_by_role("button", name="EN").click()

        expect(page.get_by_text("Password")).to_be_visible()
        page.fill("#id_username", LOGIN)
        page.fill("#id_password", LOGIN)
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("button", name="RU")).to_be_visible()


def test_a_script_that_got_into_a_page_does_not_run(
    browser: Browser, desk: Desk
) -> None:
    window = browser.new_context()
    try:
        page = desk.log_in(window)

        page.evaluate(
            "const script = document.createElement('script');"
            "script.textContent = 'window.gotIn = true';"
            "document.body.append(script);"
        )

        assert page.evaluate("window.gotIn") is None
    finally:
        window.close()
