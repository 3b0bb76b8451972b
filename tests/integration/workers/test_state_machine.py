"""Whatever happens in whatever order, the engine does what the reference queue says."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tests.shop.models import Letter, Tin
from tests.support.story import Story, StoryQueue

# For a long run, with other stories each time: how many of each kind.
LONG = int(os.environ.get("STORIES", "0"))

# A story that fails is told again and again, to find the shortest that does.
SECONDS = 0 if LONG else 600

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(SECONDS),
]

STORIES = settings(
    max_examples=LONG or 20,
    stateful_step_count=50,
    derandomize=not LONG,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class LetterQueue(StoryQueue):
    model_class = Letter


class TinQueue(StoryQueue):
    model_class = Tin


class LimitedQueue(StoryQueue):
    # So slow that the moments a test takes earn next to nothing.
    rate = 0.001


class Letters(Story):
    queue_class = LetterQueue
    keys = st.uuids()


class Tins(Story):
    queue_class = TinQueue
    keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


class Limited(Story):
    queue_class = LimitedQueue


@pytest.mark.parametrize("story", [Story, Letters, Tins, Limited])
def test_nothing_is_lost_or_doubled_whatever_happens(story):
    run_state_machine_as_test(story, settings=STORIES)
