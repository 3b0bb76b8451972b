"""Rows of a shop in every state, and its pages as a browser without scripts asks."""

import re
import uuid
from datetime import timedelta
from html import unescape
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_workers.models import Claim, Queue, Worker
from notifications.models import (
    Customer,
    DeliveryAttempt,
    Order,
    OrderNotification,
)
from notifications.models.notification import QUEUE_NAME


def superuser() -> User:
    return User.objects.create_superuser("manager", "m@example.com", "manager")


def connected(name: str = "Анна", tg_user_id: int = 1001, **fields: Any) -> Customer:
    return Customer.objects.create(
        name=name, tg_user_id=tg_user_id, started_at=timezone.now(), **fields
    )


def order(number: str, customer: Customer, **state: Any) -> Order:
    made = Order.objects.create(number=number, customer=customer)
    made.notifications.update(**state)
    return made


def given_up(code: str = "chat_not_found") -> dict[str, Any]:
    return {
        "failed_attempts_number": 3,
        "last_error_code": code,
        "last_error": "Bad Request: chat not found",
    }


def attempt(notification: OrderNotification, outcome: str, **fields: Any) -> None:
    now = timezone.now()
    DeliveryAttempt.objects.create(
        notification=notification,
        key=uuid.uuid4(),
        started_at=now,
        finished_at=now,
        outcome=outcome,
        **fields,
    )


def claim(made: Order, **fields: Any) -> Claim:
    queue, _ = Queue.objects.get_or_create(pk=QUEUE_NAME)
    task_id = str(made.notifications.get().pk)
    return Claim.objects.create(id=uuid.uuid4(), queue=queue, task_id=task_id, **fields)


def worker() -> Worker:
    queue, _ = Queue.objects.get_or_create(pk=QUEUE_NAME)
    return Worker.objects.create(queue=queue, host="shop", pid=42)


def orders_in_every_state() -> dict[str, Order]:
    """Return orders by the words that the list must show of them."""
    anna = connected()
    now = timezone.now()
    orders = {
        "В очереди": order("1", anna),
        "Отправляется": order("2", anna),
        "Доставлено": order("3", anna, processed=True, processed_at=now),
        "Повтор в": order("4", anna, next_attempt_at=now + timedelta(seconds=15)),
        "Повторяется": order("5", anna, failed_attempts_number=1),
        "Не доставлено": order("6", anna, **given_up()),
        "Бот заблокирован": order("7", anna, **given_up("blocked_by_user")),
        "Не отправлено": order("8", anna),
        "Клиент не подключён": order("9", Customer.objects.create(name="Пётр")),
        "Отписался": order("10", connected("Олег", 1002, unsubscribed_at=now)),
    }
    claim(orders["Отправляется"], worker=worker())
    claim(orders["Не отправлено"], error="ValueError: x")
    return orders


def page(client: Client, address: str, **query: str) -> str:
    """Return a page's text as it was sent; it must have opened."""
    response = client.get(address, query)
    assert response.status_code == 200, (address, response.status_code)
    return response.content.decode()


def list_of(client: Client, name: str, **query: str) -> str:
    return page(client, reverse(f"admin:{name}_changelist"), **query)


def orders_listed(client: Client, **query: str) -> list[str]:
    html = list_of(client, "notifications_order", **query)
    return re.findall(r'field-number"><a href="[^"]*">([^<]*)</a>', html)


def add_order(client: Client, number: str, customer: Customer) -> str:
    """Send the form of a new order; return the page that follows."""
    response = client.post(
        reverse("admin:notifications_order_add"),
        {"number": number, "customer": customer.pk},
        follow=True,
    )
    return unescape(response.content.decode())


def order_page(made: Order) -> str:
    return reverse("admin:notifications_order_change", args=[made.pk])
