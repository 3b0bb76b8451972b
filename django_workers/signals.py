"""What other code may listen to: Django's own kind of signals.

They are sent once the transaction is committed, to receivers that run one after the
other in a thread of their own: none of them holds a worker up, or breaks it. The
arguments are keywords; more may be added, so receivers take **kwargs. `queue` is the
queue's name, times are in seconds. `sender` is always None.
"""

from django.dispatch import Signal

from .delivering import wait_until_delivered

__all__ = [
    "queue_paused",
    "queue_resumed",
    "task_failed",
    "task_handled",
    "task_postponed",
    "wait_until_delivered",
    "worker_lost",
]

# queue, task_id, attempt (an Attempt), duration
task_handled = Signal()
# The same, and reason_code, description; also when the task's worker died
task_failed = Signal()
# The same, and delay; such an attempt does not count
task_postponed = Signal()
# queue, reason_code, description, delay (None: until a person resumes it), by (the
# person, if one paused it)
queue_paused = Signal()
# queue
queue_resumed = Signal()
# queue, worker (host:pid), claims (how many tasks it had in flight)
worker_lost = Signal()
