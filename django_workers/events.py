"""Everything that happens in a worker: its stable name, its level and its words.

One event is one log line. Nothing else in this app writes to the log.
"""

import logging
from typing import Any

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
    "task.started": (logging.DEBUG, "Task %(task_id)s started."),
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
        "Task %(task_id)s is postponed by %(seconds).1f s: %(reason_code)s. "
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
        "Queue %(queue)s pauses for %(seconds).1f s: %(reason_code)s. %(description)s",
    ),
    "queue.resumed": (logging.INFO, "Queue %(queue)s goes on."),
    "queue.probe_crashed": (
        logging.ERROR,
        "The probe of queue %(queue)s raised an unexpected exception.",
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
}


def emit(name: str, *, exc_info: BaseException | None = None, **facts: Any) -> None:
    """Write the event's line, with the traceback of `exc_info` when it is given."""
    level, text = _EVENTS[name]
    if logger.isEnabledFor(level):
        extra = {"event": name, "facts": facts}
        # An empty dictionary would count as an argument without a place in the text.
        args = (facts,) if facts else ()
        logger.log(level, text, *args, exc_info=exc_info, extra=extra, stacklevel=2)
