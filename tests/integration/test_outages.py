"""Telegram is away while a thousand wait: no attempts are used up, nothing is lost."""

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from django.db.models import Sum
from django.urls import reverse

from bot.local_telegram import Entry
from django_workers.models import Queue
from notifications.models import DeliveryAttempt, OrderNotification
from tests.support.sending import (
    finish,
    finish_all,
    notify,
    notify_all,
    point_to,
    sending,
)
from tests.support.telegram import RunningTelegram
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

CHATS, WAITING, CONCURRENCY = 200, 1000, 16
# So many sends in a row without a clear answer count, by default.
COUNTED_BEFORE_PAUSE = 3


@pytest.fixture
def telegram(settings) -> Iterator[RunningTelegram]:
    with RunningTelegram() as telegram:
        point_to(telegram, settings)
        # Longer than an answer takes on a busy machine.
        settings.NOTIFICATIONS_READ_TIMEOUT = 2.0
        yield telegram


def thousand_waiting(telegram: RunningTelegram) -> list[int]:
    chats = telegram.add_started_users(CHATS)
    notify_all(chats * (WAITING // CHATS))
    return chats


def refuse_connections(telegram: RunningTelegram) -> Callable[[], None]:
    telegram.go_down()
    return telegram.come_back


def fail(kind: str, **fields: object) -> Callable[..., Callable[[], None]]:
    def begin(telegram: RunningTelegram) -> Callable[[], None]:
        rule = telegram.add_fault(kind, **fields)
        return lambda: telegram.remove_fault(rule)

    begin.__name__ = "_".join([kind, *map(str, fields.values())])
    return begin


def reject_token(telegram: RunningTelegram) -> Callable[[], None]:
    telegram.set_faults(revoked=True)
    return lambda: telegram.set_faults(revoked=False)


# How it begins, and how many attempts it may use up.
OUTAGES: list[tuple[Callable[..., Callable[[], None]], int]] = [
    (refuse_connections, CONCURRENCY),
    (fail("server_error", method="*", code=502, html=True), COUNTED_BEFORE_PAUSE),
    (fail("server_error", code=500), COUNTED_BEFORE_PAUSE),
    (fail("cut_before", method="*"), COUNTED_BEFORE_PAUSE),
    (fail("hang_before", method="*"), COUNTED_BEFORE_PAUSE),
    (reject_token, 0),
]


def pauses_begun() -> int:
    return Queue.objects.values_list("pause_epoch", flat=True).first() or 0


def delivered() -> int:
    return OrderNotification.objects.filter(processed=True).count()


def has_delivered(count: int) -> bool:
    return delivered() >= count


def used_up() -> int:
    counted = DeliveryAttempt.objects.filter(counted=True).count()
    total = OrderNotification.objects.aggregate(Sum("failed_attempts_number"))
    assert total["failed_attempts_number__sum"] == counted
    return counted


def assert_all_in_order(entries: list[Entry], chats: list[int]) -> None:
    by_chat = defaultdict(list)
    for entry in entries:
        if entry.message_id is not None and entry.text is not None:
            by_chat[entry.chat_id].append(int(entry.text.split()[-1]))
    assert set(by_chat) == set(chats)
    for numbers in by_chat.values():
        # One that was cut after its delivery comes again.
        assert [number for number, _ in itertools.groupby(numbers)] == sorted(
            set(numbers)
        )
    assert sum(len(set(numbers)) for numbers in by_chat.values()) == WAITING


@pytest.mark.parametrize(
    ("begin", "budget"), OUTAGES, ids=[begin.__name__ for begin, _ in OUTAGES]
)
def test_an_outage_in_mid_flow_uses_up_only_what_was_in_flight(telegram, begin, budget):
    chats = thousand_waiting(telegram)
    with sending(concurrency=CONCURRENCY):
        wait_until(lambda: delivered() >= 100, 60, "the first hundred")
        before = pauses_begun()
        end = begin(telegram)
        wait_until(lambda: pauses_begun() > before, 30, "the pause")
        during = delivered()
        # However long it takes: probes come and go.
        asked = telegram.last_seq
        wait_until(
            lambda: (
                Queue.objects.get().paused_until is not None
                and (telegram.last_seq > asked + 2 or telegram.local.faults.down)
            ),
            30,
            "the probes",
        )
        assert delivered() - during <= CONCURRENCY
        end()
        finish_all(120)

    assert delivered() == WAITING
    assert used_up() <= budget
    assert_all_in_order(telegram.ledger(), chats)


@pytest.mark.parametrize(
    "begin", [refuse_connections, reject_token], ids=lambda begin: begin.__name__
)
def test_an_outage_before_the_first_send_uses_up_nothing(telegram, begin):
    end = begin(telegram)
    chats = thousand_waiting(telegram)
    with sending(concurrency=CONCURRENCY), sending(concurrency=CONCURRENCY):
        wait_until(
            lambda: Queue.objects.filter(paused_until__isnull=False).exists(),
            what="the pause",
        )
        end()
        finish_all(120)

    assert used_up() == 0
    assert delivered() == WAITING
    assert_all_in_order(telegram.ledger(), chats)


def test_outages_that_come_and_go_use_up_what_each_had_in_flight(telegram):
    chats = thousand_waiting(telegram)
    rounds = 4
    with sending(concurrency=CONCURRENCY):
        for number in range(1, rounds + 1):
            wait_until(partial(has_delivered, number * 150), 60, "the next ones")
            telegram.go_down()
            telegram.come_back()
        finish_all(120)

    assert used_up() <= rounds * CONCURRENCY
    assert delivered() == WAITING
    assert_all_in_order(telegram.ledger(), chats)


def test_a_rejected_token_is_told_in_the_log_once_and_in_the_admin(
    telegram, admin_client, caplog, settings
):
    settings.NOTIFICATIONS_TOKEN_PAUSE = 0.2
    telegram.set_faults(revoked=True)
    notification = notify(*telegram.add_started_users(1))
    address = reverse(
        "admin:notifications_ordernotification_change", args=[notification.pk]
    )
    with sending():
        wait_until(lambda: len(telegram.ledger(method="getMe")) >= 2, 30, "two probes")
        page = admin_client.get(address).content.decode()
        telegram.set_faults(revoked=False)
        finish_all()

    assert "Telegram не узнаёт бота магазина" in page
    complaints = [
        record.getMessage()
        for record in caplog.records
        if record.levelname == "ERROR" and record.name == "notifications"
    ]
    assert len(complaints) == 1
    assert "rejects the bot's token" in complaints[0]
    assert telegram.token not in caplog.text
    assert delivered() == 1


def is_paused() -> bool:
    return Queue.objects.filter(paused_until__isnull=False).exists()


def has_paused(times: int) -> bool:
    return pauses_begun() >= times


def pauses_told(caplog: pytest.LogCaptureFixture) -> list[float]:
    return [float(told) for told in re.findall(r"pauses for ([\d.]+) s", caplog.text)]


def test_however_many_fail_at_once_the_first_pause_is_the_shortest(
    telegram, settings, caplog
):
    settings.NOTIFICATIONS_OUTAGE_PAUSES = [0.1, 300]
    notify_all(telegram.add_started_users(CONCURRENCY))
    telegram.go_down()
    with sending(concurrency=CONCURRENCY):
        wait_until(lambda: pauses_told(caplog), what="the pause")

    assert pauses_told(caplog)[0] == 0.1


def test_the_pauses_of_an_outage_grow_and_the_next_one_begins_anew(
    telegram, settings, caplog
):
    settings.NOTIFICATIONS_OUTAGE_PAUSES = [0.1, 0.2, 0.3]
    with sending(concurrency=CONCURRENCY):
        for _ in range(2):
            caplog.clear()
            telegram.go_down()
            notify_all(telegram.add_started_users(5))
            wait_until(lambda: len(pauses_told(caplog)) >= 4, what="four pauses")
            assert pauses_told(caplog)[:4] == [0.1, 0.2, 0.3, 0.3]
            telegram.come_back()
            finish_all()


def test_workers_that_start_during_an_outage_use_up_no_attempts(telegram):
    notify_all(telegram.add_started_users(40))
    rule = telegram.add_fault("server_error", code=500)
    with sending(concurrency=CONCURRENCY):
        wait_until(is_paused, what="the pause")
    for _ in range(3):
        next_one = partial(has_paused, pauses_begun() + 1)
        with sending(concurrency=CONCURRENCY):
            wait_until(next_one, what="a new pause")
    telegram.remove_fault(rule)
    with sending(concurrency=CONCURRENCY):
        finish_all()

    assert used_up() <= COUNTED_BEFORE_PAUSE


def test_messages_that_telegram_chokes_on_do_not_keep_the_others(telegram):
    choking = telegram.add_started_users(2 * COUNTED_BEFORE_PAUSE)
    for chat in choking:
        telegram.add_fault("server_error", chat_id=chat)
    notify_all(choking)
    others = notify_all(telegram.add_started_users(3))
    with sending(concurrency=1):
        finish(*others)
        # Each of the others ends the trial, so that these are counted again.
        while OrderNotification.objects.unfinished().exists():
            finish(*notify_all([others[0].tg_user_id]))

    given_up = OrderNotification.objects.given_up().values_list("tg_user_id", flat=True)
    assert set(given_up) == set(choking)


def test_who_answers_in_telegram_s_place_uses_up_one_attempt_for_each_passed_probe(
    telegram,
):
    rule = telegram.add_fault("server_error", code=302, html=True)
    notify_all(telegram.add_started_users(60))
    with sending(concurrency=CONCURRENCY):
        wait_until(lambda: pauses_begun() > 3, what="pauses")
        telegram.remove_fault(rule)
        finish_all()

    assert delivered() == 60
    assert 1 <= used_up() <= len(telegram.ledger(method="getMe"))


def test_a_message_for_which_somebody_else_answers_is_given_up(telegram):
    bad, good = telegram.add_started_users(2)
    telegram.add_fault("server_error", chat_id=bad, code=302, html=True)
    hopeless, fine = notify_all([bad, good])
    with sending(concurrency=1):
        finish(fine, hopeless)

    assert fine.processed
    assert hopeless.is_given_up
    assert hopeless.last_error_code == "not_telegram"
