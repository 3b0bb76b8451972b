"""«Retry» for everything that a list holds: asked first, then done in parts.

A part is one request of a second or two. Between parts the page says how far it is and
goes on by itself, or, without scripts, by its button.
"""

import time
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_lazy

from notifications.models import OrderNotification, Parked
from notifications.models.notification import OrderNotificationQuerySet

from .retry import retry, will_be_sent_again

# One request looks up so many, and retries them in transactions of a batch each, which
# keep neither the workers nor other managers waiting.
LOOKED_UP = 5_000
BATCH = 500
SECONDS = 1.5


class RetryOfFound:
    """Answers the question and its confirmation.

    It goes from the newest message to the oldest and meets each only once, so what
    fails again meanwhile is not retried again. To send a part twice does no harm.
    """

    def __init__(
        self,
        request: HttpRequest,
        notifications: OrderNotificationQuerySet,
        *,
        filtered: bool,
        list_url: str,
        context: Mapping[str, Any],
    ) -> None:
        self._request = request
        self._failed = notifications.given_up().order_by("-pk")
        self._filtered = filtered
        self._back = f"{list_url}?{request.GET.urlencode()}"
        self._context = context
        self._retried = _number(request, "retried") or 0
        self._below = _number(request, "below")

    def answer(self) -> HttpResponse:
        if self._request.method != "POST":
            unsure = self._failed.filter(parked=Parked.UNCERTAIN).count()
            return self._page(left=self._failed.count(), unsure=unsure)
        if self._retry_a_part():
            return self._page(left=self._left().count())
        if self._retried:
            words, level = will_be_sent_again(self._retried), messages.SUCCESS
        else:
            words = gettext("There is no message that could be repeated.")
            level = messages.WARNING
        messages.add_message(self._request, level, words)
        return HttpResponseRedirect(self._back)

    def _retry_a_part(self) -> bool:
        """Retry some; return whether any may be left."""
        started = time.monotonic()
        keys = list(self._left().values_list("pk", flat=True)[:LOOKED_UP])
        for first in range(0, len(keys), BATCH):
            batch = keys[first : first + BATCH]
            same = OrderNotification.objects.filter(pk__in=batch)
            self._retried += retry(same, by=self._request.user.pk).due_again
            self._below = batch[-1]
            if time.monotonic() - started > SECONDS:
                return True
        return len(keys) == LOOKED_UP

    def _left(self) -> OrderNotificationQuerySet:
        if self._below is None:
            return self._failed
        return self._failed.filter(pk__lt=self._below)

    def _page(self, left: int, unsure: int = 0) -> HttpResponse:
        context = {
            **self._context,
            "title": gettext_lazy("Retry what was not delivered"),
            "left": left,
            "unsure": unsure,
            "retried": self._retried,
            "all": self._retried + left,
            "below": self._below,
            "filtered": self._filtered,
            "back": self._back,
        }
        return TemplateResponse(
            self._request, "admin/notifications/retry_found.html", context
        )


def _number(request: HttpRequest, name: str) -> int | None:
    given = request.POST.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 19 else None
