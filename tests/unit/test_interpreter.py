"""How a worker's process treats Python itself, seen in a process of its own."""

import subprocess
import sys

# Tasks that are all started at once, each some objects that hold others.
SCRIPT = """
import gc, sys
from django_workers import interpreter
if sys.argv[1:] == ["tuned"]:
    interpreter.tune(128)
collections = []
gc.callbacks.append(lambda phase, info: collections.append(phase))
tasks = [[[] for _ in range(60)] for _ in range(128)]
in_between = len(collections)
for _ in range(100_000):
    circle = []
    circle.append(circle)
print(in_between, len(collections) > in_between)
"""


def collections_while_tasks_start(*options: str) -> str:
    command = [sys.executable, "-c", SCRIPT, *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_no_garbage_is_looked_for_while_tasks_start_but_later_it_is():
    assert collections_while_tasks_start("tuned") == "0 True\n"
    assert not collections_while_tasks_start().startswith("0 ")
