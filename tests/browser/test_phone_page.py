"""People use the phones in a real browser."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.browser import chromium, skip_without_chromium
from tests.support.telegram import ANNA, CAT, EMILY, IVAN, MARIA, RunningTelegram

skip_without_chromium()


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def telegram():
    with RunningTelegram() as running:
        yield running


@pytest.fixture
def open_page(browser, telegram):
    """Open the page; complaints of the browser, say about the CSP, fail the test."""
    contexts, complaints = [], []

    def open_it(query="", *, width=1400, height=900, lost_connection_is_fine=False):
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type == "error"
                and not (lost_connection_is_fine and "ERR_" in message.text)
                else None
            ),
        )
        page.goto(telegram.page_url + query)
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def send(telegram):
    with httpx.Client(timeout=10) as client:

        def post(chat_id, text, **more):
            body = {"chat_id": chat_id, "text": text, **more}
            return client.post(telegram.method_url("sendMessage"), json=body)

        yield post


def bubbles(page):
    return page.locator("#messages .bubble")


def test_start_is_pressed_and_messages_arrive_live(telegram, open_page, send):
    page = open_page(f"?user={ANNA}")
    expect(page.locator("#write")).to_be_hidden()

    page.get_by_role("button", name="Старт", exact=True).click()
    expect(bubbles(page)).to_have_count(1)
    send(ANNA, "Сформирован заказ номер 7")

    expect(bubbles(page).last).to_contain_text("Сформирован заказ номер 7")
    page.get_by_label("Сообщение", exact=True).fill("Спасибо")
    page.keyboard.press("Enter")
    expect(bubbles(page)).to_have_count(3)
    chat = telegram.chat(ANNA)
    telegram.wait_until(lambda: chat.unread == 0)
    assert telegram.pending_updates() == 2


def test_a_deep_link_waits_for_start_on_the_phone_it_names(telegram, open_page):
    telegram.press_start(IVAN)
    page = open_page(f"?user={IVAN}&start=Abc-1_x")
    expect(page.locator("#code-text")).to_contain_text("Abc-1_x")

    page.get_by_role("button", name="Старт", exact=True).click()

    expect(bubbles(page).last).to_contain_text("/start Abc-1_x")
    expect(page.locator("#write")).to_be_visible()
    assert "start=" not in page.url


def test_blocking_and_unblocking_in_the_menu(telegram, open_page, send):
    telegram.press_start(ANNA)
    page = open_page(f"?user={ANNA}")

    page.locator("#menu summary").click()
    page.get_by_role("button", name="Заблокировать бота", exact=True).click()
    expect(page.locator("#people [aria-current=true]")).to_contain_text("Заблокировал")
    assert send(ANNA, "a").status_code == 403

    page.locator("#unblock").click()
    expect(page.locator("#write")).to_be_visible()
    assert send(ANNA, "a").status_code == 200


def test_other_phones_show_what_is_unread(telegram, open_page, send):
    telegram.press_start(MARIA)
    page = open_page(f"?user={ANNA}")
    send(MARIA, "раз")
    send(MARIA, "два")

    row = page.locator(f"#people [data-id='{MARIA}']")
    expect(row.locator(".badge")).to_contain_text("2")
    row.click()

    expect(bubbles(page)).to_have_count(3)
    expect(row.locator(".badge")).to_have_count(0)


def test_switches_make_telegram_fail_and_work_again(telegram, open_page, send):
    telegram.press_start(ANNA)
    page = open_page(f"?user={ANNA}")

    page.get_by_role("switch", name=re.compile("Слишком часто")).check()
    expect(page.locator("#fault-flood")).to_have_class(re.compile("is-on"))
    assert send(ANNA, "a").status_code == 429
    expect(page.locator("#log li").first).to_contain_text("429")
    expect(page.locator("#fault-flood")).to_contain_text("сработало: 1")

    page.get_by_role("switch", name=re.compile("Недоступен")).check()
    expect(page.locator("#pill")).to_have_text("Недоступен")
    with pytest.raises(httpx.ConnectError):
        send(ANNA, "a")

    page.get_by_role("button", name="Выключить всё").click()
    expect(page.locator("#pill")).to_have_text("Работает")
    assert send(ANNA, "b").status_code == 200
    expect(bubbles(page).last).to_contain_text("b")


def test_names_and_texts_cannot_become_html(telegram, open_page, send):
    evil = "<img src=x onerror=alert(1)>"
    user = telegram.add_user(evil, last_name="<b>", username="x", started=True)
    page = open_page(f"?user={user}")

    send(user, evil)
    send(
        user,
        '<a href="javascript:alert(1)">нажми</a>',
        parse_mode="HTML",
        reply_markup={
            "inline_keyboard": [[{"text": evil, "url": "javascript:alert(1)"}]]
        },
    )

    expect(bubbles(page).nth(0)).to_contain_text(evil)
    expect(bubbles(page).nth(1)).to_contain_text("нажми")
    assert page.locator("#messages img, #people img, #messages a").count() == 0


def test_buttons_of_a_message_work(telegram, open_page, send):
    telegram.press_start(ANNA)
    page = open_page(f"?user={ANNA}")
    send(
        ANNA,
        "?",
        reply_markup={
            "inline_keyboard": [
                [
                    {"text": "Да", "callback_data": "yes"},
                    {"text": "Сайт", "url": "https://example.com/"},
                ]
            ]
        },
    )
    send(ANNA, "!", reply_markup={"keyboard": [[{"text": "Мои заказы"}]]})
    # It moves up what is above it, from under the mouse.
    expect(bubbles(page).last).to_contain_text("!")

    page.get_by_role("button", name="Да").click()
    telegram.wait_until(lambda: len(telegram.local.updates) == 2)
    link = page.get_by_role("link", name=re.compile("Сайт"))
    assert link.get_attribute("href") == "https://example.com/"
    page.get_by_role("button", name="Мои заказы").click()
    expect(bubbles(page).last).to_contain_text("Мои заказы")


def test_the_page_speaks_english_and_remembers_it(open_page):
    page = open_page("?lang=en")
    expect(page.get_by_role("heading", name="Local Telegram")).to_be_visible()

    page.goto(page.url.partition("?")[0])
    expect(page.get_by_role("heading", name="Local Telegram")).to_be_visible()

    page.get_by_role("button", name="Русский").click()
    expect(page.get_by_role("heading", name="Локальный Telegram")).to_be_visible()


def test_on_a_narrow_screen_the_switches_are_a_drawer(open_page):
    page = open_page(width=390, height=844)
    switch = page.get_by_role("switch", name=re.compile("Недоступен"))
    expect(switch).not_to_be_in_viewport()

    page.get_by_role("button", name="Сбои Telegram").click()
    expect(switch).to_be_in_viewport()
    page.keyboard.press("Escape")

    expect(switch).not_to_be_in_viewport()
    wider = (
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    assert page.evaluate(wider) is False


def test_long_words_and_hundreds_of_messages_fit(telegram, open_page, send):
    telegram.press_start(CAT)
    page = open_page(f"?user={CAT}")
    send(CAT, "Ж" * 4096)
    send(CAT, "🌸" * 500 + "\nhttps://example.com/" + "a" * 900)
    for number in range(320):
        send(CAT, f"Сформирован заказ номер {number}")

    expect(bubbles(page).last).to_contain_text("номер 319")
    expect(bubbles(page)).to_have_count(300)
    expect(bubbles(page).last).to_be_in_viewport()
    box = "document.querySelector('#messages')"
    assert page.evaluate(f"{box}.scrollWidth <= {box}.clientWidth")
    page.reload()
    expect(bubbles(page).last).to_contain_text("номер 319")


def test_reading_above_is_not_disturbed_by_new_messages(telegram, open_page, send):
    telegram.press_start(CAT)
    for number in range(40):
        send(CAT, f"Заказ {number}")
    page = open_page(f"?user={CAT}")
    page.evaluate("document.querySelector('#messages').scrollTop = 0")

    send(CAT, "Новое")

    expect(bubbles(page).last).to_contain_text("Новое")
    expect(bubbles(page).last).not_to_be_in_viewport()
    page.get_by_role("button", name="К последнему сообщению").click()
    expect(bubbles(page).last).to_be_in_viewport()


def test_two_tabs_show_the_same(telegram, open_page):
    first, second = open_page(f"?user={ANNA}"), open_page(f"?user={ANNA}")

    first.get_by_role("button", name="Старт", exact=True).click()
    first.get_by_role("switch", name=re.compile("Медленно")).check()

    expect(bubbles(second)).to_have_count(1)
    expect(second.get_by_role("switch", name=re.compile("Медленно"))).to_be_checked()


def test_a_phone_is_added_in_a_dialog(telegram, open_page):
    page = open_page()
    page.get_by_role("button", name="Новый телефон").click()
    page.get_by_label("Имя", exact=True).fill("Ким")
    page.get_by_role("button", name="Добавить").click()

    expect(page.locator("#owner-name")).to_contain_text("Ким")
    page.get_by_role("button", name="Старт", exact=True).click()
    expect(bubbles(page)).to_have_count(1)


def test_everything_is_reached_by_the_keyboard(telegram, open_page):
    page = open_page(f"?user={ANNA}")
    page.get_by_role("link", name="К телефону").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "phone"

    row = page.locator(f"#people [data-id='{EMILY}']")
    row.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#owner-name")).to_contain_text("Emily Carter")
    assert page.evaluate("document.activeElement.dataset.id") == str(EMILY)
    switch = page.get_by_role("switch", name=re.compile("Токен отозван"))
    switch.focus()
    page.keyboard.press("Space")
    expect(page.locator("#pill")).to_have_text("Токен отозван")


def test_the_page_comes_back_after_a_restart_of_the_server(telegram, open_page):
    telegram.press_start(ANNA)
    page = open_page(f"?user={ANNA}", lost_connection_is_fine=True)
    expect(bubbles(page)).to_have_count(1)
    port = int(telegram.page_url.rstrip("/").rpartition(":")[2])

    telegram.stop()
    expect(page.locator("#offline")).to_be_visible()

    with RunningTelegram(page_port=port) as another:
        another.press_start(MARIA)
        expect(page.locator("#offline")).to_be_hidden()
        expect(bubbles(page)).to_have_count(0)
        another.press_start(ANNA, "again")
        expect(bubbles(page)).to_contain_text(["/start again"])
