"""The judge of the chaos run: it acquits and convicts what it should."""

from itertools import count, islice

import pytest

from tests.soak import plan
from tests.soak.history import tell
from tests.soak.verdict import judge

ROW = 1
ANNA, BORIS = 100, 200


class Story:
    """A ledger that a test writes: one row, unless it says otherwise; beats of 1 s."""

    def __init__(self):
        self.entries = [{"at": 0.0, "pid": 1, "event": "opened", "beat": 1.0}]
        self._numbers = count()

    def tell(self, at, event, pid=1, **facts):
        self.entries.append({"at": at, "pid": pid, "event": event, **facts})

    def run(
        self, pid, begun, ended=None, how="sent", row=ROW, started=None, recorded=None
    ):
        number = next(self._numbers)
        started = begun if started is None else started
        self.tell(begun, "begin", pid, row=row, run=number, started=started)
        if ended is not None:
            self.tell(ended, how, pid, row=row, run=number)
        if recorded is not None and how == "refused":
            self.tell(recorded, "counted", pid, row=row, reason="refused")
        elif recorded is not None:
            self.tell(recorded, "recorded", pid, rows=[row])

    def kill(self, pid, at):
        self.tell(at, "fault", pid, action="kill", point="in_send")

    def freeze(self, pid, at, until):
        self.tell(at, "struck", of=pid, action="freeze")
        self.tell(until, "thawed", of=pid)
        self.tell(at + 5.5, "buried", of=pid, claims=1)

    def verdict(self, *, done=True, failures=0, todo="ok:10", rows=(ROW,), **closed):
        self.tell(0.1, "added", rows={str(row): todo for row in rows})
        for row in rows:
            self.tell(99, "row", row=row, todo=todo, done=done, failures=failures)
        self.tell(99, "closed", **{"is_drained": True} | closed)
        return judge(tell(sorted(self.entries, key=lambda entry: entry["at"])))


@pytest.fixture
def story():
    return Story()


def test_one_send_of_one_row_is_well(story):
    story.run(ANNA, 1, 2)

    assert story.verdict() == []


def test_a_row_that_is_gone_is_lost(story):
    story.tell(0.2, "added", rows={"2": "ok:10"})
    story.run(ANNA, 1, 2)

    assert story.verdict() == ["row 2 is lost"]


def test_a_row_that_is_done_must_have_been_sent(story):
    assert story.verdict() == ["row 1 is done but was never sent"]


def test_a_row_that_is_neither_done_nor_failed_for_good_is_stuck(story):
    (complaint,) = story.verdict(done=False, failures=2)

    assert "row 1 (ok:10) is stuck" in complaint


def test_workers_that_cannot_drain_the_queue_are_found(story):
    story.run(ANNA, 1, 2)

    assert len(story.verdict(is_drained=False)) == 1


def test_a_claim_that_is_left_is_found(story):
    story.run(ANNA, 1, 2)
    story.tell(99, "claim", row=ROW, worker="None", held="None", error="a bug")

    (complaint,) = story.verdict()

    assert "still claimed" in complaint


def test_three_refusals_that_are_counted_are_well(story):
    for begun in (1, 2, 3):
        story.run(ANNA, begun, begun + 0.5, "refused", recorded=begun + 0.6)

    assert story.verdict(done=False, failures=3) == []


def test_a_fourth_counted_attempt_is_found(story):
    for begun in (1, 2, 3, 4):
        story.run(ANNA, begun, begun + 0.5, "refused", recorded=begun + 0.6)

    assert story.verdict(done=False, failures=4) == ["row 1 has 4 counted attempts"]


def test_a_refusal_that_is_not_counted_is_found(story):
    story.run(ANNA, 1, 2, "refused")
    story.run(ANNA, 3, 4)

    assert all("was not counted" in each for each in story.verdict(failures=0))
    assert len(story.verdict(failures=1)) == 1


@pytest.mark.parametrize(("failures", "complaints"), [(0, 1), (1, 0)])
def test_a_refusal_may_be_counted_though_the_answer_was_lost(
    story, failures, complaints
):
    story.run(ANNA, 1, 2, "refused")
    story.tell(2.1, "fault", ANNA, action="lose", point="after_settle")
    story.run(ANNA, 3, 4)

    assert len(story.verdict(failures=failures)) == complaints


def test_a_refusal_may_go_uncounted_when_its_worker_died(story):
    story.run(ANNA, 1, 2, "refused")
    story.kill(ANNA, 2.1)
    story.run(BORIS, 8, 9)

    assert story.verdict() == []


def test_a_refusal_is_dropped_when_its_claim_was_lost_and_the_next_is_counted(story):
    story.run(ANNA, 1, 11, "refused")
    story.freeze(ANNA, 2, 10)
    story.run(ANNA, 12, 13, "refused", recorded=13.1)
    story.run(ANNA, 30, 31)

    assert story.verdict(failures=1) == []


def test_a_refusal_that_is_counted_twice_is_found(story):
    story.run(ANNA, 1, 2, "refused")
    for at in (2.1, 3):
        story.tell(at, "counted", ANNA, row=ROW, reason="refused")
    story.run(ANNA, 4, 5)

    (complaint,) = story.verdict(failures=2)

    assert "counted twice" in complaint


def test_a_second_send_without_a_reason_is_found(story):
    story.run(ANNA, 1, 2)
    story.run(BORIS, 50, 51)

    (complaint,) = story.verdict()

    assert "has no reason" in complaint


@pytest.mark.parametrize("sent", [2, None])
def test_a_kill_before_the_settle_explains_a_second_send(story, sent):
    story.run(ANNA, 1, sent)
    story.kill(ANNA, 2.5)
    story.run(BORIS, 8, 9)

    assert story.verdict() == []


def test_a_kill_explains_nothing_when_the_send_was_recorded_before(story):
    story.run(ANNA, 1, 2, recorded=2.1)
    story.kill(ANNA, 2.5)
    story.run(BORIS, 8, 9)

    assert len(story.verdict()) == 1


def test_a_freeze_explains_nothing_when_nobody_buried_the_worker(story):
    story.run(ANNA, 1, 5)
    story.tell(2, "struck", of=ANNA, action="freeze")
    story.tell(5, "thawed", of=ANNA)
    story.run(BORIS, 6, 7)

    assert len(story.verdict()) == 1


def test_a_kill_long_after_the_send_explains_nothing(story):
    story.run(ANNA, 1, 2)
    story.kill(ANNA, 30)
    story.run(BORIS, 40, 41)

    assert len(story.verdict()) == 1


def test_a_settle_may_have_waited_for_a_frozen_process(story):
    story.run(ANNA, 1, 2)
    story.freeze(BORIS, 1.5, 12)
    story.kill(ANNA, 12.5)
    story.run(BORIS, 20, 21)

    assert story.verdict() == []


def test_a_kill_of_another_worker_explains_nothing(story):
    story.run(ANNA, 1, 2)
    story.kill(BORIS, 2.5)
    story.run(BORIS, 8, 9)

    assert len(story.verdict()) == 1


def test_a_takeover_before_anybody_can_know_of_the_death_is_found(story):
    story.run(ANNA, 1)
    story.kill(ANNA, 2)
    story.run(BORIS, 3, 4)

    assert len(story.verdict()) == 1


def test_two_live_workers_may_not_run_one_row_at_a_time(story):
    story.run(ANNA, 1, 3, "refused", recorded=3.1)
    story.run(BORIS, 2, 4)

    (complaint,) = story.verdict(failures=1)

    assert "has no reason" in complaint


def test_a_freeze_in_the_middle_of_a_send_explains_the_other_one(story):
    story.run(ANNA, 1, 11)
    story.freeze(ANNA, 2, 10)
    story.run(BORIS, 8, 9)

    assert story.verdict() == []


def test_a_worker_that_starts_after_its_freeze_what_was_taken_from_it_is_found(story):
    story.freeze(ANNA, 1, 10)
    story.run(BORIS, 7, 8)
    story.run(ANNA, 10.5, 11)

    assert len(story.verdict()) == 1


def test_a_freeze_between_the_last_look_at_the_fence_and_the_send_explains(story):
    story.freeze(ANNA, 1, 10)
    story.run(BORIS, 7, 8)
    story.run(ANNA, 10.5, 11, started=0.9)

    assert story.verdict() == []


def test_a_cut_explains_nothing_where_the_engine_records_the_success(story):
    story.run(ANNA, 1, 2)
    story.tell(1.5, "cut", of=ANNA, action="cut")
    story.run(BORIS, 8, 9)

    assert len(story.verdict()) == 1


def test_a_cut_explains_a_second_send_where_the_handler_marks_its_row(story):
    story.run(ANNA, 1, 2)
    story.tell(1.5, "cut", of=ANNA, action="cut")
    story.tell(2.1, "unmarked", ANNA, row=ROW, run=0)
    story.run(BORIS, 3, 4)

    assert story.verdict() == []


@pytest.mark.parametrize(
    ("thawed", "complaints"), [(1.8, 1), (2.5, 0), (40, 0)], ids=str
)
def test_a_mark_may_have_waited_in_vain_for_a_lock_of_a_frozen_process(
    story, thawed, complaints
):
    story.freeze(BORIS, 1.5, thawed)
    story.run(ANNA, 1, 2)
    story.tell(22, "unmarked", ANNA, row=ROW, run=0)
    story.run(ANNA, 50, 51)

    assert len(story.verdict()) == complaints


def test_an_unmarked_row_without_any_trouble_is_found(story):
    story.run(ANNA, 1, 2)
    story.tell(2.1, "unmarked", ANNA, row=ROW, run=0)
    story.run(BORIS, 3, 4)

    assert len(story.verdict()) == 1


def test_rows_that_killed_a_worker_together_must_run_alone(story):
    story.run(ANNA, 1, row=1)
    story.run(ANNA, 1, row=2)
    story.kill(ANNA, 2)
    story.run(BORIS, 8, 10, row=1)
    story.run(BORIS, 9, 11, row=2)

    complaints = story.verdict(rows=(1, 2))

    assert len(complaints) == 2
    assert "was to run alone" in complaints[0]


def test_a_row_that_was_blamed_for_a_death_must_still_run_alone(story):
    story.run(ANNA, 1, row=1)
    story.run(ANNA, 1, 1.5, row=2)
    story.run(ANNA, 1, row=3)
    story.kill(ANNA, 2)
    story.run(BORIS, 8, 9, row=3)
    story.tell(20, "counted", BORIS, row=1, reason="worker_lost")
    story.run(BORIS, 21, 22, row=1)
    story.run(BORIS, 21, 22, row=4)

    (complaint,) = story.verdict(rows=(1, 2, 3, 4))
    assert "row 1 was to run alone" in complaint


def test_rows_that_run_one_after_the_other_run_alone(story):
    story.run(ANNA, 1, row=1)
    story.run(ANNA, 1, row=2)
    story.kill(ANNA, 2)
    story.run(BORIS, 8, 9, row=1)
    story.run(BORIS, 9.1, 10, row=2)

    assert story.verdict(rows=(1, 2)) == []


@pytest.mark.parametrize(
    ("code", "is_well"), [(0, True), (1, False), (-11, False), (-9, False)]
)
def test_a_worker_nobody_killed_must_end_in_the_ordinary_way(story, code, is_well):
    story.run(ANNA, 1, 2)
    story.tell(9, "ended", of=ANNA, code=code, log="", was_ready=True)

    assert (story.verdict() == []) is is_well


def test_a_burial_of_a_worker_to_which_nothing_happened_is_found(story):
    story.run(ANNA, 1, 2, recorded=2.1)
    story.tell(5, "buried", BORIS, of=ANNA, claims=1)

    (complaint,) = story.verdict()

    assert "for no reason" in complaint


def test_a_burial_of_a_worker_that_stood_still_is_well(story):
    """It can tell of that only when it goes on."""
    story.run(ANNA, 1, 2, recorded=2.1)
    story.tell(9, "buried", BORIS, of=ANNA, claims=1)
    story.tell(10, "stalled", ANNA, since=3)

    assert story.verdict() == []


def test_a_second_registration_of_a_worker_may_be_buried(story):
    """The answer to the first one was lost."""
    story.run(ANNA, 1, 2, recorded=2.1)
    story.tell(5, "buried", BORIS, of=ANNA, claims=0)

    assert story.verdict() == []


def test_a_parked_task_is_found(story):
    story.run(ANNA, 1, 2)
    story.tell(9, "engine", ANNA, name="task.parked", text="The outcome of task 1 …")

    assert len(story.verdict()) == 1


def test_a_worker_that_does_not_end_is_found(story):
    story.run(ANNA, 1, 2)
    story.tell(9, "hung", of=ANNA, log="")

    assert len(story.verdict()) == 1


# --- the plan -------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_same_seed_plans_the_same_faults(database):
    def planned(seed):
        return (
            list(islice(plan.deal(seed, database, long=True), 100)),
            list(islice(plan.troubles(seed, database), 100)),
            list(islice(plan.rows(seed, long=True), 1000)),
        )

    assert planned(7) == planned(7)
    assert planned(7) != planned(8)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_round_of_faults_visits_every_named_point(database):
    visited = {point for _, point in plan.cards(database, long=True)}

    assert visited - {""} == set(plan.POINTS)
