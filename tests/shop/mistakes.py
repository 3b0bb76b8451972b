"""Queues that cannot be drained, each for a reason of its own."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_workers import TaskError

from .models import Shelf
from .task_queues import PlainQueue


class ShelfQueue(PlainQueue):
    model_class = Shelf


class AsyncErrorsQueue(PlainQueue):
    async def process_task_error(  # type: ignore[override]  # that is the mistake
        self, queryset_item: Any, error: TaskError
    ) -> None:
        """Is never awaited: nothing would be counted."""


class NoRateQueue(PlainQueue):
    rate = 0


class NotReadyQueue(PlainQueue):
    def check_ready(self) -> None:
        raise ImproperlyConfigured("There are no stamps left.")


shelves = ShelfQueue()
async_errors = AsyncErrorsQueue()
no_rate = NoRateQueue()
not_ready = NotReadyQueue()
