"""Makes given-up notifications due again, and says in words what was done."""

from dataclasses import dataclass

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.utils.translation import gettext, ngettext

from notifications.models.notification import OrderNotificationQuerySet


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """How many notifications were made due again, and how many were not and why."""

    due_again: int
    delivered: int
    waiting: int

    @property
    def sentence(self) -> str:
        """The numbers in words."""
        if not (self.due_again or self.delivered or self.waiting):
            return gettext("There is no message that could be repeated.")
        if (self.due_again, self.delivered, self.waiting) == (0, 0, 1):
            # Most likely the second of two clicks.
            return gettext("The message is waiting to be sent already.")
        parts = [will_be_sent_again(self.due_again)]
        if self.delivered:
            parts.append(
                gettext("Skipped as delivered: {count}.").format(count=self.delivered)
            )
        if self.waiting:
            parts.append(
                gettext("Skipped as still waiting to be sent: {count}.").format(
                    count=self.waiting
                )
            )
        return " ".join(parts)


def will_be_sent_again(count: int) -> str:
    """Return how many messages are due again, in words."""
    words: str = ngettext(
        "{count} message will be sent again.",
        "{count} messages will be sent again.",
        count,
    )
    return words.format(count=count)


def retry(notifications: OrderNotificationQuerySet, *, by: int | None) -> Retried:
    """Make the given-up ones due again, noting each in the admin's log."""
    with transaction.atomic():
        retried = list(notifications.given_up().select_for_update())
        result = Retried(
            delivered=notifications.filter(processed=True).count(),
            waiting=notifications.unfinished().count(),
            due_again=notifications.retry(),
        )
        if by is not None and retried:
            LogEntry.objects.log_actions(
                by, retried, CHANGE, gettext("Retried."), single_object=False
            )
    return result
