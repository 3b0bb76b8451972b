"""The dry run: what an import of the file would do, and what is wrong with it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from notifications.models import OrderStatus

from .files import CsvFile, Wrong, WrongFile
from .judging import Judge, Judged, statuses_by_name
from .lines import LineReader
from .problems import Problem

T = TypeVar("T")

# As many queries as there are such parts.
LINES_AT_ONCE = 1_000
# More are in the table that can be downloaded.
SHOWN_LINES = 200


@dataclass(slots=True, kw_only=True)
class Findings:
    """What a dry run found; made of what JSON has, to be kept with the file."""

    lines: int = 0
    orders: int = 0
    customers: int = 0
    # Orders that are there already, of the same customers.
    known: int = 0
    bad: int = 0
    # Of the orders: messages that go at once, and those that a Start would release.
    messages: int = 0
    later: int = 0
    # The first bad lines: the line, the order's number, and the problems.
    shown: list[tuple[int, str, list[tuple[str, str, int]]]] = field(
        default_factory=list
    )
    ignored_columns: list[str] = field(default_factory=list)

    @property
    def shown_lines(self) -> Iterator[tuple[int, str, list[str]]]:
        """The first bad lines, with the reasons in words."""
        for line, number, problems in self.shown:
            yield line, number, [Problem(*problem).words for problem in problems]

    @property
    def has_more_bad(self) -> bool:
        """Whether there are more bad lines than those."""
        return self.bad > len(self.shown)


def check(file: CsvFile) -> Findings:
    """Find out what an import would do; nothing is written.

    Raises:
        WrongFile: it cannot be imported at all.
    """
    reader = LineReader(file, statuses_by_name())
    telling = set(
        OrderStatus.objects.filter(notifies=True).values_list("pk", flat=True)
    )
    judge = Judge()
    findings = Findings(ignored_columns=list(reader.columns.ignored))
    for lines in in_batches(reader.lines(), LINES_AT_ONCE):
        for judged in judge.judge(lines):
            _count(judged, findings, telling)
    findings.customers = judge.cards.made
    if not findings.lines:
        raise WrongFile(Wrong.NO_LINES)
    return findings


def bad_lines(file: CsvFile) -> tuple[list[str], Iterator[Judged]]:
    """Return the header, and all lines that an import would leave out now."""
    reader = LineReader(file, statuses_by_name())
    judge = Judge()
    judged = (
        judged
        for lines in in_batches(reader.lines(), LINES_AT_ONCE)
        for judged in judge.judge(lines)
    )
    return reader.header, (line for line in judged if line.problems)


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of this size; the last one may be shorter."""
    several = iter(items)
    while batch := list(islice(several, size)):
        yield batch


def _count(judged: Judged, findings: Findings, telling: set[Any]) -> None:
    line = judged.line
    findings.lines += 1
    if judged.problems:
        findings.bad += 1
        if len(findings.shown) < SHOWN_LINES:
            problems = [(p.code, p.value[:100], p.line) for p in judged.problems]
            findings.shown.append((line.line, line.number[:20], problems))
    elif judged.customer is None:
        findings.known += 1
    else:
        findings.orders += 1
        if line.notify and line.status in telling:
            reached = judged.customer.is_reachable
            findings.messages += reached
            findings.later += not reached
