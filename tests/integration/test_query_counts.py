"""How many queries each page of the admin makes: as many for few rows as for many.

A page that is not in the table fails the test: whoever adds one says here how many
queries it needs.
"""

import uuid
from dataclasses import asdict
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_workers.models import Claim, Queue, Worker
from notifications.importing.checking import check
from notifications.importing.files import pack
from notifications.models import (
    Customer,
    DeliveryAttempt,
    Order,
    OrderImport,
    OrderNotification,
    OrderStatus,
)
from notifications.models.notification import QUEUE_NAME
from tests.support.admin_pages import address_of, page_names

pytestmark = pytest.mark.django_db

FEW, MANY = 2, 6
# What leads elsewhere, takes no GET or is not offered has no page to count.
NO_PAGE = None

# The most queries that each page may make, the two of the login among them. Where the
# age of a heartbeat is shown, PostgreSQL is asked for the time in a query of its own.
MOST: dict[str, int | None] = {
    # --- the frame --------------------------------------------------------------------
    "app_list": 15,
    "autocomplete": 4,
    "dashboard": 15,
    "index": 15,
    "jsi18n": 2,
    "login": NO_PAGE,
    "logout": NO_PAGE,
    "password_change": 2,
    "password_change_done": 2,
    "set_language": NO_PAGE,
    "view_on_site": NO_PAGE,
    # --- the shop ---------------------------------------------------------------------
    "notifications_customer_add": 2,
    "notifications_customer_card": 4,
    "notifications_customer_cards": 10,
    "notifications_customer_change": 8,
    "notifications_customer_changelist": 8,
    "notifications_customer_connection": 8,
    "notifications_customer_delete": 6,
    "notifications_customer_history": 5,
    "notifications_customer_merge": 7,
    "notifications_order_add": 11,
    "notifications_order_change": 10,
    "notifications_order_changelist": 9,
    "notifications_order_delete": 6,
    "notifications_order_history": 6,
    "notifications_order_import": 5,
    "notifications_order_import_example": 3,
    "notifications_order_import_page": 3,
    "notifications_order_import_problems": 8,
    "notifications_order_outlook": 4,
    "notifications_order_retry": NO_PAGE,
    "notifications_order_retry_found": 8,
    "notifications_order_send_again": 4,
    "notifications_ordernotification_add": 2,
    "notifications_ordernotification_change": 4,
    "notifications_ordernotification_changelist": 4,
    "notifications_ordernotification_delete": 4,
    "notifications_ordernotification_export": 7,
    "notifications_ordernotification_history": 5,
    "notifications_ordernotification_retry": NO_PAGE,
    "notifications_ordernotification_retry_found": 5,
    "notifications_orderstatus_add": 2,
    "notifications_orderstatus_change": 3,
    "notifications_orderstatus_changelist": 4,
    "notifications_orderstatus_delete": 4,
    "notifications_orderstatus_history": 5,
    # --- the queues -------------------------------------------------------------------
    "django_workers_claim_add": NO_PAGE,
    "django_workers_claim_change": 5,
    "django_workers_claim_changelist": 5,
    "django_workers_claim_delete": NO_PAGE,
    "django_workers_claim_history": 5,
    "django_workers_queue_add": NO_PAGE,
    "django_workers_queue_change": 13,
    "django_workers_queue_changelist": 6,
    "django_workers_queue_delete": NO_PAGE,
    "django_workers_queue_history": 7,
    "django_workers_queue_pause": NO_PAGE,
    "django_workers_queue_resume": NO_PAGE,
    "django_workers_queue_state": 13,
    "django_workers_worker_add": NO_PAGE,
    "django_workers_worker_change": 5,
    "django_workers_worker_changelist": 5,
    "django_workers_worker_delete": NO_PAGE,
    "django_workers_worker_history": 6,
    # --- people -----------------------------------------------------------------------
    "auth_group_add": 3,
    "auth_group_change": 5,
    "auth_group_changelist": 5,
    "auth_group_delete": 5,
    "auth_group_history": 5,
    "auth_user_add": 2,
    "auth_user_change": 7,
    "auth_user_changelist": 6,
    "auth_user_delete": 7,
    "auth_user_history": 5,
    "auth_user_password_change": 3,
}
QUERIES = {
    "autocomplete": "?app_label=notifications&model_name=order&field_name=customer",
    "notifications_order_outlook": "?customer={customer}&number=1",
    "notifications_customer_merge": "?other={other}",
    "notifications_customer_connection": "?known=blocked",
}


def test_every_page_is_in_the_table_and_nothing_else() -> None:
    assert page_names() == set(MOST)


@pytest.mark.parametrize("name", sorted(MOST))
def test_a_page_makes_as_many_queries_for_few_rows_as_for_many(
    client: Client, name: str
) -> None:
    shop = Shop()
    client.force_login(shop.manager)
    shop.grow(FEW)
    address = address_of(name, shop.keys()) + shop.query(name)
    opened = client.get(address)
    if (most := MOST[name]) is NO_PAGE:
        assert opened.status_code in (302, 403, 404, 405)
        return
    few = queries_of(client, address)

    shop.grow(MANY)
    many = queries_of(client, address)

    assert len(many) == len(few), "\n".join(many)
    assert len(many) <= most, "\n".join(many)


def queries_of(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address)
        # What is streamed is read only now.
        b"".join(response)
    assert response.status_code == 200
    return [query["sql"] for query in captured.captured_queries]


class Shop:
    """Rows of every table, any number of each that a page may show several of."""

    def __init__(self) -> None:
        now = timezone.now()
        self.manager = User.objects.create_superuser("manager")
        self.user = User.objects.create_user("somebody")
        self.group = Group.objects.create(name="others")
        self.status = OrderStatus.objects.create(code="lost", name_ru="Утерян")
        self.customer = Customer.objects.create(
            name="Анна", phone="+7 916 000-00-01", tg_user_id=1, started_at=now
        )
        self.other = Customer.objects.create(name="Анна", phone="+7 916 000-00-01")
        self.order = Order.objects.create(number="1", customer=self.customer)
        self.message = self.order.notifications.get()
        self.queue = Queue.objects.get_or_create(pk=QUEUE_NAME)[0]
        self.worker = Worker.objects.create(queue=self.queue, host="shop", pid=42)
        self.claim = Claim.objects.create(
            id=uuid.uuid4(), queue=self.queue, worker=self.worker, task_id="1"
        )

        self.job = OrderImport(user=self.manager, file_name="orders.csv")
        self._upload(1)

    def rows(self) -> dict[str, Any]:
        """Return the rows whose pages are opened."""
        return {
            "notifications_customer": self.customer,
            "notifications_order": self.order,
            "notifications_ordernotification": self.message,
            "notifications_orderstatus": self.status,
            "django_workers_queue": self.queue,
            "django_workers_worker": self.worker,
            "django_workers_claim": self.claim,
            "auth_user": self.user,
            "auth_group": self.group,
        }

    def keys(self) -> dict[str, dict[str, Any]]:
        """Return what the addresses of pages are made of."""
        keys: dict[str, dict[str, Any]] = {
            name: {"object_id": row.pk, "pk": row.pk, "id": row.pk}
            for name, row in self.rows().items()
        }
        site = ContentType.objects.get_for_model(Order).pk
        return keys | {
            "view_on_site": {"content_type_id": site, "object_id": self.order.pk},
            "app_list": {"app_label": "notifications"},
            "notifications_order_import": {"pk": self.job.pk},
        }

    def query(self, name: str) -> str:
        return QUERIES.get(name, "").format(
            customer=self.customer.pk, other=self.other.pk
        )

    def grow(self, times: int) -> None:
        """Make so many more rows of each kind, each different and in any state."""
        for nth in range(times):
            mark = uuid.uuid4().hex[:8]
            somebody = Customer.objects.create(
                name=f"Анна {mark}", phone=f"+7 916 000-{nth:02}-01"
            )
            Order.objects.create(number=f"a{mark[1:]}", customer=somebody)
            order = Order.objects.create(number=f"b{mark[1:]}", customer=self.customer)
            message = order.notifications.get()
            OrderNotification.objects.filter(pk=message.pk).update(
                failed_attempts_number=3,
                last_error_code=("chat_not_found", "blocked_by_user")[nth % 2],
            )
            for row in (self.message, message):
                self._attempt(row, "refused", counted=True, error_code="bad_request")
                self._attempt(row, "delivered", message_id=nth)
            self._message_of_the_same_order(nth)
            worker = Worker.objects.create(queue=self.queue, host="shop", pid=nth)
            Claim.objects.create(
                id=uuid.uuid4(), queue=self.queue, worker=worker, task_id=mark
            )
            Queue.objects.create(pk=mark)
            OrderStatus.objects.create(code=mark, name_ru=mark)
            User.objects.create_user(mark).groups.add(self.group)
            Group.objects.create(name=mark)
        for row in self.rows().values():
            self._log(row, times)
        self._upload(times)

    def _upload(self, lines: int) -> None:
        """Let the file that is to be imported have so many lines, half of them bad."""
        numbers = [("", f"n{nth}")[nth % 2] for nth in range(lines)]
        content = "Номер заказа;Клиент\n" + "".join(
            f"{number};+7 916 000-00-01\n" for number in numbers
        )
        file = pack([content.encode()])
        self.job.content, self.job.encoding = file.content, file.encoding
        self.job.findings = asdict(check(file))
        self.job.save()

    def _message_of_the_same_order(self, nth: int) -> None:
        made = OrderNotification.objects.create(
            order=self.order,
            order_number=self.order.number,
            tg_user_id=self.message.tg_user_id,
            processed=True,
            processed_at=timezone.now(),
        )
        self._attempt(made, "delivered", message_id=nth)

    def _attempt(self, message: OrderNotification, outcome: str, **fields: Any) -> None:
        now = timezone.now()
        DeliveryAttempt.objects.create(
            notification=message,
            key=uuid.uuid4(),
            started_at=now,
            finished_at=now,
            outcome=outcome,
            **fields,
        )

    def _log(self, row: Any, times: int) -> None:
        for _ in range(times):
            LogEntry.objects.log_actions(self.manager.pk, [row], CHANGE, "Changed.")
