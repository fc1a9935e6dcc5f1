"""Where the marks of a small chart lie, so that templates draw it as inline SVG without arithmetic. No queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, floor, log10

WIDTH, HEIGHT = 320.0, 150.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 10.0, 12.0, 22.0


@dataclass(frozen=True, slots=True)
class Chart:
    """Marks of one chart in a box of `WIDTH` x `HEIGHT`.

    Attributes:
        points: (x, y, what a reader is told) per value, left to right.
        ticks: (y, label) of horizontal lines.
        labels: (x, text) below the axis.
        bar_width: Width of bars; 0 for a line.
        base: y of the axis.
    """

    points: Sequence[tuple[float, float, str, date]]
    ticks: Sequence[tuple[float, str]]
    labels: Sequence[tuple[float, date]]
    bar_width: float = 0
    base: float = HEIGHT - BOTTOM

    @property
    def path(self) -> str:
        """The line through the points, as SVG path data."""
        return "M" + " L".join(f"{x},{y}" for x, y, *_ in self.points)


def line(points: Sequence[tuple[date, float]], *, unit: str) -> Chart:
    """A line over time; its scale starts near the lowest value, since what matters is the change.

    Args:
        points: At least one, oldest first.
    """
    first, last = points[0][0], points[-1][0]
    days = max((last - first).days, 1)
    low, high = min(value for _, value in points), max(value for _, value in points)
    lower, upper, ticks = _scale(low, high)
    marks = [
        (
            _x((day - first).days / days) if first != last else _x(0.5),
            _y(value, lower, upper),
            f"{value:.1f} {unit}",
            day,
        )
        for day, value in points
    ]
    ends = [(marks[0][0], first)] + ([(marks[-1][0], last)] if first != last else [])
    return Chart(marks, [(_y(value, lower, upper), _label(value)) for value in ticks], ends)


def bars(values: Sequence[tuple[date, float | None]], *, top: float | None = None, told: str = "{:.0f}") -> Chart:
    """Bars from zero, one a week; None leaves a gap.

    Args:
        top: Value of the full height, by default a round number above the highest.
        told: Format of the value a reader is told.
    """
    _, upper, ticks = _scale(0, top or max((value or 0 for _, value in values), default=0) or 1)
    upper, ticks = (top, [0, top / 2, top]) if top else (upper, ticks)
    slot = (WIDTH - LEFT - RIGHT) / max(len(values), 1)
    marks = [
        (round(LEFT + slot * index + slot * 0.15, 1), _y(value or 0, 0, upper), told.format(value), day)
        for index, (day, value) in enumerate(values)
        if value is not None
    ]
    labels = [(round(LEFT + slot * (index + 0.5), 1), day) for index, (day, _) in enumerate(values) if index % 4 == 0]
    return Chart(marks, [(_y(value, 0, upper), _label(value)) for value in ticks], labels, round(slot * 0.7, 1))


def _scale(low: float, high: float) -> tuple[float, float, list[float]]:
    span = high - low
    if span < 1e-3:  # one value, or as good as one
        span = max(abs(high) * 0.1, 1)
    raw = span / 3
    magnitude = 10 ** floor(log10(raw))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * 0.999)
    lower, upper = floor(low / step) * step, ceil(high / step) * step
    if lower == upper:
        lower, upper = lower - step, upper + step
    count = round((upper - lower) / step)
    return lower, upper, [lower + step * n for n in range(count + 1)]


def _label(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value / 1000:g}k"
    return f"{round(value, 2):g}"


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, lower: float, upper: float) -> float:
    return round(TOP + (1 - (value - lower) / (upper - lower)) * (HEIGHT - TOP - BOTTOM), 1)
