"""A manager loads a file with mistakes, corrects it, and the messages arrive."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import NARROW, WIDE, quiet_context, skip_without_chromium
from tests.support.desk import Desk
from tests.support.telegram import ANNA

skip_without_chromium()

BOTH_SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
HEADER = "Номер заказа;Клиент;Имя клиента;Телефон\r\n"


def choose(page: Page, content: str, name: str = "заказы.csv") -> None:
    """Choose a file as Excel in Russia saves it, and press the button."""
    page.set_input_files(
        "[name=file]",
        {"name": name, "mimeType": "text/csv", "buffer": content.encode("cp1251")},
    )
    page.get_by_role("button", name="Проверить файл").click()


@BOTH_SIZES
def test_mistakes_are_found_corrected_and_the_messages_arrive(
    browser: Browser, desk: Desk, size: tuple[int, int], tmp_path: Path
) -> None:
    one, two, three = (f"I{size[0]}{letter}" for letter in "abc")
    lines = [f"{one};8 (916) 000-00-01", f"{two};Анна Смирнва", f"{three};;Зоя {size}"]
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + "notifications/order/")
        page.get_by_role("link", name="Загрузить из файла").click()

        choose(page, HEADER + "\r\n".join(lines))

        main = page.locator("#content-main")
        expect(main).to_contain_text("Строк с ошибками: 1")
        expect(main).to_contain_text("Клиента «Анна Смирнва» нет.")
        expect(main.get_by_role("row", name=two)).to_contain_text("3")
        with page.expect_download() as downloaded:
            main.get_by_role("link", name="Скачать строки с ошибками").click()
        downloaded.value.save_as(tmp_path / "problems.csv")
        assert two in (tmp_path / "problems.csv").read_text("utf-8-sig")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0]

        main.get_by_role("link", name="Другой файл").click()
        lines[1] = f"{two};Анна Смирнова"
        choose(page, HEADER + "\r\n".join(lines))
        expect(main).to_contain_text("Строк с ошибками: 0")
        expect(main).to_contain_text("Новых клиентов: 1")
        main.get_by_role("button", name="Загрузить и отправить 2 сообщения").click()

        expect(main).to_contain_text("Создано заказов: 3")
        desk.telegram.wait_for_message(ANNA, f"заказ номер {one}")
        desk.telegram.wait_for_message(ANNA, f"заказ номер {two}")

        page.goto(f"{desk.telegram.page_url}?user={ANNA}")
        phone = page.locator("#phone")
        expect(phone.get_by_text(f"заказ номер {two}").last).to_be_visible()


@BOTH_SIZES
def test_a_large_file_shows_how_far_it_is_and_goes_on_by_itself(
    browser: Browser, desk: Desk, size: tuple[int, int]
) -> None:
    first = 10_000 * size[0]
    lines = "\r\n".join(f"{first + n};Пётр Новиков" for n in range(4_000))
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + "notifications/order/import/")
        choose(page, HEADER + lines)
        page.get_by_role("button", name="никого не уведомляя").click()

        expect(page.locator("#content-main")).to_contain_text(
            "Создано заказов: 4000", timeout=100_000
        )


@BOTH_SIZES
def test_a_workbook_is_refused_in_words(
    browser: Browser, desk: Desk, size: tuple[int, int]
) -> None:
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + "notifications/order/import/")

        choose(page, "PK\x03\x04\x14\0", name="заказы.xlsx")

        expect(page.locator(".errorlist")).to_contain_text("Это книга Excel.")
        expect(page.get_by_role("button", name="Проверить файл")).to_be_enabled()


@BOTH_SIZES
def test_the_list_of_messages_is_downloaded_as_a_table(
    browser: Browser, desk: Desk, size: tuple[int, int], tmp_path: Path
) -> None:
    desk.make_failed(f"X{size[0]}")
    with quiet_context(browser, size) as window:
        page = desk.log_in(window)
        page.goto(desk.url + f"notifications/ordernotification/?q=X{size[0]}")

        with page.expect_download() as downloaded:
            page.get_by_role("link", name="Скачать таблицей").click()

        downloaded.value.save_as(tmp_path / "messages.csv")
        header, row = (tmp_path / "messages.csv").read_text("utf-8-sig").splitlines()
        assert header.startswith("Номер заказа;Клиент;Телефон")
        assert row.startswith(f"X{size[0]};Анна Смирнова;'+7 916 000-00-01")
