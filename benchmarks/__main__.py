"""Runs the benchmarks and prints one table: rates, and ratios within this run.

python -m benchmarks [--count N] [--runs N] [--only sqlite|postgresql] [--rows N]
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

from benchmarks.measuring import Cost, cost_of_script, run_together
from benchmarks.stubs import fast_stub, free_port, slow_stub
from tests.support.databases import postgresql

TOKEN = "123456789:" + "b" * 35
QUEUE = "notifications.task_queues.task_queue"
# The limit of messages per second is out of the way, and still counted.
FAST = {"NOTIFICATIONS_RATE": "10000"}
LATENCY = 0.05
SLOW_CONCURRENCY = 128
FAST_CONCURRENCY = 128
# So long another thread is busy for each message: as long as to claim and settle takes.
BESIDE_SECONDS = "0.0001"
CLAIM_BATCH = 64
FEW_ROWS = 10_000
# A shop that lives has sent most of what its table holds.
DELIVERED_ROWS = 100_000
LATENCIES = 200
MANY_TIMES_SLOWER = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--rows", type=int, default=1_000_000, help="pending at most")
    arguments = parser.parse_args()
    with fast_stub() as (fast_url, served_by), slow_stub(LATENCY) as slow_url:
        say(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; {served_by}.")
        say(f"{arguments.count} notifications a run; medians of {arguments.runs}.")
        for vendor in ("sqlite", "postgresql"):
            if arguments.only in (None, vendor):
                with database(vendor) as environment:
                    bench = Bench(environment, arguments.count, arguments.runs)
                    bench.compare(vendor, fast_url, slow_url)
                    bench.idle()
                    bench.claims(arguments.rows)


class Bench:
    """The comparisons on one database."""

    def __init__(self, environment: dict[str, str], count: int, runs: int) -> None:
        self.environment = environment
        self.count = count
        self.runs = runs

    def compare(self, vendor: str, fast_url: str, slow_url: str) -> None:
        say(f"\n{vendor}")
        say(f"{'':34}{'per second':>11}{'ratio':>8}{'CPU s/1000':>12}{'peak MB':>9}")
        limit, tuned, beside, one, slow_limit = (
            "bare loop, fast stub",
            "bare loop as a worker runs Python",
            "so, beside a busy thread",
            "one worker, fast stub",
            "bare loop, 50 ms stub",
        )
        self.show_in_turns(
            {
                limit: (self.bare(fast_url, FAST_CONCURRENCY), None),
                one: (self.workers(fast_url, 1, FAST_CONCURRENCY), limit),
                "two workers (against one)": (
                    self.workers(fast_url, 2, FAST_CONCURRENCY),
                    one,
                ),
                tuned: (self.bare(fast_url, FAST_CONCURRENCY, "tuned"), limit),
                beside: (
                    self.bare(fast_url, FAST_CONCURRENCY, "tuned", BESIDE_SECONDS),
                    limit,
                ),
                "the tutorial's loop (one against it)": (self.tutorial(fast_url), one),
            }
        )
        self.show_in_turns(
            {
                slow_limit: (self.bare(slow_url, SLOW_CONCURRENCY), None),
                "one worker, 50 ms stub": (
                    self.workers(slow_url, 1, SLOW_CONCURRENCY),
                    slow_limit,
                ),
            }
        )

    def show_in_turns(
        self, contenders: dict[str, tuple[Callable[[], Cost], str | None]]
    ) -> None:
        """Measure all in each round, and show medians, of the rounds' ratios too.

        A machine that is busy with something else slows down neighbours alike.
        """
        rounds = [
            {name: measure() for name, (measure, _) in contenders.items()}
            for _ in range(self.runs)
        ]
        for name, (_, other) in contenders.items():
            ratio = None
            if other is not None:
                ratio = statistics.median(
                    each[name].rate / each[other].rate for each in rounds
                )
                # What is far slower than the worker says how many times.
                ratio = 1 / ratio if ratio < MANY_TIMES_SLOWER else ratio
            self._say_line(name, [each[name] for each in rounds], ratio)

    def _say_line(self, name: str, costs: list[Cost], ratio: float | None) -> None:
        median = _median(costs)
        peak = statistics.median(cost.peak_megabytes for cost in costs)
        say(
            f"{name:36}{median.rate:9.0f}"
            f"{'' if ratio is None else format(ratio, '.2f'):>8}"
            f"{median.cpu_per_thousand:12.2f}{peak:9.0f}"
        )

    def idle(self) -> None:
        """Show what a worker costs that waits, and how soon it sends what comes."""
        self.fill(0)
        port = free_port()
        environment = self.environment | {
            "TG_API_URL": f"http://127.0.0.1:{port}",
            "NOTIFICATIONS_RATE": "1000",
        }
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "run_worker", QUEUE, "-v", "0"],
            env=environment,
        )
        try:
            script = ["-m", "benchmarks.latency", str(port), str(LATENCIES)]
            (finished,) = run_together([script], environment)
        finally:
            worker.terminate()
            worker.wait()
        said = json.loads(finished.output)
        cuts = statistics.quantiles(said["took"], n=100)
        say(
            f"{'commit to arrival, idle':34}median {1000 * cuts[49]:.1f} ms, "
            f"99th percentile {1000 * cuts[98]:.1f} ms, of {LATENCIES}"
        )
        say(
            f"{'idle worker':34}{100 * said['idle_share']:.2f} % of a core, "
            f"{said['idle_megabytes']:.0f} MB"
        )

    def claims(self, rows: int) -> None:
        """Show that claiming costs the same however much is pending."""
        few, many = (
            f"claim and settle, {pending:,} pending" for pending in (FEW_ROWS, rows)
        )
        # The small table is made in no time, so between the two nothing changes much.
        self.show_in_turns(
            {
                many: (self.claiming(rows), few),
                few: (self.claiming(FEW_ROWS), None),
            }
        )

    def claiming(self, pending: int) -> Callable[[], Cost]:
        # Some are left pending at the end, so that no batch is smaller.
        arguments = [str(FEW_ROWS // 2), str(CLAIM_BATCH)]

        def measure() -> Cost:
            self.fill(pending, DELIVERED_ROWS)
            return cost_of_script(
                "benchmarks.claiming", arguments, self.environment | FAST
            )

        return measure

    def bare(self, url: str, concurrency: int, *more: str) -> Callable[[], Cost]:
        arguments = [url, TOKEN, str(self.count), str(concurrency), *more]
        return lambda: cost_of_script("benchmarks.bare", arguments, self.environment)

    def tutorial(self, url: str) -> Callable[[], Cost]:
        count = max(50, self.count // 100)

        def measure() -> Cost:
            self.fill(count)
            arguments = [url, TOKEN, str(count)]
            return cost_of_script(
                "benchmarks.tutorial_loop", arguments, self.environment
            )

        return measure

    def workers(self, url: str, processes: int, concurrency: int) -> Callable[[], Cost]:
        command = ["manage.py", "run_worker", QUEUE, "--drain", "-v", "0"]
        command += ["--concurrency", str(concurrency)]
        environment = self.environment | FAST
        environment |= {
            "TG_API_URL": url,
            "NOTIFICATIONS_CONCURRENCY": str(concurrency),
        }

        def measure() -> Cost:
            self.fill(self.count)
            finished = run_together([command] * processes, environment)
            (asked,) = run_together(
                [["-m", "benchmarks.queue_table", "span"]], self.environment
            )
            said = json.loads(asked.output)
            if said["count"] != self.count:
                raise RuntimeError(f"Delivered {said['count']} of {self.count}.")
            return Cost(
                count=self.count,
                seconds=said["seconds"],
                cpu_seconds=sum(worker.cpu_seconds for worker in finished),
                peak_megabytes=max(worker.peak_megabytes for worker in finished),
            )

        return measure

    def fill(self, pending: int, delivered: int = 0) -> None:
        counts = [str(pending), str(delivered)]
        command = ["-m", "benchmarks.queue_table", "fill", *counts]
        run_together([command], self.environment)


def _median(costs: list[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: cost.rate)[len(costs) // 2]


@contextlib.contextmanager
def database(vendor: str) -> Iterator[dict[str, str]]:
    """Yield the environment of a project on an empty database of its own."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        url = f"sqlite:///{folder}/db.sqlite3"
        if vendor == "postgresql":
            url = stack.enter_context(postgresql())
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "workers_tutorial.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "only-for-benchmarks",
            "TG_BOT_TOKEN": TOKEN,
            "DATABASE_URL": url,
            "SQLITE_SYNCHRONOUS": "NORMAL",
        }
        run_together([["manage.py", "migrate", "-v", "0"]], environment)
        yield environment


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
