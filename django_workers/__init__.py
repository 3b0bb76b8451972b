"""Any table as a queue: describe it with four methods, drain it with `run_worker`.

    from django_workers import AbstractTaskQueue, TaskError

Models are imported from `django_workers.models`, once Django is set up.
"""

from .errors import PauseQueue, PostponeTask, TaskError, WorkerLost
from .outcomes import Attempt, Success
from .task_queues import AbstractTaskQueue

__all__ = [
    "AbstractTaskQueue",
    "Attempt",
    "PauseQueue",
    "PostponeTask",
    "Success",
    "TaskError",
    "WorkerLost",
]
