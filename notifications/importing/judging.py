"""What becomes of each line: an order, nothing new, or a problem. For some lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from notifications.models import Customer, Order, OrderStatus
from notifications.models.status import LANGUAGES

from .cards import Cards
from .lines import Line
from .problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A line with its customer, or with what is wrong; neither: the order is there."""

    line: Line
    customer: Customer | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the very order was made before: by this file, most likely."""
        return self.customer is None and not self.problems


class Judge:
    """Remembers which numbers and new customers the lines before these had."""

    def __init__(self) -> None:
        self.cards = Cards()
        self._lines_of_numbers: dict[str, int] = {}

    def judge(self, lines: Sequence[Line]) -> Iterator[Judged]:
        """Judge the next lines of the file; a fixed number of queries for them all."""
        sound = [line for line in lines if not line.problems]
        self.cards.look_up(sound)
        numbers = [line.number for line in sound]
        taken = dict(
            Order.objects.filter(number__in=numbers)
            .order_by()
            .values_list("number", "customer")
        )
        for line in lines:
            yield self._judge(line, taken)

    def _judge(self, line: Line, taken: dict[str, int]) -> Judged:
        if line.problems:
            return Judged(line=line, problems=line.problems)
        if earlier := self._lines_of_numbers.get(line.number):
            problem = Problem("number_twice", line.number, earlier)
            return Judged(line=line, problems=(problem,))
        card = self.cards.card_of(line)
        if isinstance(card, Problem):
            return Judged(line=line, problems=(card,))
        if line.number in taken:
            if taken[line.number] == card.pk:
                return Judged(line=line)
            problem = Problem("number_taken", line.number)
            return Judged(line=line, problems=(problem,))
        self._lines_of_numbers[line.number] = line.line
        return Judged(line=line, customer=card)


def statuses_by_name() -> dict[str, str]:
    """Return the codes of the offered statuses, by all that they are called."""
    codes: dict[str, str] = {}
    for status in OrderStatus.objects.filter(is_active=True):
        names = [status.name_in(language) for language in LANGUAGES]
        for name in (status.code, *names):
            codes.setdefault(name.casefold(), status.code)
    return codes
