"""A day of a busy shop in a minute: everything goes wrong, and nothing is lost.

The bot with its worker and a second worker, all of them real processes, send 5,000
orders to 2,000 customers, while Telegram refuses, floods and cuts by chance, vanishes,
and rejects the token, workers are killed, and customers block the bot and come back.
Afterwards Telegram's own ledger and the database must tell the same story.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest
from django.db import transaction
from django.utils import timezone

from django_workers.models import Claim, Queue
from notifications.models import Customer, Order, OrderNotification
from notifications.models.notification import QUEUE_NAME
from notifications.verdicts import BLOCKED
from tests.support.product import ROOT, RunningProduct
from tests.support.reconciling import Reconciliation, reconcile
from tests.support.telegram import RunningTelegram
from tests.support.waiting import wait_until
from tests.support.workers import database_url

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.takes_minutes,
    pytest.mark.timeout(500),
]

SEED = 20_261_121
CUSTOMERS, ORDERS, BLOCKING, RETURNING = 2000, 5000, 50, 25
ORDERS_PER_SECOND, ORDERS_AT_ONCE = 100, 10
OUTAGE_SECONDS, REVOKED_SECONDS = 20.0, 10.0
CONCURRENCY = 16
# Twice what the slowest of machines needs; a calm one is done in a quarter of it.
END_SECONDS = 300.0
SETTINGS = {
    "NOTIFICATIONS_RATE": "300",
    "NOTIFICATIONS_CONCURRENCY": str(CONCURRENCY),
    "NOTIFICATIONS_RETRY_DELAYS": "0.2,0.5",
    "NOTIFICATIONS_FLOOD_JITTER": "0.1",
    # At this rate two chats flood at once, by chance, all the time: each such pause of
    # the whole queue is real, but a longer window would leave time for nothing else.
    "NOTIFICATIONS_FLOOD_WINDOW": "0.02",
    "NOTIFICATIONS_OUTAGE_PAUSES": "0.5,1,2",
    "NOTIFICATIONS_TOKEN_PAUSE": "1",
}


class Day:
    """The shop, its customers, and what happens to them when."""

    def __init__(self, telegram: RunningTelegram, product: RunningProduct) -> None:
        self.telegram = telegram
        self.product = product
        self.chance = random.Random(SEED)
        self.second_worker: psutil.Popen
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.log: list[str] = []
        self.placed = 0
        self.left_by_killed = 0
        self.started = time.monotonic()
        chats = telegram.add_started_users(CUSTOMERS)
        Customer.objects.bulk_create(
            Customer(
                name=f"Клиент {chat}",
                tg_user_id=chat,
                started_at=timezone.now() - timedelta(days=1),
            )
            for chat in chats
        )
        self.customers = list(Customer.objects.order_by("pk"))
        self.fickle = self.chance.sample(self.customers[: CUSTOMERS // 4], BLOCKING)

    def run(self) -> None:
        """Place all orders, evenly, with an act of the script now and then."""
        acts = self._script()
        while self.placed < ORDERS or self.later:
            while acts and self.placed >= acts[0][0] * ORDERS:
                acts.pop(0)[1]()
            self._go_on()
            time.sleep(0.01)  # customers take their time

    def _go_on(self) -> None:
        """Do what is due and place the orders that are, if there are more."""
        now = time.monotonic()
        for act in [act for at, act in self.later if at <= now]:
            act()
        self.later = [(at, act) for at, act in self.later if at > now]
        due = self.started + self.placed / ORDERS_PER_SECOND
        if self.placed < ORDERS and now >= due:
            self._place(range(self.placed, self.placed + ORDERS_AT_ONCE))
            self.placed += ORDERS_AT_ONCE

    def _script(self) -> list[tuple[float, Callable[[], object]]]:
        """Return what happens when such a part of the orders has been placed."""
        block, come_back = self.telegram.block, self.telegram.press_start
        chats = [customer.tg_user_id or 0 for customer in self.fickle]
        acts: list[tuple[float, Callable[[], object]]] = [
            (0.15, self._kill_supervised_worker),
            (0.25, self._begin_outage),
            (0.75, self._revoke_token),
            (0.97, self._kill_second_worker),
        ]
        for i, chat in enumerate(chats):
            acts.append((0.10 + 0.10 * i / BLOCKING, partial(block, chat)))
        for i, chat in enumerate(chats[:RETURNING]):
            acts.append((0.60 + 0.10 * i / RETURNING, partial(come_back, chat)))
        return sorted(acts, key=lambda act: act[0])

    def _place(self, numbers: range) -> None:
        # Some customers order much more than others, several times within a second.
        Order.objects.bulk_create(
            Order(
                number=str(number),
                customer=self.customers[int(CUSTOMERS * self.chance.random() ** 2)],
            )
            for number in numbers
        )

    def _in(self, seconds: float, act: Callable[[], None]) -> None:
        self.later.append((time.monotonic() + seconds, act))

    def _note(self, what: str) -> None:
        seconds, requests = time.monotonic() - self.started, self.telegram.last_seq
        self.log.append(f"{seconds:5.1f} s, {requests:5} requests: {what}")

    # What happens

    def _begin_outage(self) -> None:
        self._note("Telegram vanishes")
        self.telegram.go_down()
        self._in(OUTAGE_SECONDS, self._end_outage)

    def _end_outage(self) -> None:
        self._note("Telegram is back")
        self.telegram.come_back()

    def _revoke_token(self) -> None:
        self._note("the token is revoked")
        self.telegram.set_faults(revoked=True)
        self._in(REVOKED_SECONDS, self._restore_token)

    def _restore_token(self) -> None:
        self._note("the token works again")
        self.telegram.set_faults(revoked=False)

    def _kill_supervised_worker(self) -> None:
        self._kill(self.product.part("worker"))

    def _kill_second_worker(self) -> None:
        self._kill(self.second_worker)
        self.start_second_worker()

    def _kill(self, worker: psutil.Process) -> None:
        """Kill it in the middle of something."""
        busy = Claim.objects.filter(worker__pid=worker.pid)

        def is_sending() -> bool:
            # Or Telegram would stay away, or no order be left, while this waits.
            self._go_on()
            return busy.exists()

        wait_until(is_sending, 60, f"a send of process {worker.pid}")
        worker.kill()
        worker.wait()
        with transaction.atomic():
            # Whatever the database still claims in its name comes first.
            Queue.objects.select_for_update().get(pk=QUEUE_NAME)
            self.left_by_killed += busy.count()
        self._note(f"worker {worker.pid} is killed")

    # The second worker

    def start_second_worker(self) -> None:
        with (self.product.folder / "second-worker.txt").open("ab") as log:
            self.second_worker = psutil.Popen(
                [
                    *(sys.executable, "manage.py", "run_worker"),
                    "notifications.task_queues.task_queue",
                ],
                cwd=ROOT,
                env=self.product.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


@pytest.fixture
def telegram() -> Iterator[RunningTelegram]:
    with RunningTelegram(seed=SEED) as telegram:
        yield telegram


@contextmanager
def shop(folder: Path, telegram: RunningTelegram) -> Iterator[Day]:
    product = RunningProduct(
        folder,
        "--no-web",
        TG_API_URL=telegram.api_url,
        TG_BOT_TOKEN=telegram.token,
        DATABASE_URL=database_url(),
        **SETTINGS,
    )
    with product:
        day = Day(telegram, product)
        day.start_second_worker()
        try:
            product.wait_for_start()
            telegram.set_faults(slow_seconds=0.02)
            telegram.add_fault("refuse", share=0.05, code=400, description="Bad luck")
            telegram.add_fault("flood", share=0.03, retry_after=1, holds_chat=True)
            telegram.add_fault("cut_after", share=0.01)
            telegram.add_fault("cut_before", share=0.01)
            day.started = time.monotonic()
            yield day
            for process in (day.second_worker, product):
                process.send_signal(signal.SIGTERM)
            assert product.wait() == 0
            assert day.second_worker.wait(30) == 0
        finally:
            if day.second_worker.is_running():
                day.second_worker.kill()
                day.second_worker.wait()


def test_a_day_of_everything_going_wrong_loses_and_reorders_nothing(
    tmp_path: Path, telegram: RunningTelegram, capsys: pytest.CaptureFixture[str]
) -> None:
    with shop(tmp_path, telegram) as day:
        day.run()
        unfinished = OrderNotification.objects.unfinished()
        wait_until(lambda: not unfinished.exists(), END_SECONDS, "the end of the day")
        seconds = time.monotonic() - day.started

    found = reconcile(telegram.ledger())
    with capsys.disabled():
        print(tell(found, day, seconds))
    assert found.problems == []
    assert len(found.notifications) == ORDERS
    assert not Claim.objects.exists()
    assert_the_script_was_played(found, day)
    assert_only_who_stayed_away_is_given_up_as_blocked(found, day)
    # A probe may meet the rejection first, and then no notification does.
    assert any(entry.code == 401 for entry in telegram.ledger(method=None))


def assert_the_script_was_played(found: Reconciliation, day: Day) -> None:
    tally = found.tally()
    assert tally["delivered"] + tally["failed"] == ORDERS
    # Chance alone gives up one in 2,000; who blocks the bot, for an hour or for good,
    # may be refused by chance at the last.
    fickle = {customer.tg_user_id for customer in day.fickle}
    given_up = [n for n in found.notifications if n.is_given_up]
    assert sum(n.tg_user_id not in fickle for n in given_up) <= 10
    assert any(n.last_error_code == BLOCKED for n in given_up)
    # An outage uses up no attempts but those of the requests that it cut.
    cut_by_chance = sum(e.fault.startswith("cut") for e in found.entries)
    cut = tally["connection_cut, counted"] + tally["write_failed, counted"]
    assert cut <= cut_by_chance + 2 * CONCURRENCY
    assert cut_by_chance > 0
    for free in ("flood", "unreachable", "token_rejected"):
        assert not tally[f"{free}, counted"]
    lost = tally["worker_lost, counted"] + tally["worker_lost, uncounted"]
    assert 1 <= lost <= day.left_by_killed


def assert_only_who_stayed_away_is_given_up_as_blocked(
    found: Reconciliation, day: Day
) -> None:
    blocked = {
        notification.tg_user_id
        for notification in found.notifications
        if notification.is_given_up and notification.last_error_code == BLOCKED
    }
    assert blocked <= {customer.tg_user_id for customer in day.fickle[RETURNING:]}
    away = Customer.objects.filter(blocked_at__isnull=False)
    assert blocked <= set(away.values_list("tg_user_id", flat=True))


def tell(found: Reconciliation, day: Day, seconds: float) -> str:
    lines = [f"\nA day in the life, {seconds:.0f} s:", *day.log]
    pauses = Queue.objects.get().pause_epoch
    tally = sorted([*found.tally().items(), ("pauses of the queue", pauses)])
    lines += [f"{count:6} {what}" for what, count in tally]
    return "\n".join([*lines, *found.problems[:20]])
