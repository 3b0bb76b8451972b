"""Bars over time, drawn on the server: two numbers for each stretch of time."""

from collections.abc import Sequence
from dataclasses import dataclass

# The drawing is stretched to the width that there is; only proportions count.
BAR_WIDTH = 10
GAP = 2
HEIGHT = 100
# What is there at all is seen, beside whatever else.
LEAST_HEIGHT = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One stretch of time; positions and heights are in the units of the drawing."""

    label: str
    # Too many labels would run into each other: the others are for the table.
    has_label: bool
    delivered: int
    failed: int
    x: int
    delivered_height: float
    failed_height: float

    @property
    def delivered_y(self) -> float:
        return HEIGHT - self.delivered_height

    @property
    def failed_y(self) -> float:
        return self.delivered_y - self.failed_height


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars beside each other, the oldest first."""

    name: str
    title: str
    column: str
    bars: Sequence[Bar]
    most: int
    width: int

    @property
    def delivered(self) -> int:
        return sum(bar.delivered for bar in self.bars)

    @property
    def failed(self) -> int:
        return sum(bar.failed for bar in self.bars)


def draw(
    *,
    name: str,
    title: str,
    column: str,
    labels: Sequence[str],
    label_every: int,
    delivered: Sequence[int],
    failed: Sequence[int],
) -> Chart:
    """Return a chart; the last label is one that is shown."""
    most = max(map(sum, zip(delivered, failed, strict=True)), default=0)
    last = len(labels) - 1

    def height(rows: int) -> float:
        return max(LEAST_HEIGHT, round(HEIGHT * rows / most, 2)) if rows else 0

    bars = [
        Bar(
            label=label,
            has_label=(last - number) % label_every == 0,
            delivered=sent,
            failed=lost,
            x=number * (BAR_WIDTH + GAP),
            delivered_height=height(sent),
            failed_height=height(lost),
        )
        for number, (label, sent, lost) in enumerate(
            zip(labels, delivered, failed, strict=True)
        )
    ]
    width = len(bars) * (BAR_WIDTH + GAP) - GAP
    return Chart(
        name=name, title=title, column=column, bars=bars, most=most, width=width
    )
