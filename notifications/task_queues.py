"""Order notifications as a queue: which may be sent, how, and what becomes of them."""

import logging
import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from django_workers import (
    AbstractTaskQueue,
    Attempt,
    PauseQueue,
    PostponeTask,
    Success,
    TaskError,
    WorkerLost,
)
from django_workers.keys import LaterKeys, among
from django_workers.prepared import PreparedSelect

from .deliveries import record_delivered, record_failed, record_uncounted
from .judging import judge
from .models import Customer, OrderNotification
from .models.notification import HOPEFUL
from .telegram import BotApiClient
from .verdicts import NOT_TELEGRAM, Kind, Verdict
from .weather import Weather

logger = logging.getLogger("notifications")

# The worker limits how many sends are in flight; the client only must not.
MOST_CONNECTIONS = 1024
# The transport keeps its own deadlines; this one is for what they do not foresee.
SPARE_SECONDS = 30.0


# Built once: to put a query together takes longer than to run it.
_FIRST_OF_ITS_CHAT = Q(
    # One look into an index for each row: none of its chat is before the first one. "No
    # earlier one exists" is made a join by PostgreSQL, which reads all for each, as
    # long as it knows nothing of a new table; and of "is the first one" it thinks that
    # so few are that all had better be found and sorted.
    pk__lte=Subquery(
        OrderNotification.objects.unfinished()
        .filter(tg_user_id=OuterRef("tg_user_id"))
        .order_by("pk")
        .values("pk")[:1]
    )
)
_NOT_SILENCED = ~Exists(
    Customer.objects.filter(
        tg_user_id=OuterRef("tg_user_id"), unsubscribed_at__isnull=False
    )
)
_DUE = Q(next_attempt_at__lte=Now())
_NEEDED_TO_SEND = (
    "order_number",
    "tg_user_id",
    "text",
    "silent",
    "last_error_code",
)


class DeliveryError(TaskError):
    """A failed attempt at a notification; the next one begins after `wait` or later."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason_code, description=verdict.description)
        flooded = verdict.kind is Kind.FLOOD
        self.wait = _flood_delay(verdict) if flooded else timedelta(0)


class ChatMigrated(PostponeTask):
    """The group became a supergroup: its messages go to `new_chat_id`, at once."""

    def __init__(self, verdict: Verdict, new_chat_id: int) -> None:
        super().__init__(0, verdict.reason_code, verdict.description)
        self.new_chat_id = new_chat_id


class OrderNotificationQueue(AbstractTaskQueue):
    """Sends order notifications through the Bot API, in order within each chat."""

    def __init__(self) -> None:
        self.concurrency = settings.NOTIFICATIONS_CONCURRENCY
        self.rate = settings.NOTIFICATIONS_RATE
        self.handler_timeout = (
            settings.NOTIFICATIONS_CONNECT_TIMEOUT
            + settings.NOTIFICATIONS_READ_TIMEOUT
            + SPARE_SECONDS
        )
        self._claimable = PreparedSelect(self._prepare)
        self._client: BotApiClient | None = None
        self._weather = Weather()

    def check_ready(self) -> None:
        if not settings.TG_BOT_TOKEN:
            raise ImproperlyConfigured(
                "TG_BOT_TOKEN is not set, so nothing can be sent. Get a token from "
                "@BotFather and put it into .env: TG_BOT_TOKEN=..."
            )

    # --- which ------------------------------------------------------------------------

    def get_pending_tasks_queryset(self) -> QuerySet[OrderNotification]:
        return OrderNotification.objects.filter(processed=False)

    def exclude_cycled_failed_tasks(
        self, queryset: QuerySet[OrderNotification]
    ) -> QuerySet[OrderNotification]:
        # To say twice that they are not processed makes PostgreSQL expect hardly any.
        return queryset.filter(**HOPEFUL)

    def select_claimable(
        self,
        queryset: QuerySet[OrderNotification],
        in_flight: Collection[Any] | LaterKeys,
    ) -> QuerySet[OrderNotification]:
        """Return what is due: the first unfinished of each chat with none on its way.

        A chat whose customer said /stop has nothing due.
        """
        due = queryset.filter(_FIRST_OF_ITS_CHAT, _NOT_SILENCED, _DUE)
        if in_flight:
            busy = OrderNotification.objects.filter(among(in_flight))
            due = due.exclude(tg_user_id__in=busy.values("tg_user_id"))
        return due.order_by("next_attempt_at", "pk").only(*_NEEDED_TO_SEND)

    def read_claimable(
        self, in_flight: Collection[Any], most: int
    ) -> list[OrderNotification]:
        return self._claimable.read(self.database, in_flight, most)

    def _prepare(self, in_flight: LaterKeys) -> QuerySet[OrderNotification]:
        return self.select_claimable(self.read_startable(), in_flight)

    def get_next_due_time(self) -> datetime | None:
        later = OrderNotification.objects.unfinished().filter(next_attempt_at__gt=Now())
        return (
            later.order_by("next_attempt_at")
            .values_list("next_attempt_at", flat=True)
            .first()
        )

    def get_oldest_due_time(self) -> datetime | None:
        due = self.select_claimable(self.read_startable(), ())
        return due.values_list("next_attempt_at", flat=True).first()

    def claims_ahead(self, concurrency: int) -> int:
        """Return twice as many, where no person would suffer.

        A busy event loop hears of a settle, and of the claim that follows, a round late
        each, and in a round one task of each slot may end. A crash would leave them for
        a person to decide where doubtful messages are kept for one.
        """
        return 0 if settings.NOTIFICATIONS_UNCERTAIN == "hold" else 2 * concurrency

    def limit_in_flight(self) -> int | None:
        """Return one while Telegram leaves sends without a clear answer."""
        return 1 if self._weather.is_on_trial else None

    # --- how --------------------------------------------------------------------------

    async def handle_task(self, queryset_item: OrderNotification) -> Verdict:
        """Send the message; return what Telegram, which accepted it, said of it."""
        exchange = await self._get_client().send_message(
            queryset_item.tg_user_id,
            queryset_item.message,
            disable_notification=queryset_item.silent,
        )
        verdict = judge(exchange)
        if verdict.kind is Kind.ACCEPTED:
            self._weather.clear_up()
            return verdict
        raise self._ending(verdict, queryset_item)

    def _ending(self, verdict: Verdict, notification: OrderNotification) -> Exception:
        """Return what a send that was not accepted means for its row and the queue."""
        if verdict.kind is Kind.MIGRATED and verdict.migrate_to_chat_id is not None:
            return self._move(verdict, verdict.migrate_to_chat_id, notification)
        if settings.NOTIFICATIONS_COUNT_EVERY_FAILURE:
            return DeliveryError(verdict)
        if verdict.kind is Kind.UNCERTAIN:
            self._weather.uncertain_in_a_row += 1
            if not self._weather.is_on_trial:
                return DeliveryError(verdict)
        if verdict.reason_code == NOT_TELEGRAM and self._weather.is_message_to_blame():
            return DeliveryError(verdict)
        if verdict.kind is Kind.REFUSED:
            self._weather.clear_up()
            return DeliveryError(verdict)
        if verdict.kind is Kind.FLOOD and not self._weather.is_flood_general(
            notification.tg_user_id
        ):
            delay = _flood_delay(verdict)
            return PostponeTask(delay, verdict.reason_code, verdict.description)
        return self._pause(verdict)

    def _move(
        self, verdict: Verdict, new_chat_id: int, notification: OrderNotification
    ) -> Exception:
        self._weather.clear_up()
        if notification.last_error_code == verdict.reason_code:
            # It has just been moved. To be sent on and on is a refusal, or we would
            # run in circles.
            return DeliveryError(replace(verdict, reason_code="group_upgraded"))
        return ChatMigrated(verdict, new_chat_id)

    def _pause(self, verdict: Verdict) -> PauseQueue:
        match verdict.kind:
            case Kind.FLOOD:
                delay = _flood_delay(verdict)
            case Kind.TOKEN_REJECTED:
                self._complain_of_token(verdict)
                delay = timedelta(seconds=settings.NOTIFICATIONS_TOKEN_PAUSE)
            case _:
                delay = timedelta(seconds=self._weather.outage_pause)
        return PauseQueue(delay, verdict.reason_code, verdict.description)

    def _complain_of_token(self, verdict: Verdict) -> None:
        """Tell the operator, once until the token works again."""
        if not self._weather.token_is_rejected:
            self._weather.token_is_rejected = True
            logger.error(
                "Telegram rejects the bot's token (%s): nothing is sent until it works "
                "again. If it was changed, copy the new one from @BotFather into .env "
                "(TG_BOT_TOKEN=...) and restart",
                verdict.description,
            )

    async def probe(self) -> None:
        """Pass when Telegram answers and knows the token."""
        self._weather.probes += 1
        verdict = judge(await self._get_client().get_me())
        if verdict.kind is not Kind.ACCEPTED:
            raise self._pause(verdict)
        self._weather.pass_probe()

    def _get_client(self) -> BotApiClient:
        """Return the worker's one client; it belongs to the loop that asks first."""
        if self._client is None:
            self._client = BotApiClient(
                api_url=settings.TG_API_URL,
                token=settings.TG_BOT_TOKEN,
                proxy_url=settings.TG_PROXY_URL,
                connections=MOST_CONNECTIONS,
                connect_timeout=settings.NOTIFICATIONS_CONNECT_TIMEOUT,
                write_timeout=settings.NOTIFICATIONS_CONNECT_TIMEOUT,
                read_timeout=settings.NOTIFICATIONS_READ_TIMEOUT,
            )
        return self._client

    async def aclose(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    # --- what becomes of them ---------------------------------------------------------

    def record_successes(self, successes: Sequence[Success]) -> None:
        record_delivered(successes)

    def process_task_error(
        self, queryset_item: OrderNotification, error: TaskError
    ) -> None:
        record_failed(queryset_item, error)

    def record_uncounted(
        self, attempt: Attempt, ending: PostponeTask | PauseQueue | WorkerLost
    ) -> None:
        record_uncounted(attempt, ending)
        if isinstance(ending, ChatMigrated):
            _move_chat(attempt.item, ending.new_chat_id)

    def postpone(self, queryset_item: OrderNotification, until: datetime) -> bool:
        # One that replaced it while it was sent waits in its place.
        unfinished = OrderNotification.objects.unfinished().order_by("pk")
        of_chat = unfinished.filter(tg_user_id=queryset_item.tg_user_id)
        first = of_chat.values_list("pk", flat=True).first()
        waiting = OrderNotification.objects.filter(pk__in={queryset_item.pk, first})
        waiting.update(next_attempt_at=until)
        return True


def _flood_delay(verdict: Verdict) -> timedelta:
    """Never earlier than Telegram said; the jitter keeps workers apart."""
    most = settings.NOTIFICATIONS_FLOOD_JITTER
    jitter = random.uniform(0, most)  # noqa: S311 - nobody guesses it for gain
    return timedelta(seconds=(verdict.retry_after or 1.0) + jitter)


def _move_chat(notification: Any, new_chat_id: int) -> None:
    same_chat = {"tg_user_id": notification.tg_user_id}
    same = OrderNotification.objects.unfinished().filter(**same_chat)
    same.update(tg_user_id=new_chat_id)
    if not Customer.objects.filter(tg_user_id=new_chat_id).exists():
        Customer.objects.filter(**same_chat).update(tg_user_id=new_chat_id)


task_queue = OrderNotificationQueue()
