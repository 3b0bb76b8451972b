"""The page of a queue in the admin: what it tells, and who may pause from it."""

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from django_workers.admin import QueueAdmin
from django_workers.models import Claim, Queue, Worker
from tests.shop.models import Parcel
from tests.shop.task_queues import AsyncQueue
from tests.support.settling import claim_all
from tests.support.workers import drain, make_worker

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "shop.Parcel"
SCRIPT = "<script>alert(1)</script>"


def person(*rights: str) -> Client:
    """Return the browser of somebody with these permissions of django_workers."""
    user = User.objects.create_user(f"user-{'-'.join(rights)}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    assert user.user_permissions.count() == len(rights)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator():
    return person("view_queue", "pause_queue")


@pytest.fixture
def queue():
    return Queue.objects.create(pk=NAME)


def address(name: str, pk: str = NAME) -> str:
    return reverse(f"admin:django_workers_queue_{name}", args=[pk])


def read(client: Client, name: str = "change") -> str:
    response = client.get(address(name))
    assert response.status_code == 200
    return response.content.decode()


def row() -> Queue:
    return Queue.objects.get(pk=NAME)


# --- what it tells --------------------------------------------------------------------


def test_the_page_tells_of_live_and_silent_workers(operator, queue):
    make_worker(AsyncQueue(), host="alive", pid=11, handled=7, failed=2)
    long_ago = timezone.now() - timedelta(minutes=5)
    make_worker(AsyncQueue(), host="gone", pid=12, heartbeat_at=long_ago)

    html = read(operator)

    lines = re.findall(r'<th scope="row">([^<]*)</th><td>([^<]*)</td>', html)
    assert lines == [("alive:11", "Работает"), ("gone:12", "Не подаёт признаков жизни")]
    assert '<td class="number">7</td><td class="number">2</td>' in html


def test_a_queue_with_only_silent_workers_is_called_forsaken(operator, queue):
    long_ago = timezone.now() - timedelta(minutes=5)
    make_worker(AsyncQueue(), heartbeat_at=long_ago)

    assert "С этой очередью никто не работает" in read(operator)


def test_claims_are_counted_by_what_becomes_of_them(operator, queue):
    worker = make_worker(AsyncQueue())
    now = timezone.now()
    states = [{"worker": worker}] * 3 + [{"held_until": now}] * 2 + [{"error": "boom"}]
    for number, state in enumerate(states):
        Claim.objects.create(id=uuid.uuid4(), queue=queue, task_id=str(number), **state)

    numbers = re.findall(r"<dd>(\d+)</dd>", read(operator))

    assert numbers == ["3", "2", "1"]


def test_the_rate_shown_is_that_of_the_workers(operator):
    queue = AsyncQueue()
    queue.rate = 12.5
    drain(queue)

    assert "12,5 в секунду" in read(operator)

    queue.rate = None
    drain(queue)
    assert "в секунду" not in read(operator)


def test_the_refreshed_part_is_that_of_the_page_without_its_frame(operator, queue):
    page, part = read(operator), read(operator, "state")

    assert "<html" in page
    assert "<html" not in part
    assert part in page


def test_the_page_needs_the_same_queries_for_any_number_of_workers(operator, queue):
    def count_queries() -> int:
        with CaptureQueriesContext(connection) as queries:
            read(operator)
        return len(queries)

    few = count_queries()
    for pid in range(20):
        make_worker(AsyncQueue(), pid=pid)

    assert count_queries() == few <= 8


def test_other_apps_add_their_own_to_the_page(operator, queue):
    def tell(request, queue):
        return f"Panel of {queue.name} for {request.user}"

    QueueAdmin.panels.append(tell)
    try:
        assert "Panel of shop.Parcel for user-view_queue-pause_queue" in read(operator)
    finally:
        QueueAdmin.panels.remove(tell)


# --- pause and resume -----------------------------------------------------------------


def test_pausing_stops_the_queue_until_it_is_resumed(operator, queue):
    Parcel.objects.create()

    response = operator.post(address("pause"), {"reason": "Меняем токен"}, follow=True)

    html = response.content.decode()
    assert "Очередь приостановлена" in html
    assert "Остановлена вручную: user-view_queue-pause_queue" in html
    assert "Меняем токен" in html
    assert claim_all(AsyncQueue(), make_worker(AsyncQueue())) == []

    operator.post(address("resume"))
    drain(AsyncQueue())

    assert Parcel.objects.get().done
    assert (row().stopped_at, row().stopped_by, row().stop_reason) == (None, "", "")


def test_the_history_keeps_who_paused_and_why(operator, queue):
    operator.post(address("pause"), {"reason": "Меняем токен"})
    operator.post(address("resume"))

    history = LogEntry.objects.order_by("pk").values_list("user__username", flat=True)
    assert list(history) == ["user-view_queue-pause_queue"] * 2
    texts = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert texts == ["Приостановлена. Меняем токен", "Снова запущена."]
    assert "Меняем токен" in read(operator, "history")


def test_a_second_pause_changes_nothing_and_says_so(operator, queue):
    operator.post(address("pause"), {"reason": "first"})

    response = operator.post(address("pause"), {"reason": "second"}, follow=True)

    assert "Очередь уже приостановлена." in response.content.decode()
    assert row().stop_reason == "first"
    assert LogEntry.objects.count() == 1


def test_a_reason_of_any_kind_is_kept_and_shown_as_text(operator, queue):
    operator.post(address("pause"), {"reason": SCRIPT + "\0" + "я" * 300 + "😀"})

    html = read(operator)
    assert len(row().stop_reason) == 200
    assert SCRIPT not in html
    assert escape(SCRIPT) in html


def test_a_pause_by_itself_can_be_ended_by_a_person(operator, queue):
    until = timezone.now() + timedelta(hours=1)
    Queue.objects.update(paused_until=until, pause_reason="bank_is_down")
    make_worker(AsyncQueue())
    assert "Пауза до" in read(operator)
    assert address("resume") in read(operator)

    operator.post(address("resume"))

    assert row().paused_until is None
    assert address("resume") not in read(operator)


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_to_look_is_not_to_pause(queue, action):
    viewer = person("view_queue")

    assert viewer.post(address(action)).status_code == 403
    assert address(action) not in read(viewer)
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_to_pause_without_looking_is_refused(queue, action):
    assert person("pause_queue").post(address(action)).status_code == 403


@pytest.mark.parametrize("name", ["change", "state"])
def test_who_may_not_look_sees_nothing(queue, name):
    assert person("pause_queue").get(address(name)).status_code == 403


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_a_link_neither_pauses_nor_resumes(operator, queue, action):
    assert operator.get(address(action)).status_code == 405
    assert Client().post(address(action)).status_code == 302
    assert row().stopped_at is None


def test_a_forged_form_is_refused(operator, queue):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies

    assert strict.post(address("pause")).status_code == 403
    assert row().stopped_at is None


@pytest.mark.parametrize("name", ["change", "state"])
def test_there_is_no_page_of_a_queue_that_is_not_there(operator, name):
    assert operator.get(address(name, "no.Queue")).status_code == 404


def test_a_queue_of_any_name_has_a_page(operator):
    strange = "a/pause/б_?#%20"
    Queue.objects.create(pk=strange)
    html = operator.get(reverse("admin:django_workers_queue_changelist")).content
    (link,) = re.findall(r'field-name"><a href="([^"]+)"', html.decode())

    page = operator.get(link).content.decode()
    (action,) = re.findall(r'id="queue-action" method="post" action="([^"]+)"', page)
    operator.post(action)

    assert Queue.objects.get(pk=strange).stopped_at is not None


def test_a_worker_that_died_is_told_in_the_list_of_workers():
    long_ago = timezone.now() - timedelta(minutes=5)
    make_worker(AsyncQueue(), heartbeat_at=long_ago)
    make_worker(AsyncQueue())
    assert Worker.objects.count() == 2

    html = person("view_worker").get(reverse("admin:django_workers_worker_changelist"))

    states = re.findall(r'field-state">([^<]*)<', html.content.decode())
    assert sorted(states) == ["Не подаёт признаков жизни", "Работает"]
