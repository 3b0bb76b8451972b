"""Who may open what: every page of the admin, for everybody, by one table.

A page that is not in the table fails the test: whoever adds one decides here who may
see it, and who may press its buttons.
"""

import re
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_workers.models import Claim, Queue, Worker
from notifications.models import Customer, Order, OrderNotification, OrderStatus
from notifications.models.notification import QUEUE_NAME
from notifications.roles import MANAGER, OBSERVER, OPERATOR, grant
from tests.support.admin_pages import address_of, page_names

pytestmark = pytest.mark.django_db

# In the table: a person's letter stands for "may"; whoever else is refused.
LETTERS = {"a": "anonymous", "o": OBSERVER, "m": MANAGER, "p": OPERATOR}
EVERYBODY, STAFF, NOBODY = "aomp", "omp", ""
WATCHERS, OPERATORS = "op", "p"
WRITERS = "mp"


@dataclass(frozen=True)
class Page:
    """Who may GET it, and who may POST to it; None: there is no such method."""

    get: str | None
    post: str | None
    query: str = ""


def of_model(name: str, *, view: str, add: str, change: str, delete: str) -> Any:
    """Return the pages that Django's admin has for every model."""
    return {
        f"{name}_changelist": Page(get=view, post=view),
        f"{name}_add": Page(get=add, post=add),
        # To look at the form without the right to save it, view is enough.
        f"{name}_change": Page(get=view, post=change),
        f"{name}_history": Page(get=view, post=view),
        f"{name}_delete": Page(get=delete, post=delete),
    }


PAGES: dict[str, Page] = {
    # --- the frame --------------------------------------------------------------------
    "index": Page(get=STAFF, post=STAFF),
    "dashboard": Page(get=STAFF, post=None),
    "app_list": Page(get=STAFF, post=STAFF),
    "login": Page(get=EVERYBODY, post=EVERYBODY),
    # Who is not logged in is led to the first page, which asks to.
    "logout": Page(get="a", post=EVERYBODY),
    "set_language": Page(get=EVERYBODY, post=EVERYBODY),
    "password_change": Page(get=STAFF, post=STAFF),
    "password_change_done": Page(get=STAFF, post=None),
    "jsi18n": Page(get=STAFF, post=None),
    "autocomplete": Page(
        get=STAFF,
        post=None,
        query="?app_label=notifications&model_name=order&field_name=customer",
    ),
    "view_on_site": Page(get=STAFF, post=STAFF),
    # --- the shop ---------------------------------------------------------------------
    **of_model(
        "notifications_order", view=STAFF, add=WRITERS, change=WRITERS, delete=WRITERS
    ),
    "notifications_order_send_again": Page(get=WRITERS, post=WRITERS),
    "notifications_order_outlook": Page(get=WRITERS, post=None),
    "notifications_order_import": Page(get=WRITERS, post=WRITERS),
    "notifications_order_import_example": Page(get=WRITERS, post=None),
    # Everybody's own: of another person's file they hear that there is none.
    "notifications_order_import_page": Page(get=WRITERS, post=WRITERS),
    "notifications_order_import_problems": Page(get=WRITERS, post=None),
    "notifications_order_retry": Page(get=None, post=WRITERS),
    "notifications_order_retry_found": Page(get=WRITERS, post=WRITERS),
    **of_model(
        "notifications_orderstatus",
        view=STAFF,
        add=WRITERS,
        change=WRITERS,
        delete=WRITERS,
    ),
    **of_model(
        "notifications_customer",
        view=STAFF,
        add=WRITERS,
        change=WRITERS,
        delete=WRITERS,
    ),
    "notifications_customer_card": Page(get=STAFF, post=None),
    "notifications_customer_cards": Page(get=STAFF, post=None),
    "notifications_customer_merge": Page(get=WRITERS, post=WRITERS),
    "notifications_customer_connection": Page(get=STAFF, post=None),
    **of_model(
        "notifications_ordernotification",
        view=STAFF,
        add=WRITERS,
        change=WRITERS,
        delete=WRITERS,
    ),
    "notifications_ordernotification_export": Page(get=STAFF, post=None),
    "notifications_ordernotification_retry": Page(get=None, post=WRITERS),
    "notifications_ordernotification_retry_found": Page(get=WRITERS, post=WRITERS),
    # --- the queues -------------------------------------------------------------------
    **of_model(
        "django_workers_queue", view=WATCHERS, add=NOBODY, change=NOBODY, delete=NOBODY
    ),
    "django_workers_queue_state": Page(get=WATCHERS, post=None),
    "django_workers_queue_pause": Page(get=None, post=OPERATORS),
    "django_workers_queue_resume": Page(get=None, post=OPERATORS),
    **of_model(
        "django_workers_worker",
        view=WATCHERS,
        add=NOBODY,
        change=NOBODY,
        delete=NOBODY,
    ),
    **of_model(
        "django_workers_claim",
        view=OPERATORS,
        add=NOBODY,
        change=NOBODY,
        delete=NOBODY,
    ),
    # --- people: a superuser's --------------------------------------------------------
    **of_model("auth_user", view=NOBODY, add=NOBODY, change=NOBODY, delete=NOBODY),
    "auth_user_password_change": Page(get=NOBODY, post=NOBODY),
    **of_model("auth_group", view=NOBODY, add=NOBODY, change=NOBODY, delete=NOBODY),
}


def test_every_page_is_in_the_table_and_nothing_else() -> None:
    assert page_names() == set(PAGES)


# --- who may --------------------------------------------------------------------------


@pytest.fixture
def shop() -> dict[str, dict[str, Any]]:
    """Return what the addresses of each model's pages are made of."""
    now = timezone.now()
    customer = Customer.objects.create(name="Анна", tg_user_id=1001, started_at=now)
    order = Order.objects.create(number="1", customer=customer)
    queue = Queue.objects.create(pk=QUEUE_NAME)
    worker = Worker.objects.create(queue=queue, host="shop", pid=42)
    claim = Claim.objects.create(id=uuid.uuid4(), queue=queue, task_id="1")
    user = User.objects.create_user("somebody")
    rows: dict[str, Any] = {
        "notifications_customer": customer,
        "notifications_order": order,
        "notifications_orderstatus": OrderStatus.objects.create(
            code="lost", name_ru="Потерян"
        ),
        "notifications_ordernotification": order.notifications.get(),
        "django_workers_queue": queue,
        "django_workers_worker": worker,
        "django_workers_claim": claim,
        "auth_user": user,
        "auth_group": Group.objects.create(name="others"),
    }
    keys = {
        name: {"object_id": row.pk, "pk": row.pk, "id": row.pk}
        for name, row in rows.items()
    }
    site = {"content_type_id": ContentType.objects.get_for_model(Order).pk}
    return keys | {
        "view_on_site": site | {"object_id": order.pk},
        "app_list": {"app_label": "notifications"},
    }


def person(letter: str) -> Client:
    client = Client()
    if letter != "a":
        grant(apps, using=DEFAULT_DB_ALIAS)
        user = User.objects.create_user(f"person-{letter}", is_staff=True)
        user.groups.add(Group.objects.get(name=LETTERS[letter]))
        client.force_login(user)
    return client


def address(name: str, shop: dict[str, dict[str, Any]]) -> str:
    return address_of(name, shop) + PAGES[name].query


def verdict(response: Any) -> str:
    if response.status_code in (403, 405):
        return {403: "forbidden", 405: "no such method"}[response.status_code]
    if response.status_code == 302 and "/login/" in response["Location"]:
        return "log in"
    # Redirected after a success, or told that the form is not complete.
    return "may" if response.status_code in (200, 302, 404) else "broken"


def expected(letter: str, allowed: str | None) -> set[str]:
    if allowed is None:
        # Who may not at all is not told which methods there would be.
        return {"no such method", "forbidden", "log in"}
    if letter in allowed:
        return {"may"}
    return {"log in"} if letter == "a" else {"forbidden", "no such method"}


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_lets_in_whom_the_table_says(
    shop: dict[str, dict[str, Any]], name: str, letter: str
) -> None:
    page = PAGES[name]
    where = address(name, shop)

    got = person(letter).get(where)
    assert verdict(got) in expected(letter, page.get), "GET"

    User.objects.filter(username=f"person-{letter}").delete()
    posted = person(letter).post(where)
    assert verdict(posted) in expected(letter, page.post), "POST"


# --- what they see --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "notifications_order_changelist",
        "notifications_order_change",
        "notifications_customer_changelist",
        "notifications_customer_change",
        "notifications_ordernotification_changelist",
        "notifications_ordernotification_change",
        "django_workers_queue_change",
        "index",
    ],
)
def test_who_only_looks_sees_no_button_that_is_refused(
    shop: dict[str, dict[str, Any]], name: str
) -> None:
    OrderNotification.objects.update(failed_attempts_number=3)
    observer = person("o")
    where = address(name, shop)

    html = observer.get(where).content.decode()
    page = html.partition('<main id="content-start"')[2].partition("</main>")[0]

    page = re.sub(r'<form[^>]*method="get".*?</form>', "", page, flags=re.DOTALL)
    buttons = re.findall(r"<(?:button|input)[^>]*type=\"submit\"[^>]*>", page)
    looks = ('value="Найти"', 'name="index"')
    assert [b for b in buttons if not any(look in b for look in looks)] == []
    assert "formaction" not in page
    actions = page.partition('<select name="action"')[2].partition("</select>")[0]
    assert set(re.findall(r'value="(\w+)"', actions)) <= {"print_cards"}
    for link in re.findall(r'href="(/[^"?]+)[^"]*"', page):
        assert observer.get(link).status_code == 200, link


@pytest.mark.parametrize("letter", ["m", "o"])
def test_the_first_page_leads_nowhere_that_is_refused(
    shop: dict[str, dict[str, Any]], letter: str
) -> None:
    client = person(letter)

    html = client.get(reverse("admin:index")).content.decode()

    links = set(re.findall(r'href="(/admin/[^"?#]+)', html))
    assert links
    for link in links:
        assert client.get(link).status_code == 200, link


def test_a_person_without_a_group_reaches_nothing(
    shop: dict[str, dict[str, Any]],
) -> None:
    User.objects.create_user("new", is_staff=True)
    client = Client()
    client.force_login(User.objects.get(username="new"))

    frame = {"index", "login", "logout", "set_language", "jsi18n", "view_on_site"}
    frame |= {"password_change", "password_change_done"}
    for name in sorted(set(PAGES) - frame):
        response = client.get(address(name, shop))
        assert verdict(response) in {"forbidden", "no such method"} or (
            response.status_code == 404
        ), name
