"""Numbers as places in a drawing: the charts of the admin's pages, made on the server. Templates draw them as SVG.

Every drawing has its own units, `width` x `height`, in which letters are 11 high; pages stretch it to their width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 380, 170
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 24  # room for what stands beside the axes
STARS = 5.0


@dataclass(frozen=True)
class Tick:
    """A label beside an axis. at : where, along it."""

    at: float
    label: str


@dataclass(frozen=True)
class LineChart:
    """One line over the epochs. points : as SVG wants them.   best : where the best value stands, said in words."""

    title: str
    points: str
    best: tuple[float, float]
    said: str
    across: list[Tick]
    up: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    floor: int = HEIGHT - BOTTOM
    right: int = WIDTH - RIGHT


@dataclass(frozen=True)
class Whisker:
    """One point with its interval, in a drawing's units; heights count down."""

    x: float
    y: float
    low: float
    high: float
    said: str


@dataclass(frozen=True)
class CalibrationChart:
    """What people gave over what was predicted, with the line on which both agree."""

    points: list[Whisker]
    agree: tuple[float, float, float, float]
    across: list[Tick]
    up: list[Tick]
    said: str
    width: int = WIDTH
    height: int = 260
    left: int = LEFT
    floor: int = 260 - BOTTOM
    right: int = WIDTH - RIGHT


@dataclass(frozen=True)
class Bar:
    """An interval and its middle on a scale that all bars of a table share, in hundredths of its width."""

    start: float
    length: float
    middle: float


def curves_of(entries: Sequence[Mapping[str, Any]]) -> list[LineChart]:
    """Validation NDCG@10 and the loss by epoch; nothing before the second epoch: one point is no line."""
    return [
        chart
        for title, name, better in (("NDCG@10 on validation", "ndcg_10", max), ("Loss", "loss", min))
        if (chart := _line(title, [(e["epoch"], e[name]) for e in entries if e.get(name) is not None], better))
    ]


def _line(title: str, values: Sequence[tuple[float, float]], better: Any) -> LineChart | None:
    if len(values) < 2:
        return None
    first, last = values[0][0], values[-1][0]
    low, high = min(value for _, value in values), max(value for _, value in values)

    def place(epoch: float, value: float) -> tuple[float, float]:
        return (
            _between(epoch, first, last, LEFT, WIDTH - RIGHT),
            _between(value, low, high, HEIGHT - BOTTOM, TOP),
        )

    epoch, best = better(values, key=lambda entry: entry[1])
    return LineChart(
        title=title,
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*entry) for entry in values)),
        best=place(epoch, best),
        said=f"{_short(best)} at epoch {epoch:.0f}",
        across=[Tick(place(e, low)[0], f"{e:.0f}") for e in dict.fromkeys((first, epoch, last))],
        up=[Tick(place(first, value)[1], _short(value)) for value in dict.fromkeys((low, high))],
    )


def calibration_of(rows: Sequence[Mapping[str, float]]) -> CalibrationChart | None:
    """None where nothing was rated."""
    if not rows:
        return None
    floor = 260 - BOTTOM

    def across(value: float) -> float:
        return _between(value, 0, STARS, LEFT, WIDTH - RIGHT)

    def up(value: float) -> float:
        return _between(min(max(value, 0.0), STARS), 0, STARS, floor, TOP)

    return CalibrationChart(
        points=[
            Whisker(
                across(row["predicted"]),
                up(row["actual"]),
                up(row["low"]),
                up(row["high"]),
                f"predicted {row['predicted']:.2f}, given {row['actual']:.2f} ({row['n']:,} ratings)",
            )
            for row in rows
        ],
        agree=(across(0), up(0), across(STARS), up(STARS)),
        across=[Tick(across(stars), str(stars)) for stars in range(6)],
        up=[Tick(up(stars), str(stars)) for stars in range(6)],
        said="; ".join(f"predicted {row['predicted']:.2f}, given {row['actual']:.2f}" for row in rows),
    )


def bar(low: float | None, middle: float | None, high: float | None, most: float) -> Bar | None:
    """most : the value at the end of the scale, which begins at 0."""
    if low is None or middle is None or high is None or most <= 0:
        return None
    low, middle, high = (100 * min(max(value / most, 0.0), 1.0) for value in (low, middle, high))
    return Bar(start=round(low, 2), length=round(max(high - low, 0.6), 2), middle=round(middle, 2))


def _between(value: float, low: float, high: float, start: float, end: float) -> float:
    """Where a value of low..high lies on the way from start to end; halfway where there is no span."""
    share = (value - low) / (high - low) if high > low else 0.5
    return round(start + share * (end - start), 1)


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
