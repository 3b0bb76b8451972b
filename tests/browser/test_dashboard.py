"""The first page as a manager watches it all day: it says by itself what goes wrong."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import NARROW, WIDE, quiet_context, skip_without_chromium
from tests.support.desk import Desk, running_desk
from tests.support.telegram import ANNA

skip_without_chromium()

# A worker is given up after 10 s, and the page asks every 5 s.
SOON = 60_000
OPERATOR = "operator"
QUEUE = "django_workers/queue/notifications.OrderNotification/change/"
EITHER_SIZE = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
NO_WORKER = "Сообщения не отправляются: программа отправки не запущена"
REVOKED = "Telegram не узнаёт бота магазина"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with running_desk(folder, NOTIFICATIONS_TOKEN_PAUSE="1") as desk:
        desk.product.run_django(
            "from django.contrib.auth.models import Group, User\n"
            f"user = User.objects.create_user({OPERATOR!r}, password={OPERATOR!r},\n"
            "    is_staff=True)\n"
            "user.groups.add(Group.objects.get(name='Оператор'))\n"
        )
        yield desk


def trouble(page: Page, words: str) -> None:
    expect(page.locator(".trouble h2", has_text=words)).to_be_visible(timeout=SOON)


def no_trouble(page: Page) -> None:
    expect(page.locator(".trouble")).to_have_count(0, timeout=SOON)


def fits(page: Page) -> bool:
    root = "document.documentElement"
    return bool(page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"))


def test_a_worker_that_stands_still_is_told_of_by_itself_and_so_is_its_return(
    browser: Browser, desk: Desk
) -> None:
    with quiet_context(browser) as window:
        page = desk.log_in(window)
        no_trouble(page)
        worker = desk.product.part("worker")

        worker.suspend()
        try:
            trouble(page, NO_WORKER)
        finally:
            worker.resume()

        no_trouble(page)


def test_a_revoked_token_is_told_of_in_words_by_itself(
    browser: Browser, desk: Desk
) -> None:
    with quiet_context(browser) as window:
        page = desk.log_in(window)
        no_trouble(page)

        desk.telegram.set_faults(revoked=True)
        try:
            trouble(page, REVOKED)
            expect(page.locator(".trouble")).to_have_count(1)
        finally:
            desk.telegram.set_faults(revoked=False)

        no_trouble(page)


@EITHER_SIZE
def test_an_operator_pauses_sending_and_lets_it_go_on(
    browser: Browser, desk: Desk, size: tuple[int, int]
) -> None:
    number = f"7{size[0]}"
    with quiet_context(browser, size) as window:
        page = desk.log_in(window, OPERATOR)
        page.goto(desk.url + QUEUE)
        page.fill("#queue-reason", "Меняем токен")
        page.get_by_role("button", name="Приостановить").click()
        expect(page.get_by_text("Очередь приостановлена")).to_be_visible()

        desk.product.run_django(
            "customer = Customer.objects.get(name='Анна Смирнова')\n"
            f"Order.objects.create(number={number!r}, customer=customer)\n"
        )
        page.goto(desk.url)
        trouble(page, f"Отправка приостановлена: {OPERATOR}")
        expect(page.get_by_text("Меняем токен")).to_be_visible()
        waiting = page.locator(".tile", has_text="Ждёт отправки")
        expect(waiting.locator(".tile-number")).to_have_text("1")
        assert not any(number in text for text in desk.telegram.texts(ANNA))

        page.locator(".trouble a").click()
        page.get_by_role("button", name="Продолжить").click()
        desk.telegram.wait_for_message(ANNA, number)
        expect(page.locator(".queue-state")).to_have_text("Работает")

        page.goto(desk.url)
        expect(waiting.locator(".tile-number")).to_have_text("0", timeout=SOON)
        no_trouble(page)


def test_the_queue_page_tells_by_itself_what_somebody_else_did(
    browser: Browser, desk: Desk
) -> None:
    with quiet_context(browser) as window, quiet_context(browser) as other:
        mine = desk.log_in(window, OPERATOR)
        mine.goto(desk.url + QUEUE)
        mine.fill("#queue-reason", "Пишу причину")
        theirs = desk.log_in(other, OPERATOR)
        theirs.goto(desk.url + QUEUE)

        theirs.get_by_role("button", name="Приостановить").click()

        expect(mine.locator(".queue-state")).to_contain_text(
            f"Остановлена вручную: {OPERATOR}", timeout=SOON
        )
        # What I was writing is not taken from under my fingers.
        expect(mine.locator("#queue-reason")).to_have_value("Пишу причину")
        mine.fill("#queue-reason", "")
        mine.locator("h1").click()
        mine.get_by_role("button", name="Продолжить").click(timeout=SOON)
        expect(mine.get_by_text("Очередь снова работает.")).to_be_visible()


def test_a_table_that_somebody_reads_stays_open_when_its_numbers_change(
    browser: Browser, desk: Desk
) -> None:
    with quiet_context(browser) as window:
        page = desk.log_in(window)
        page.locator("#chart-hours-table summary").click()
        delivered = page.locator(".chart-key-good").first
        before = delivered.inner_text()

        desk.product.run_django(
            "from django.utils import timezone\n"
            "OrderNotification.objects.create(order_number='read', tg_user_id=1,\n"
            "    processed=True, processed_at=timezone.now())\n"
        )

        expect(delivered).not_to_have_text(before, timeout=SOON)
        expect(page.locator("#chart-hours-table")).to_have_attribute("open", "")


def test_a_hidden_tab_asks_for_nothing_and_a_shown_one_at_once(
    browser: Browser, desk: Desk
) -> None:
    asked: list[str] = []

    def hide(page: Page, is_hidden: str) -> None:
        page.evaluate(
            "Object.defineProperty(document, 'hidden',"
            f" {{ value: {is_hidden}, configurable: true }});"
            "document.dispatchEvent(new Event('visibilitychange'));"
        )

    with quiet_context(browser) as window:
        page = desk.log_in(window)
        page.on(
            "request",
            lambda request: (
                asked.append(request.url)
                if request.url.endswith("/admin/dashboard/")
                else None
            ),
        )
        with page.expect_response("**/admin/dashboard/"):
            pass

        hide(page, "true")
        asked.clear()
        # Longer than the page waits between two questions: it must ask none.
        page.wait_for_timeout(7000)
        assert asked == []

        with page.expect_request("**/admin/dashboard/", timeout=3000):
            hide(page, "false")


def test_who_is_logged_out_meanwhile_is_told_so(browser: Browser, desk: Desk) -> None:
    with quiet_context(browser) as window:
        page = desk.log_in(window)
        expect(page.locator("[data-live-lost]")).to_be_hidden()

        window.clear_cookies()

        expect(page.locator("[data-live-lost]")).to_be_visible(timeout=SOON)
        expect(page.locator(".tile").first).to_be_visible()


@EITHER_SIZE
def test_the_pages_need_no_script_and_fit_the_screen(
    browser: Browser, desk: Desk, size: tuple[int, int]
) -> None:
    width, height = size
    window = browser.new_context(
        viewport={"width": width, "height": height}, java_script_enabled=False
    )
    try:
        page = desk.log_in(window, OPERATOR)
        expect(page.locator(".tile")).to_have_count(4)
        expect(page.locator("svg.chart-bars")).to_have_count(2)
        page.locator("summary").first.click()
        expect(page.locator("#chart-hours-table tbody tr")).to_have_count(24)
        page.locator(".tile", has_text="Доставлено сегодня").click()
        expect(page.locator("#result_list, .paginator").first).to_be_visible()
        page.goto(desk.url + QUEUE)
        page.get_by_role("button", name="Приостановить").click()
        page.get_by_role("button", name="Продолжить").click()
        expect(page.get_by_text("Очередь снова работает.")).to_be_visible()
    finally:
        window.close()

    with quiet_context(browser, size) as scripted:
        page = desk.log_in(scripted, OPERATOR)
        assert fits(page)
        page.goto(desk.url + QUEUE)
        assert fits(page)
