"""What somebody reads where there is no page for them: why, and how to go on."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import DEFAULT_DB_ALIAS
from django.test import Client
from django.urls import reverse

from notifications.roles import OBSERVER, grant
from tests.support.shop import superuser

pytestmark = pytest.mark.django_db

NOWHERE = "/nowhere/"


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(superuser())
    return client


def missing(client: Client) -> Any:
    return client.get(NOWHERE)


def forbidden(client: Client) -> Any:
    # Tests that empty the database empty the groups, too.
    grant(apps, using=DEFAULT_DB_ALIAS)
    user = User.objects.create_user("support", is_staff=True)
    user.groups.add(Group.objects.get(name=OBSERVER))
    client.force_login(user)
    return client.get(reverse("admin:auth_user_changelist"))


def stale_form(client: Client) -> Any:
    careful = Client(enforce_csrf_checks=True)
    careful.cookies.update(client.cookies)
    return careful.post(reverse("admin:login"), {"username": "manager"})


def button_only(client: Client) -> Any:
    client.force_login(superuser())
    return client.get(reverse("admin:notifications_order_retry", args=[1]))


def bad_request(client: Client) -> Any:
    return client.get("/admin/login/", headers={"host": "elsewhere.example"})


def broken(client: Client) -> Any:
    client.raise_request_exception = False
    client.force_login(superuser())
    address = reverse("admin:notifications_order_changelist")

    def fail(*_: Any) -> None:
        raise OSError("the disk is gone")

    from django.db import connection

    with connection.execute_wrapper(_failing_on("notifications_order", fail)):
        return client.get(address)


def _failing_on(table: str, fail: Callable[..., None]) -> Callable[..., Any]:
    def wrapper(execute: Any, sql: str, *arguments: Any) -> Any:
        if f'"{table}"' in sql:
            fail()
        return execute(sql, *arguments)

    return wrapper


ERRORS: dict[str, tuple[Callable[[Client], Any], int, str, str]] = {
    "missing": (missing, 404, "Такой страницы нет", "There is no such page"),
    "forbidden": (forbidden, 403, "Эта страница не для вас", "not for you"),
    "stale form": (stale_form, 403, "Страница устарела", "The page is out of date"),
    "button only": (button_only, 405, "Ничего не сделано", "Nothing was done"),
    "bad request": (bad_request, 400, "Запрос не принят", "was not accepted"),
    "broken": (broken, 500, "У нас что-то сломалось", "Something broke"),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("language", ["ru", "en"])
def test_an_error_is_told_in_the_language_of_the_reader(
    client: Client, name: str, language: str
) -> None:
    open_it, status, russian, english = ERRORS[name]
    client.cookies["django_language"] = language

    response = open_it(client)

    html = unescape(response.content.decode())
    assert response.status_code == status
    assert (russian if language == "ru" else english) in html
    assert f'<html lang="{language}"' in html
    visible = re.sub(r"<head>.*?</head>|<[^>]*>", " ", html, flags=re.DOTALL)
    foreign = r"[А-Яа-яЁё]{2,}" if language == "en" else r"\b(the|you|page|Forbidden)\b"
    assert re.findall(foreign, visible) == []


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_page_leads_back_and_keeps_to_the_policy(
    client: Client, name: str
) -> None:
    response = ERRORS[name][0](client)

    html = response.content.decode()
    assert f'href="{reverse("admin:index")}"' in html
    assert "<style" not in html
    assert "Content-Security-Policy" in response.headers
    assert "Traceback" not in html
    assert "the disk is gone" not in html


@pytest.mark.parametrize("name", ["missing", "forbidden", "stale form"])
def test_the_language_is_switched_on_an_error_page_too(
    client: Client, name: str
) -> None:
    html = ERRORS[name][0](client).content.decode()

    assert f'action="{reverse("set_language")}"' in html
    assert 'name="csrfmiddlewaretoken"' in html


def test_who_is_logged_in_keeps_the_way_around(desk: Client) -> None:
    html = missing(desk).content.decode()

    assert f'href="{reverse("admin:notifications_order_changelist")}"' in html
    assert reverse("admin:logout") in html


def test_who_is_not_logged_in_learns_of_no_page(client: Client) -> None:
    html = missing(client).content.decode()

    assert "notifications/order" not in html
    assert reverse("admin:logout") not in html


def test_a_form_that_is_out_of_date_leads_back_to_its_page(client: Client) -> None:
    careful = Client(enforce_csrf_checks=True)
    page = "http://testserver/admin/login/?next=/admin/"

    def answer(referer: str) -> str:
        posted = careful.post(reverse("admin:login"), {}, headers={"referer": referer})
        return unescape(posted.content.decode())

    assert f'href="{page}"' in answer(page)
    assert "elsewhere" not in answer("https://elsewhere.example/")


def test_who_logs_in_again_after_pressing_a_button_is_told_to_press_it_again(
    client: Client,
) -> None:
    superuser()
    retry = reverse("admin:notifications_order_retry", args=[1])
    asked = client.post(retry)
    assert asked.status_code == 302

    response = client.post(
        asked["Location"], {"username": "manager", "password": "manager"}, follow=True
    )

    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert "Нажмите кнопку ещё раз" in unescape(response.content.decode())
