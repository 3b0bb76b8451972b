"""The worker co-process: it sends the notifications."""

import logging

from django.core.management import CommandError, call_command

from bot import exit_codes

QUEUE = "notifications.task_queues.task_queue"

_logger = logging.getLogger(__name__)


def run(stop_timeout: str) -> int:
    """Drain the queue until SIGTERM or SIGINT; sends in flight may take so long."""
    try:
        call_command("run_worker", QUEUE, stop_timeout=float(stop_timeout))
    except CommandError as error:
        _logger.critical("%s", error)
        return exit_codes.FAILED
    return exit_codes.OK
