"""Notifications to send in a test: a worker for them, and what became of each."""

import itertools
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from django.utils import timezone

from django_workers.worker import Worker
from notifications.models import OrderNotification
from notifications.task_queues import OrderNotificationQueue
from tests.support.telegram import RunningTelegram
from tests.support.waiting import wait_until
from tests.support.workers import working

_numbers = itertools.count(1)


def point_to(telegram: RunningTelegram, settings: Any) -> None:
    """Send to this Telegram, with all the waits as short as a test wants them."""
    settings.TG_API_URL = telegram.api_url
    settings.TG_BOT_TOKEN = telegram.token
    settings.NOTIFICATIONS_RATE = 1000.0
    settings.NOTIFICATIONS_RETRY_DELAYS = [0.05, 0.1]
    settings.NOTIFICATIONS_OUTAGE_PAUSES = [0.05, 0.1, 0.2]
    settings.NOTIFICATIONS_TOKEN_PAUSE = 0.1


def sending(**options: Any) -> AbstractContextManager[Worker]:
    """Run a worker of a queue of its own, as another process would, in a thread."""
    options = {"concurrency": 16, "poll_seconds": 0.2} | options
    return working(OrderNotificationQueue(), **options)


def notify(chat_id: int, number: str | None = None) -> OrderNotification:
    number = number or str(next(_numbers))
    return OrderNotification.objects.create(order_number=number, tg_user_id=chat_id)


def notify_all(chat_ids: list[int]) -> list[OrderNotification]:
    """Make many notifications at once, in this order."""
    return OrderNotification.objects.bulk_create(
        OrderNotification(order_number=str(next(_numbers)), tg_user_id=chat_id)
        for chat_id in chat_ids
    )


def is_done(notification: OrderNotification) -> bool:
    notification.refresh_from_db()
    return notification.processed or notification.is_given_up


def finish(*notifications: OrderNotification) -> None:
    for notification in notifications:
        wait_until(partial(is_done, notification), 10, f"the end of {notification}")


def finish_all(timeout: float = 60) -> None:
    """Wait until nothing is left to be sent."""
    unfinished = OrderNotification.objects.unfinished()
    wait_until(lambda: not unfinished.exists(), timeout, "the end of all")


def make_due(notification: OrderNotification) -> None:
    """Let the time pass that it was to wait for."""
    same = OrderNotification.objects.filter(pk=notification.pk)
    same.update(next_attempt_at=timezone.now())


def sent_to(telegram: RunningTelegram, chat_id: int) -> list[Any]:
    return telegram.ledger(method="sendMessage", chat_id=chat_id)


def outcomes(notification: OrderNotification) -> list[tuple[str, bool]]:
    return list(notification.attempts.values_list("outcome", "counted"))
