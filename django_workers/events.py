"""Everything that happens in a worker: its stable name, its level and its words.

One event is one log line, and for some a signal that other code listens to. Nothing
else in this app writes to the log or sends signals.
"""

import logging
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

from . import signals
from .delivering import MOST_WAITING, deliverer

if TYPE_CHECKING:
    from .outcomes import Attempt

logger = logging.getLogger("django_workers")

_EVENTS: dict[str, tuple[int, str]] = {
    "worker.started": (
        logging.INFO,
        "Worker %(worker)s drains %(queue)s, up to %(concurrency)s at once.",
    ),
    "worker.stopping": (
        logging.INFO,
        "Stopping: %(in_flight)s in flight get up to %(timeout)g s to finish.",
    ),
    "worker.cut": (
        logging.WARNING,
        "Stopping now: %(in_flight)s did not finish in time and count as interrupted.",
    ),
    "worker.stopped": (
        logging.INFO,
        "Worker stopped: %(handled)s handled, %(failed)s failed.",
    ),
    "worker.lost": (
        logging.WARNING,
        "Worker %(worker)s is dead: %(claims)s in flight go back to the queue.",
    ),
    "worker.evicted": (
        logging.WARNING,
        "This worker was taken for dead (frozen or cut off for long) and goes on as "
        "a new one; what it had in flight was given back.",
    ),
    "worker.fenced": (
        logging.WARNING,
        "No heartbeat could be written for %(seconds).1f s: nothing more is started. "
        "%(error)s",
    ),
    "worker.unfenced": (logging.INFO, "Heartbeats are written again."),
    "worker.stuck": (
        logging.ERROR,
        "The handler of task %(task_id)s runs for over %(seconds)g s in a thread, "
        "which nobody can end: this worker takes nothing more and ends itself.",
    ),
    "worker.blocked": (
        logging.ERROR,
        "The event loop has stood still for over %(seconds)g s, in %(where)s, which "
        "nobody can end: this worker ends itself.",
    ),
    "claims.released": (
        logging.WARNING,
        "After trouble with the database, %(count)s claims that this worker does not "
        "know of go back to the queue.",
    ),
    "task.started": (logging.DEBUG, "Task %(task_id)s started."),
    "task.returned": (
        logging.DEBUG,
        "Task %(task_id)s goes back to the queue without having begun.",
    ),
    "task.succeeded": (logging.DEBUG, "Task %(task_id)s succeeded."),
    "task.failed": (
        logging.WARNING,
        "Task %(task_id)s failed: %(reason_code)s. %(description)s",
    ),
    "task.crashed": (
        logging.ERROR,
        "Task %(task_id)s raised an exception that its handler did not expect.",
    ),
    "task.postponed": (
        logging.INFO,
        "Task %(task_id)s is postponed by %(delay).1f s: %(reason_code)s. "
        "%(description)s",
    ),
    "task.paused": (
        logging.DEBUG,
        "Task %(task_id)s goes back to the queue, which pauses: %(reason_code)s. "
        "%(description)s",
    ),
    "task.dropped": (
        logging.WARNING,
        "The outcome of task %(task_id)s is dropped: %(reason)s.",
    ),
    "task.parked": (
        logging.ERROR,
        "The outcome of task %(task_id)s cannot be recorded; it is kept from running "
        "again until `manage.py resume_queue` releases it.",
    ),
    "task.overtaken": (
        logging.WARNING,
        "Task %(task_id)s was handled, but its claim was lost meanwhile: it may be "
        "handled twice.",
    ),
    "task.still_pending": (
        logging.ERROR,
        "Task %(task_id)s was handled but is still pending: handle_task must mark it "
        "as done. It is held back for %(seconds)g s.",
    ),
    "queue.paused": (
        logging.WARNING,
        "Queue %(queue)s pauses for %(delay).1f s: %(reason_code)s. %(description)s",
    ),
    "queue.stopped": (
        logging.WARNING,
        "Queue %(queue)s is paused by hand, by %(by)s. %(description)s",
    ),
    "queue.resumed": (logging.INFO, "Queue %(queue)s goes on."),
    "queue.unclosed": (
        logging.WARNING,
        "The aclose() of queue %(queue)s did not end in time and was cut off.",
    ),
    "queue.probe_crashed": (
        logging.ERROR,
        "The probe of queue %(queue)s raised an unexpected exception.",
    ),
    "database.locked": (
        logging.WARNING,
        "Somebody else keeps a lock in the database (%(error)s); trying again.",
    ),
    "database.lost": (
        logging.ERROR,
        "The database does not answer (%(error)s); trying again in %(seconds).1f s.",
    ),
    "database.back": (logging.INFO, "The database answers again."),
    "watch.lost": (
        logging.WARNING,
        "New rows are found by polling for now: %(error)s.",
    ),
    "receiver.failed": (
        logging.ERROR,
        "A receiver of %(signal)s failed, %(receiver)s: %(error)s",
    ),
    "receivers.slow": (
        logging.ERROR,
        "The receivers of signals do not keep up, %(waiting)s wait: some are not told.",
    ),
    "receivers.cut": (
        logging.WARNING,
        "The receivers of signals did not finish in time: %(waiting)s are not told.",
    ),
}

_SIGNALS: dict[str, tuple[str, Signal]] = {
    "task.succeeded": ("task_handled", signals.task_handled),
    "task.failed": ("task_failed", signals.task_failed),
    "task.postponed": ("task_postponed", signals.task_postponed),
    "queue.paused": ("queue_paused", signals.queue_paused),
    "queue.stopped": ("queue_paused", signals.queue_paused),
    "queue.resumed": ("queue_resumed", signals.queue_resumed),
    "worker.lost": ("worker_lost", signals.worker_lost),
}


def is_wanted(name: str) -> bool:
    """Whether anybody reads the event's line or listens to its signal."""
    if logger.isEnabledFor(_EVENTS[name][0]):
        return True
    return name in _SIGNALS and bool(_SIGNALS[name][1].receivers)


def emit(
    name: str,
    *,
    exc_info: BaseException | None = None,
    attempt: "Attempt | None" = None,
    **facts: Any,
) -> None:
    """Write the event's line, with the traceback of `exc_info` when it is given.

    Whoever listens to its signal is told of the facts, and of the `attempt`, later.
    """
    level, text = _EVENTS[name]
    if attempt is not None:
        facts["task_id"] = attempt.task_id
    if logger.isEnabledFor(level):
        extra = {"event": name, "facts": facts}
        # An empty dictionary would count as an argument without a place in the text.
        args = (facts,) if facts else ()
        logger.log(level, text, *args, exc_info=exc_info, extra=extra, stacklevel=2)
    if name in _SIGNALS and (listened := _SIGNALS[name])[1].receivers:
        if attempt is not None:
            facts = facts | {"attempt": attempt, "duration": attempt.duration}
        _tell(*listened, facts)


def _tell(name: str, signal: Signal, facts: Mapping[str, Any]) -> None:
    is_taken = deliverer.put(partial(_send, name, signal, facts))
    if not is_taken and deliverer.refused == 1:
        emit("receivers.slow", waiting=MOST_WAITING)


def _send(name: str, signal: Signal, facts: Mapping[str, Any]) -> None:
    """Call the receivers; Django writes down the tracebacks of those that fail."""
    try:
        answers = signal.send_robust(sender=None, **facts)
    except BaseException as error:
        # An exit or a cancellation ends neither the process nor the others' chance to
        # hear of the next event.
        emit("receiver.failed", signal=name, receiver="one", error=repr(error))
        return
    for receiver, answer in answers:
        if isinstance(answer, Exception):
            emit("receiver.failed", signal=name, receiver=receiver, error=repr(answer))
