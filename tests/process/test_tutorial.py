"""The tutorial of django_workers does what it says, step by step."""

import json
import re
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.support.telegram import ANNA, IVAN, RunningTelegram
from tests.support.tutorial import (
    README,
    ROOT,
    RUSSIAN_README,
    Block,
    Process,
    Project,
    read_blocks,
    says,
    set_up,
)
from tests.support.waiting import wait_until

BLOCKS = read_blocks(README)
RUN_WORKER = next(block.text for block in BLOCKS if block.kind == "worker").strip()
FAST_WORKER = RUN_WORKER.replace("task_queues", "fast_task_queues")
OLDER_SPELLING = 'models.BooleanField("Обработано")'


# --- what a reader has before the first notification ----------------------------------


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return set_up(tmp_path_factory.mktemp("prepared"), BLOCKS)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with the older spelling of the model, and no optional step."""
    blocks = [
        replace(
            block,
            text=block.text.replace(
                'models.BooleanField("Обработано", default=False)', OLDER_SPELLING
            ),
        )
        for block in BLOCKS
        if not block.is_optional
    ]
    return set_up(tmp_path_factory.mktemp("older"), blocks)


@pytest.fixture
def telegram() -> Iterator[RunningTelegram]:
    with RunningTelegram() as telegram:
        telegram.press_start(ANNA)
        yield telegram


@pytest.fixture
def project(
    prepared: Project, telegram: RunningTelegram, tmp_path: Path
) -> Iterator[Project]:
    with prepared.copy_to(tmp_path / "project") as project:
        project.configure(TG_BOT_TOKEN=telegram.token, TG_API_URL=telegram.api_url)
        yield project


def notify(project: Project, number: str, user_id: int) -> None:
    project.add_notification(
        order_number=number,
        tg_user_id=user_id,
        processed=False,
        failed_attempts_number=0,
    )


# --- the whole of it ------------------------------------------------------------------


class Reader:
    """Follows the tutorial from the first line to the last, as a person would."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        self.telegram: Process | None = None
        self.site: Process | None = None
        self.site_url = ""
        self.page_url = ""
        self.worker: Process | None = None

    def read(self, blocks: list[Block]) -> None:
        for number, block in enumerate(blocks):
            match block.kind:
                case "telegram":
                    self.start_telegram(block)
                case "site":
                    self.start_site(block)
                case "worker":
                    self.watch_worker(block, blocks[number + 1])
                case "output":
                    pass  # compared with what the worker above it wrote
                case "":
                    continue
                case _:
                    self.project.do(block)

    def start_telegram(self, block: Block) -> None:
        python, *arguments = block.text.split()
        assert python == ".venv/bin/python"
        command = [sys.executable, *arguments]
        folder, self.project.folder = self.project.folder, ROOT
        self.telegram = self.project.start(" ".join(command))
        self.project.folder = folder
        self.telegram.read_until("api_url")
        ready = json.loads(self.telegram.written)
        self.page_url = ready["page_url"]
        self.project.configure(TG_BOT_TOKEN=ready["token"], TG_API_URL=ready["api_url"])
        start = f"{self.page_url}control/users/{ANNA}/start"
        httpx.post(start, json={}).raise_for_status()

    def start_site(self, block: Block) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.site = self.project.start(block.text.replace("8000", str(port)))
        self.site_url = f"http://127.0.0.1:{port}/admin/"
        wait_until(self.site_answers, timeout=30, what="the site's answer")

    def site_answers(self) -> bool:
        try:
            return httpx.get(self.site_url, timeout=30).status_code == 302
        except httpx.TransportError:
            return False

    def watch_worker(self, block: Block, expected: Block) -> None:
        assert expected.kind == "output", f"what does {block.text!r} write?"
        self.worker = self.project.start(block.text)
        if "--drain" not in block.text:
            self.worker.read_until("drains")
            if self.site is not None:
                self.add_notification_on_the_site("2")
            self.worker.read_until(_last_event_before_the_stop(expected))
            assert self.worker.stop(signal.SIGINT) == 0
        else:
            assert self.worker.wait() == 0
        assert says(expected.text, self.worker.written), self.worker.written

    def add_notification_on_the_site(self, number: str) -> None:
        password = _variable("DJANGO_SUPERUSER_PASSWORD")
        with httpx.Client(follow_redirects=True, timeout=30) as browser:

            def fill_in(page: str, **fields: str) -> str:
                browser.get(page).raise_for_status()
                token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
                answer = browser.post(page, data=fields | token)
                return answer.raise_for_status().text

            login = f"{self.site_url}login/?next=/admin/"
            fill_in(login, username="manager", password=password)
            page = f"{self.site_url}notifications/ordernotification/add/"
            listed = fill_in(
                page,
                order_number=number,
                tg_user_id=str(ANNA),
                failed_attempts_number="0",
            )
        assert f"Заказ {number}" in listed

    def sent(self, user_id: int) -> list[tuple[int, str]]:
        ledger = f"{self.page_url}control/ledger?method=sendMessage&chat_id={user_id}"
        entries = httpx.get(ledger).raise_for_status().json()["entries"]
        return [(entry["code"], entry["text"]) for entry in entries]


def _last_event_before_the_stop(expected: Block) -> str:
    """Return the words of the last line that comes before the reader's Ctrl-C."""
    return expected.text.splitlines()[-2].rpartition(": ")[2]


def _variable(name: str) -> str:
    found = re.search(rf"^export {name}=(\S+)$", README.read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_a_reader_who_does_every_step_sees_what_the_tutorial_shows(tmp_path):
    reader = Reader(tmp_path)
    with reader.project:
        reader.read(BLOCKS)

        rows = reader.project.notifications()
        assert reader.telegram is not None
        assert reader.site is not None
        sent, refused = reader.sent(ANNA), reader.sent(IVAN)
        assert reader.telegram.stop() == 0
        reader.site.kill()

    numbers = [str(number) for number in range(1, 24) if number != 3]
    assert sorted(sent) == sorted(
        (200, f"Сформирован заказ номер {number}") for number in numbers
    )
    assert refused == [(403, "Сформирован заказ номер 3")] * 3
    assert [row["order_number"] for row in rows if not row["processed"]] == ["3"]
    assert rows[2]["failed_attempts_number"] == 3


def test_every_block_of_the_tutorial_is_executed():
    tutorial, _, _ = README.read_text().partition("\n## Reference\n")
    executed = [block for block in BLOCKS if block.kind]

    unmarked = [block for block in BLOCKS if not block.kind and block.text in tutorial]

    assert unmarked == []
    assert len(executed) > 20


def test_both_languages_show_the_same_code():
    assert read_blocks(RUSSIAN_README) == BLOCKS


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "python"])
def test_every_example_is_valid_python(block):
    compile(block.text, "README", "exec")


# --- what the plain queue does --------------------------------------------------------


def test_a_success_is_sent_once_and_marked_as_processed(project, telegram):
    notify(project, "1", ANNA)
    worker = project.start(RUN_WORKER)
    worker.read_until("Task 1 succeeded.")

    code = worker.stop()
    again = project.run(*RUN_WORKER.split(), "--drain")

    (row,) = project.notifications()
    assert (row["processed"], row["failed_attempts_number"]) == (1, 0)
    assert telegram.texts(ANNA) == ["Сформирован заказ номер 1"]
    assert len(telegram.ledger()) == 1
    assert (code, again.returncode) == (0, 0)


def test_three_refusals_are_counted_and_there_is_never_a_fourth(project, telegram):
    notify(project, "1", IVAN)

    counts = []
    for _ in range(3):
        done = project.run(*RUN_WORKER.split(), "--max-tasks", "1")
        counts.append(project.notifications()[0]["failed_attempts_number"])
        assert done.returncode == 0
    worker = project.start(RUN_WORKER)
    worker.read_until("drains")
    notify(project, "2", ANNA)
    worker.read_until("Task 2 succeeded.")
    code = worker.stop()
    drained = project.run(*RUN_WORKER.split(), "--drain")

    refused, delivered = project.notifications()
    assert counts == [1, 2, 3]
    assert (refused["processed"], refused["failed_attempts_number"]) == (0, 3)
    assert delivered["processed"] == 1
    assert [entry.code for entry in telegram.ledger(chat_id=IVAN)] == [403, 403, 403]
    assert (code, drained.returncode) == (0, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_stops_at_a_signal_with_exit_code_0(project, number):
    worker = project.start(RUN_WORKER)
    worker.read_until("drains")

    assert worker.stop(number) == 0
    assert worker.written.endswith("Worker stopped: 0 handled, 0 failed.\n")


def test_a_task_in_flight_is_finished_after_sigterm(project, telegram):
    telegram.set_faults(slow_seconds=2)
    notify(project, "1", ANNA)
    notify(project, "2", ANNA)
    worker = project.start(RUN_WORKER)
    telegram.wait_for_requests(1, timeout=60)

    code = worker.stop()

    assert code == 0
    assert [row["processed"] for row in project.notifications()] == [1, 0]
    assert telegram.texts(ANNA) == ["Сформирован заказ номер 1"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_worker_with_its_number(project, telegram, number):
    telegram.add_fault("hang_before")
    notify(project, "1", ANNA)
    worker = project.start(RUN_WORKER)
    telegram.wait_for_requests(1, timeout=60)
    worker.popen.send_signal(number)
    worker.read_until("Stopping: 1 in flight")

    assert worker.stop(number) == 128 + number


def test_the_older_spelling_of_the_model_works_unchanged(older, telegram, tmp_path):
    with older.copy_to(tmp_path / "project") as project:
        models = (project.folder / "notifications" / "models.py").read_text()
        project.configure(TG_BOT_TOKEN=telegram.token, TG_API_URL=telegram.api_url)
        created = project.run(
            "python",
            "manage.py",
            "shell",
            "-c",
            "from notifications.models import OrderNotification as N\n"
            f"N(order_number='1', tg_user_id={ANNA}, processed=False).save()\n"
            "N.objects.create(\n"
            f"    order_number='2', tg_user_id={IVAN}, processed=False)\n",
        )
        worker = project.run(*RUN_WORKER.split(), "--drain")

        rows = project.notifications()

    assert OLDER_SPELLING in models
    assert (created.returncode, worker.returncode) == (0, 0), worker.stderr
    assert [row["processed"] for row in rows] == [1, 0]
    assert [row["failed_attempts_number"] for row in rows] == [0, 3]
    assert telegram.texts(ANNA) == ["Сформирован заказ номер 1"]
    assert len(telegram.ledger(chat_id=IVAN)) == 3


# --- what the other queue does better -------------------------------------------------


def test_the_fast_queue_waits_as_long_as_telegram_asks(project, telegram):
    telegram.add_fault("flood", chat_id=ANNA, times=1, retry_after=1)
    notify(project, "1", ANNA)

    done = project.run(*FAST_WORKER.split(), "--drain")

    first, second = telegram.ledger(chat_id=ANNA)
    (row,) = project.notifications()
    assert done.returncode == 0, done.stderr
    assert (first.code, second.code) == (429, 200)
    assert second.started - first.finished >= 1
    assert (row["processed"], row["failed_attempts_number"]) == (1, 0)


def test_the_fast_queue_counts_no_outage_and_goes_on_after_it(project, telegram):
    telegram.go_down()
    notify(project, "1", ANNA)
    worker = project.start(f"{FAST_WORKER} --drain")
    worker.read_until("pauses for 2.0 s: telegram_is_away.")

    telegram.come_back()
    code = worker.wait()

    (row,) = project.notifications()
    assert code == 0
    assert "goes on." in worker.written
    assert (row["processed"], row["failed_attempts_number"]) == (1, 0)
    assert telegram.texts(ANNA) == ["Сформирован заказ номер 1"]


def test_the_fast_queue_keeps_the_token_out_of_the_log(project, telegram):
    notify(project, "1", IVAN)
    telegram.add_fault("cut_before", chat_id=ANNA, times=1)
    notify(project, "2", ANNA)

    done = project.run(*FAST_WORKER.split(), "--drain")

    failed = re.findall(r"Task (\d) failed: (\w+)\.", done.stderr)
    assert sorted(failed) == [("1", "refused")] * 3 + [("2", "no_answer")]
    assert telegram.token not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_fast_queue_says_that_the_token_is_missing(project):
    project.configure(TG_BOT_TOKEN="replace_me")

    done = project.run(*FAST_WORKER.split())

    assert done.returncode == 1
    assert done.stderr == "CommandError: Put the token of your bot into .env.\n"


# --- the local Telegram ---------------------------------------------------------------


def test_the_numbers_that_the_tutorial_names_are_those_of_the_phones():
    text = README.read_text()

    assert re.findall(r"Her number is (\d+)", text) == [str(ANNA)]
    assert re.findall(r"whose number is (\d+)", text) == [str(IVAN)]


def test_the_steps_for_pip_name_what_the_code_imports():
    (install,) = (c for b in BLOCKS for c in b.commands if c.startswith("pip install"))
    imported = {
        name
        for block in BLOCKS
        if block.kind in ("file", "change")
        for name in re.findall(r"^\+?(?:from|import) (\w+)", block.text, re.MULTILINE)
    }

    assert imported - {"django_workers"} == set(
        re.findall(r"\b(django|environs|httpx)\b", install)
    )
