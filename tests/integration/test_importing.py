"""Files of orders: what the dry run finds, and what the import makes of them."""

import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override

from notifications.importing.checking import Findings, bad_lines, check
from notifications.importing.files import CsvFile, Wrong, WrongFile, pack
from notifications.importing.lines import MAX_LINES
from notifications.importing.loading import BATCH, forget_old, load
from notifications.models import (
    Customer,
    Order,
    OrderImport,
    OrderNotification,
    OrderStatus,
    PastInvite,
)
from notifications.task_queues import OrderNotificationQueue
from tests.support.orders import take
from tests.support.shop import connected
from tests.support.telegram import RunningTelegram
from tests.support.waiting import wait_until
from tests.support.workers import in_thread, working

pytestmark = pytest.mark.django_db

HEADER = "number;customer;customer name;phone;status;notify\n"
SECONDS = 60.0


def file_of(*lines: str, header: str = HEADER) -> CsvFile:
    return pack([(header + "\n".join(lines)).encode()])


def problems_of(*lines: str) -> list[list[str]]:
    """Return the codes of the problems of each bad line."""
    _, bad = bad_lines(file_of(*lines))
    return [[problem.code for problem in judged.problems] for judged in bad]


def job_of(file: CsvFile, *, notify: bool | None = True) -> OrderImport:
    user, _ = User.objects.get_or_create(username="manager")
    return OrderImport.objects.create(
        user=user,
        file_name="orders.csv",
        content=file.content,
        encoding=file.encoding,
        findings={},
        notify=notify,
    )


def imported(*lines: str, notify: bool = True) -> OrderImport:
    """Import these lines to the end; return the job."""
    job = job_of(file_of(*lines), notify=notify)
    while not load(job.pk, seconds=SECONDS):
        pass
    job.refresh_from_db()
    return job


def orders() -> list[tuple[str, str]]:
    found = Order.objects.order_by("pk")
    return list(found.values_list("number", "customer__name"))


# --- who is meant ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [
        "+7 916 000-00-01",
        "8(916)0000001",
        "9160000001",
        "'+79160000001",
        "@Anna_K",
        "@anna_k",
        "code-1",
        "Анна  Смирнова",
    ],
)
def test_a_customer_is_found_by(reference: str) -> None:
    connected(
        "Анна Смирнова",
        phone="8 916 000 00 01",
        tg_username="anna_K",
        invite_code="code-1",
    )
    Customer.objects.create(name="Анна", phone="+7 916 000-00-02")

    imported(f"1;{reference}")

    assert orders() == [("1", "Анна Смирнова")]
    assert Customer.objects.count() == 2


def test_a_customer_is_found_by_an_invite_from_before_a_merge() -> None:
    anna = connected()
    PastInvite.objects.create(code="old-code", customer=anna)
    PastInvite.objects.create(code="older-code", customer=anna)

    imported("1;old-code", "2;older-code")

    assert orders() == [("1", "Анна"), ("2", "Анна")]


def test_digits_in_a_name_are_no_phone() -> None:
    Customer.objects.create(name="Склад 9160000001", phone="1")

    assert problems_of("1;9160000001") == [["customer_unknown"]]


def test_two_cards_with_one_phone_are_not_guessed_between() -> None:
    Customer.objects.create(name="Анна", phone="+7 916 000-00-01")
    Customer.objects.create(name="Пётр", phone="89160000001")

    assert problems_of("1;9160000001") == [["customer_ambiguous"]]


def test_two_cards_with_one_name_are_not_guessed_between() -> None:
    Customer.objects.create(name="Анна")
    Customer.objects.create(name="Анна")

    assert problems_of("1;Анна", "2;;Анна") == [["customer_ambiguous"]] * 2


def test_a_new_card_is_made_once_for_all_its_lines() -> None:
    job = imported(
        "1;;Олег;+7 916 000-00-05",
        "2;8 916 000 00 05;Олег Тихий",
        "3;9160000005",
        "4;Олег",
        "5;;Инна",
        "6;Инна",
    )

    (oleg, inna) = Customer.objects.order_by("pk")
    assert (oleg.name, oleg.phone) == ("Олег", "+7 916 000-00-05")
    assert (inna.name, inna.phone) == ("Инна", "")
    assert not oleg.registered_by_bot
    assert job.customers_made == 2
    assert oleg.orders.count() == 4
    # A new card is found by a search like any other.
    assert set(oleg.words.values_list("word", flat=True)) >= {"олег", "9160000005"}


def test_a_phone_beside_an_unknown_name_comes_to_the_new_card() -> None:
    imported("1;Новый клиент;Новый клиент;8 916 000-00-07")

    assert Customer.objects.get().phone == "8 916 000-00-07"


def test_a_known_card_is_not_changed() -> None:
    anna = connected("Анна", phone="+7 916 000-00-01")

    imported("1;9160000001;Другое имя;")

    anna.refresh_from_db()
    assert (anna.name, anna.phone) == ("Анна", "+7 916 000-00-01")


# --- what is wrong with a line --------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        (";Анна", ["number_missing"]),
        ("123456789;Анна", ["number_long"]),
        ("1 2;Анна", ["number_spaces"]),
        ('"1\n2";Анна', ["number_spaces"]),
        ("1;", ["customer_missing"]),
        ("1;Никто", ["customer_unknown"]),
        ("1;@nobody;Имя", ["username_unknown"]),
        ("1;7,91600E+10", ["phone_shortened"]),
        ("1;;Имя;7.9E+10", ["phone_shortened"]),
        ("1;;Имя;звонить вечером", ["phone_wrong"]),
        ("1;;Имя;123", ["phone_wrong"]),
        ("1;;" + "я" * 201, ["name_long"]),
        ("1;Анна;;;потерян", ["status_unknown"]),
        ("1;Анна;;;;может быть", ["notify_unknown"]),
        ("1;Анна;;;;;лишнее", ["cells"]),
        ('1;"Ан"на', ["quotes"]),
        (";;;звонить;потерян;?", ["phone_wrong", "number_missing", "status_unknown"]),
    ],
)
def test_a_line_is_refused_with_all_its_reasons(line: str, codes: list[str]) -> None:
    connected("Анна")

    (found,) = problems_of(line)

    assert set(found) >= set(codes)
    for code in codes:
        assert found.count(code) == 1


def test_every_reason_is_a_sentence_in_either_language() -> None:
    for language in ("ru", "en"):
        with override(language):
            _, bad = bad_lines(file_of("1 2;Никто", '2;"x"y', "3;{value}"))
            for judged in bad:
                for problem in judged.problems:
                    assert problem.words.endswith(".")


def test_the_status_is_told_by_its_name_or_its_code() -> None:
    connected("Анна")
    OrderStatus.objects.filter(pk="packed").update(is_active=False)

    imported("1;Анна;;;ОПЛАЧЕН", "2;Анна;;;shipped", "3;Анна;;;", "4;Анна;;;Paid")

    statuses = Order.objects.order_by("number").values_list("status", flat=True)
    assert list(statuses) == ["paid", "shipped", "new", "paid"]
    assert problems_of("5;Анна;;;packed") == [["status_unknown"]]


def test_a_number_that_comes_twice_is_taken_once() -> None:
    connected("Анна")

    findings = check(file_of("1;Анна", "2;Анна", "1;Анна"))
    (bad,) = bad_lines(file_of("1;Анна", "2;Анна", "1;Анна"))[1]

    assert (findings.orders, findings.bad) == (2, 1)
    assert (bad.problems[0].code, bad.problems[0].line) == ("number_twice", 2)


def test_a_number_of_a_bad_line_is_free_for_a_good_one() -> None:
    connected("Анна")
    lines = ["1;Никто", "1;Анна"]

    findings = check(file_of(*lines))
    job = imported(*lines)

    assert (findings.orders, findings.bad) == (1, 1)
    assert job.orders_made == 1


def test_an_order_that_is_there_is_left_as_it_is() -> None:
    anna, peter = connected("Анна"), connected("Пётр", 1002)
    Order.objects.create(number="1", customer=anna)
    Order.objects.create(number="2", customer=peter)
    lines = ["1;Анна;;;shipped", "2;Анна", "3;Анна"]

    findings = check(file_of(*lines))
    imported(*lines)

    assert (findings.known, findings.bad, findings.orders) == (1, 1, 1)
    assert problems_of(*lines) == [["number_taken"]]
    assert Order.objects.get(number="1").status_id == "new"
    assert orders()[2:] == [("3", "Анна")]


def test_a_file_with_nothing_but_a_header_is_refused() -> None:
    with pytest.raises(WrongFile) as caught:
        check(file_of())

    assert caught.value.wrong is Wrong.NO_LINES


def test_a_file_of_too_many_lines_is_refused() -> None:
    file = pack([HEADER.encode() + b";\n;x\n" + b"1;x\n" * (MAX_LINES)])

    with pytest.raises(WrongFile) as caught:
        check(file)

    assert caught.value.wrong is Wrong.TOO_MANY_LINES


# --- the dry run ----------------------------------------------------------------------


def test_the_dry_run_writes_nothing_and_tells_what_would_be() -> None:
    connected("Анна")
    Customer.objects.create(name="Пётр")
    connected("Олег", 1003, unsubscribed_at=timezone.now())
    OrderStatus.objects.filter(pk="packed").update(notifies=False)
    lines = [
        "1;Анна",
        "2;Анна;;;;нет",
        "3;Анна;;;packed",
        "4;Пётр",
        "5;Олег",
        "6;;Новый",
        "7;Никто",
    ]

    with CaptureQueriesContext(connection) as queries:
        findings = check(file_of(*lines))

    assert not [q for q in queries if not q["sql"].startswith("SELECT")]
    assert findings.lines == 7
    assert (findings.orders, findings.customers, findings.bad) == (6, 1, 1)
    assert (findings.messages, findings.later) == (1, 3)
    assert [line for line, _, _ in findings.shown_lines] == [8]


def test_the_dry_run_and_the_import_agree() -> None:
    connected("Анна", phone="8 916 000-00-01")
    Customer.objects.create(name="Пётр")
    lines = [
        *(f"{n};9160000001" for n in range(1, 1200, 2)),
        *(f"{n};;Клиент {n % 97};" for n in range(2, 1200, 2)),
        *(f"{n};Никто" for n in range(2000, 2700)),
        *(f"{n};Пётр" for n in range(1, 40)),
    ]

    findings = check(file_of(*lines))
    job = imported(*lines)

    assert (job.orders_made, job.customers_made) == (
        findings.orders,
        findings.customers,
    )
    assert job.messages_made == findings.messages == 600
    assert job.position == findings.lines
    assert findings.bad == 700 + 39
    assert len(findings.shown) == 200
    assert findings.has_more_bad


@pytest.mark.parametrize("lines", [1_000, 10_000])
def test_the_dry_run_asks_a_fixed_number_of_queries_per_thousand_lines(
    lines: int,
) -> None:
    connected("Анна", tg_username="anna")
    kinds = ["9160000001", "@anna", "Анна", "code"]
    file = file_of(*(f"{n};{kinds[n % 4]};Имя {n}" for n in range(lines)))

    with CaptureQueriesContext(connection) as queries:
        check(file)

    assert len(queries) <= 2 + 5 * lines / 1_000


def test_memory_of_the_dry_run_is_that_of_numbers_and_new_cards_only() -> None:
    connected("Анна")

    def peak(lines: int) -> int:
        rows: Iterator[str] = (f"{n};Никто {n} {'x' * 300}\n" for n in range(lines))
        file = pack(row.encode() for row in [HEADER, *rows])
        tracemalloc.start()
        check(file)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(500)
    assert peak(10_000) < 1.5 * peak(2_000)


# --- the import -----------------------------------------------------------------------


def test_orders_come_with_their_messages_in_the_order_of_the_lines() -> None:
    connected("Анна 🌸")

    job = imported("3;Анна 🌸", "1;Анна 🌸;;;paid", "2;Анна 🌸;;;;no")

    messages = OrderNotification.objects.order_by("pk")
    assert [message.message for message in messages] == [
        "Сформирован заказ номер 3",
        "Заказ номер 1: Оплачен",
    ]
    assert (job.orders_made, job.messages_made) == (3, 2)
    assert job.finished_at is not None


def test_nobody_is_told_of_orders_that_are_imported_silently() -> None:
    connected("Анна")

    job = imported("1;Анна", "2;Анна;;;shipped;да", notify=False)

    assert job.orders_made == 2
    assert not OrderNotification.objects.exists()
    assert not Order.objects.filter(notify=True).exists()


def test_an_import_that_nobody_confirmed_makes_nothing() -> None:
    connected("Анна")
    job = job_of(file_of("1;Анна"), notify=None)

    assert not load(job.pk, seconds=SECONDS)

    assert orders() == []


def test_a_part_ends_when_its_time_is_over_and_the_next_goes_on() -> None:
    connected("Анна")
    lines = BATCH * 2 + 7
    job = job_of(file_of(*(f"{n};Анна" for n in range(lines))))

    parts = 1
    while not load(job.pk, seconds=0):
        job.refresh_from_db()
        assert job.position == job.orders_made == parts * BATCH
        parts += 1

    assert parts == 3
    assert Order.objects.count() == lines


def test_a_file_that_ends_with_a_whole_batch_is_finished_too() -> None:
    connected("Анна")

    job = imported(*(f"{n};Анна" for n in range(BATCH)))

    assert job.orders_made == BATCH
    assert not load(job.pk, seconds=SECONDS)


def test_the_same_file_again_makes_nothing_twice() -> None:
    connected("Анна")
    lines = ["1;Анна", "2;;Новый;8 916 000-00-09"]
    imported(*lines)

    again = imported(*lines)

    assert (again.orders_made, again.customers_made) == (0, 0)
    assert len(orders()) == 2
    assert OrderNotification.objects.count() == 1


def test_a_corrected_file_brings_what_was_left_out() -> None:
    connected("Анна")
    imported("1;Анна", "2;Ана")

    again = imported("1;Анна", "2;Анна")

    assert again.orders_made == 1
    assert orders() == [("1", "Анна"), ("2", "Анна")]


def test_a_batch_takes_a_fixed_number_of_queries() -> None:
    connected("Анна")

    def queries(lines: int, first: int) -> int:
        job = job_of(file_of(*(f"{first + n};Анна" for n in range(lines))))
        with CaptureQueriesContext(connection) as captured:
            load(job.pk, seconds=SECONDS)
        return len(captured)

    few, many = queries(2, 10), queries(BATCH - 1, 1000)
    # SQLite inserts some hundred rows with one statement.
    assert many - few <= 12
    assert few <= 25


def test_old_files_and_those_that_were_replaced_are_forgotten() -> None:
    fresh = job_of(file_of("1;Анна"))
    unconfirmed = job_of(file_of("1;Анна"), notify=None)
    old = job_of(file_of("1;Анна"))
    long_ago = timezone.now() - timedelta(days=2)
    OrderImport.objects.filter(pk=old.pk).update(created_at=long_ago)
    somebody = User.objects.create(username="other")
    others = job_of(file_of("1;Анна"), notify=None)
    OrderImport.objects.filter(pk=others.pk).update(user=somebody)

    forget_old(of_user=unconfirmed.user_id)

    left = OrderImport.objects.order_by("pk").values_list("pk", flat=True)
    assert list(left) == [fresh.pk, others.pk]


# --- at the same time as others -------------------------------------------------------


def at_once(*jobs: OrderImport) -> list[bool]:
    ended: list[bool] = []

    def run(pk: int) -> None:
        ended.append(load(pk, seconds=SECONDS))

    threads = [in_thread(partial(run, job.pk)) for job in jobs]
    for thread in threads:
        thread.join()
    return ended


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_import_each_line_once() -> None:
    connected("Анна")
    job = job_of(file_of(*(f"{n};Анна" for n in range(BATCH * 3))))

    ended = at_once(job, job)

    job.refresh_from_db()
    assert sorted(ended) == [False, True]
    assert (job.orders_made, job.position) == (BATCH * 3, BATCH * 3)
    assert Order.objects.count() == OrderNotification.objects.count() == BATCH * 3


@pytest.mark.django_db(transaction=True)
def test_two_managers_with_the_same_file_make_each_order_once() -> None:
    connected("Анна")
    file = file_of(*(f"{n};Анна" for n in range(BATCH * 3)))
    backwards = file_of(*(f"{n};Анна" for n in reversed(range(BATCH * 3))))
    jobs = [job_of(file), job_of(file), job_of(backwards)]

    assert at_once(*jobs) == [True] * 3

    made = OrderImport.objects.values_list("orders_made", flat=True)
    assert sum(made) == Order.objects.count() == BATCH * 3
    assert OrderNotification.objects.count() == BATCH * 3


@pytest.mark.django_db(transaction=True)
def test_a_number_that_is_taken_meanwhile_is_left_out() -> None:
    anna, peter = connected("Анна"), connected("Пётр", 1002)
    job = job_of(file_of("1;Анна", "2;Анна", "3;Анна"))
    taken: list[Any] = []

    def take_a_number(execute: Any, sql: str, *arguments: Any) -> Any:
        is_insert = sql.startswith('INSERT INTO "notifications_order" ')
        if is_insert and not taken:
            taken.append(sql)
            if connection.vendor == "sqlite":
                # Nobody else can write while this transaction does.
                raise IntegrityError("UNIQUE constraint failed")
            in_thread(lambda: Order.objects.create(number="2", customer=peter)).join()
        return execute(sql, *arguments)

    with connection.execute_wrapper(take_a_number):
        assert load(job.pk, seconds=SECONDS)

    job.refresh_from_db()
    others = 1 if connection.vendor == "postgresql" else 0
    assert (job.position, job.orders_made) == (3, 3 - others)
    assert anna.orders.count() == 3 - others
    assert len(taken) == 1


@pytest.mark.django_db(transaction=True)
def test_a_card_that_is_deleted_meanwhile_is_missed_in_its_line_alone() -> None:
    connected("Анна")
    peter = connected("Пётр", 1002)
    job = job_of(file_of("1;Анна", "2;Пётр"))
    gone: list[Any] = []

    def delete_a_card(execute: Any, sql: str, *arguments: Any) -> Any:
        if "FOR UPDATE" in sql and "notifications_customer" in sql and not gone:
            gone.append(sql)
            in_thread(peter.delete).join()
        return execute(sql, *arguments)

    if connection.vendor == "sqlite":
        pytest.skip("on SQLite nobody else writes meanwhile")
    with connection.execute_wrapper(delete_a_card):
        assert load(job.pk, seconds=SECONDS)

    assert orders() == [("1", "Анна")]


@pytest.mark.django_db(transaction=True)
def test_a_worker_sends_while_a_file_is_imported(settings: Any) -> None:
    with RunningTelegram() as telegram:
        settings.TG_API_URL = telegram.api_url
        settings.TG_BOT_TOKEN = telegram.token
        settings.NOTIFICATIONS_RATE = 1000.0
        for number, chat in enumerate(telegram.add_started_users(40)):
            connected(f"Клиент {number}", chat)
        lines = (f"{n};Клиент {n % 40}" for n in range(BATCH * 2))
        job = job_of(file_of(*lines))

        with working(OrderNotificationQueue()):
            assert load(job.pk, seconds=SECONDS)
            done = OrderNotification.objects.filter(processed=True)
            wait_until(lambda: done.count() == BATCH * 2, SECONDS, "all messages")

    assert take() == []


# --- many -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_twenty_thousand_lines_are_checked_and_imported() -> None:
    for n in range(50):
        connected(f"Клиент {n}", 3000 + n, phone=f"8 916 000-01-{n:02}")
    file = file_of(*(f"{n};+7916000{100 + n % 50:04}" for n in range(20_000)))

    findings = check(file)
    job = job_of(file)
    while not load(job.pk, seconds=1.5):
        pass

    job.refresh_from_db()
    assert findings.orders == job.orders_made == 20_000
    assert findings.messages == job.messages_made == 20_000


def test_findings_survive_being_kept_as_json() -> None:
    connected("Анна")
    file = file_of("1;Анна", "2;Никто", "2 3;Никто")
    findings = check(file)
    job = job_of(file)
    job.findings = {
        name: getattr(findings, name) for name in Findings.__dataclass_fields__
    }
    job.save()
    job.refresh_from_db()

    kept = Findings(**job.findings)

    assert list(kept.shown_lines) == list(findings.shown_lines)
