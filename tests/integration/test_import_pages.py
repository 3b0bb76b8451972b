"""The pages of an import: a file, what was found in it, and what came of it."""

import csv
import io
import re
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from notifications.importing.checking import SHOWN_LINES
from notifications.importing.loading import BATCH
from notifications.models import Customer, Order, OrderImport, OrderNotification
from tests.support.shop import connected, superuser

pytestmark = pytest.mark.django_db

IMPORT = "/admin/notifications/order/import/"
HEADER = "Номер заказа;Клиент;Имя клиента;Телефон;Статус;Уведомить\n"


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(superuser())
    return client


def upload(desk: Client, *lines: str, encoding: str = "utf-8") -> Any:
    content = (HEADER + "\n".join(lines)).encode(encoding)
    return upload_bytes(desk, content)


def upload_bytes(desk: Client, content: bytes, name: str = "заказы.csv") -> Any:
    file = SimpleUploadedFile(name, content)
    return desk.post(IMPORT, {"file": file})


def text_of(response: Any) -> str:
    html = unescape(response.content.decode())
    main = html.partition('id="content-main"')[2].partition('id="footer"')[0]
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())


def found(desk: Client, *lines: str) -> tuple[str, str]:
    """Upload these lines; return the address and the text of what was found."""
    address = upload(desk, *lines)["Location"]
    return address, text_of(desk.get(address))


def start(desk: Client, address: str, how: str = "notify") -> str:
    """Press a button, and «go on» until it is done; return the last page."""
    response = desk.post(address, {"start": how})
    while response.status_code == 200:
        assert "go_on.js" in response.content.decode()
        response = desk.post(address)
    return text_of(desk.get(response["Location"]))


def table(response: Any) -> list[list[str]]:
    content = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(content, newline=""), delimiter=";"))


def test_the_list_of_orders_leads_to_the_import(desk: Client) -> None:
    html = desk.get(reverse("admin:notifications_order_changelist")).content.decode()

    assert f'href="{IMPORT}"' in html
    page = text_of(desk.get(IMPORT))
    assert "Номер заказа" in page
    assert "Новый, Оплачен" in page


def test_nothing_is_written_before_it_is_confirmed(desk: Client) -> None:
    connected("Анна")

    _, page = found(desk, "1;Анна", "2;Никто", "3;;Новый")

    assert "Строк в файле: 3" in page
    assert "Новых заказов: 2" in page
    assert "Новых клиентов: 1" in page
    assert "Строк с ошибками: 1" in page
    assert "3 2 Клиента «Никто» нет." in page
    assert "Загрузить и отправить 1 сообщение" in page
    assert not Order.objects.exists()
    assert Customer.objects.count() == 1


def test_a_confirmed_file_is_imported_and_told_of(desk: Client) -> None:
    connected("Анна")
    address, _ = found(desk, "1;Анна", "2;Никто", "3;;Новый")

    page = start(desk, address)

    assert "Создано заказов: 2" in page
    assert "Новых клиентов: 1" in page
    assert "Отправляется сообщений: 1" in page
    assert "Пропущено строк: 1" in page
    assert Order.objects.count() == 2
    entry = LogEntry.objects.get()
    assert entry.change_message == "Загружено из файла 2 заказа."
    assert entry.object_repr == "заказы.csv"


def test_a_file_is_imported_without_telling_anybody(desk: Client) -> None:
    connected("Анна")
    address, _ = found(desk, "1;Анна")

    page = start(desk, address, "silently")

    assert "Создано заказов: 1" in page
    assert not OrderNotification.objects.exists()


def test_a_second_click_and_the_other_button_change_nothing(desk: Client) -> None:
    connected("Анна")
    address, _ = found(desk, "1;Анна")
    start(desk, address, "silently")

    start(desk, address, "notify")

    assert Order.objects.count() == 1
    assert not OrderNotification.objects.exists()
    assert LogEntry.objects.count() == 1


def test_a_post_without_an_answer_starts_nothing(desk: Client) -> None:
    connected("Анна")
    address, _ = found(desk, "1;Анна")

    page = text_of(desk.post(address))

    assert "Загрузить и отправить 1 сообщение" in page
    assert not Order.objects.exists()


def test_a_long_import_goes_on_where_it_was_left(
    desk: Client,
) -> None:
    connected("Анна")
    address, _ = found(desk, *(f"{n};Анна" for n in range(BATCH + 1)))
    job = OrderImport.objects.get()
    OrderImport.objects.update(notify=True)

    page = text_of(desk.get(address))
    again = text_of(desk.get(IMPORT))

    assert f"Обработано строк: 0 из {BATCH + 1}" in page
    # Only a button's press goes on by itself.
    assert "go_on.js" not in desk.get(address).content.decode()
    assert "загружен не до конца" in again
    start(desk, address, "")
    job.refresh_from_db()
    assert job.orders_made == BATCH + 1
    assert "загружен не до конца" not in text_of(desk.get(IMPORT))


def test_a_file_of_windows_is_read(desk: Client) -> None:
    connected("Анна «Роза»")

    address = upload(desk, "№1;Анна «Роза»", encoding="cp1251")["Location"]
    start(desk, address)

    assert Order.objects.get().number == "1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Файл пустой."),
        (b"PK\x03\x04\x00\x00", "Это книга Excel."),
        (b"\x89PNG\r\n\x1a\n\x00", "Это не текстовый файл."),
        ("1001;Анна\n".encode(), "Сейчас там: 1001 | Анна"),
        ("номер;<b>{0}</b>\n".encode(), "В первой строке: номер | <b>{0}</b>"),
        (b"number;name\n", "нет ничего, кроме заголовка"),
    ],
)
def test_a_wrong_file_is_refused_in_words(
    desk: Client, content: bytes, words: str
) -> None:
    response = upload_bytes(desk, content)

    assert response.status_code == 200
    page = unescape(response.content.decode())
    assert words in page or words.replace("<", "&lt;") in response.content.decode()
    assert not OrderImport.objects.exists()


def test_no_file_at_all_is_told_of(desk: Client) -> None:
    response = desk.post(IMPORT)

    assert response.status_code == 200
    assert "errorlist" in response.content.decode()


def test_of_many_bad_lines_the_first_are_shown_and_all_can_be_downloaded(
    desk: Client,
) -> None:
    address, page = found(desk, *(f"{n};=Никто {n}" for n in range(SHOWN_LINES + 50)))

    assert f"Показаны первые {SHOWN_LINES}." in page
    assert "Загружать нечего." in page
    rows = table(desk.get(f"{address}problems.csv"))
    assert len(rows) == 1 + SHOWN_LINES + 50
    assert rows[0][:4] == ["Строка", "Что не так", "Номер заказа", "Клиент"]
    assert rows[-1][:1] == [str(SHOWN_LINES + 51)]
    assert rows[1][3] == "'=Никто 0"


def test_the_downloaded_lines_are_imported_once_they_are_corrected(
    desk: Client,
) -> None:
    connected("Анна")
    address, _ = found(desk, "1;Анна", "2;Ана")
    start(desk, address)
    download: Any = desk.get(f"{address}problems.csv")
    content = b"".join(download.streaming_content)

    response = upload_bytes(desk, content.replace("Ана".encode(), "Анна".encode()))
    page = start(desk, response["Location"])

    assert "Создано заказов: 1" in page
    assert set(Order.objects.values_list("number", flat=True)) == {"1", "2"}


def test_the_example_can_be_imported(desk: Client) -> None:
    connected("Кто-то", 1, phone="+7 916 000-00-01", tg_username="username")
    Customer.objects.create(name="Анна Смирнова")
    download: Any = desk.get(f"{IMPORT}example.csv")

    response = upload_bytes(desk, b"".join(download.streaming_content))
    page = start(desk, response["Location"])

    assert "Создано заказов: 4" in page
    assert "Пропущено" not in page


def test_names_in_a_file_are_text_and_no_markup(desk: Client) -> None:
    address, _ = found(desk, "1;<script>alert(1)</script>", "2;;<b>Новый</b>")

    assert "<script>alert" not in desk.get(address).content.decode()


def test_a_file_is_nobody_elses(desk: Client) -> None:
    connected("Анна")
    address, _ = found(desk, "1;Анна")
    other = Client()
    other.force_login(User.objects.create_superuser("other", password="other"))

    assert other.get(address).status_code == 404
    assert other.post(address, {"start": "notify"}).status_code == 404
    assert other.get(f"{address}problems.csv").status_code == 404
    assert not Order.objects.exists()


def test_a_new_file_replaces_the_one_that_was_not_confirmed(desk: Client) -> None:
    connected("Анна")
    first, _ = found(desk, "1;Анна")

    second, _ = found(desk, "2;Анна")

    assert desk.get(first).status_code == 404
    assert desk.get(second).status_code == 200
    assert OrderImport.objects.count() == 1
