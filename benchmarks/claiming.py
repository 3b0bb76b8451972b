"""What it costs to claim and to settle, with nothing done in between.

python -m benchmarks.claiming ROWS BATCH
"""

import json
import sys
import time
from itertools import islice

import django

# As in a worker whose slots are all taken: so many batches are in flight at once.
BATCHES_IN_FLIGHT = 2


def claim_and_settle(rows: int, batch: int) -> dict[str, float]:
    """Claim and settle `rows` of what is pending; return seconds of time and of CPU."""
    from django.utils import timezone

    from django_workers import Success
    from django_workers.claiming import Claimer
    from django_workers.models import Queue, Worker
    from django_workers.outcomes import Outcome
    from django_workers.settling import Settler
    from notifications.task_queues import task_queue
    from notifications.verdicts import Kind, Verdict

    Queue.objects.get_or_create(name=task_queue.queue_name)
    worker = Worker.objects.create(queue_id=task_queue.queue_name, host="-", pid=1)
    claimer, settler = Claimer(task_queue), Settler(task_queue)

    def claim() -> list[Outcome]:
        claimed = claimer.claim(worker.pk, batch, len(in_flight))
        return [Outcome(each, Success(each, accepted)) for each in claimed.attempts]

    accepted = Verdict(kind=Kind.ACCEPTED, reason_code="accepted", message_id=1)
    in_flight: list[Outcome] = []
    for _ in range(BATCHES_IN_FLIGHT):
        in_flight += claim()
    settled, started, cpu = 0, time.perf_counter(), time.process_time()
    while settled < rows:
        finished = list(islice(in_flight, batch))
        del in_flight[:batch]
        for outcome in finished:
            outcome.attempt.finished_at = timezone.now()
        settler.settle(finished)
        settled += len(finished)
        in_flight += claim()
    result = {
        "count": settled,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
    }
    settler.settle(in_flight)
    worker.delete()
    return result


if __name__ == "__main__":
    django.setup()
    rows, batch = map(int, sys.argv[1:])
    sys.stdout.write(json.dumps(claim_and_settle(rows, batch)))
