"""Numbers as places in a drawing: the charts of the admin's pages, made on the server. Templates draw them as SVG.

Every drawing has its own units, `width` x `height`, in which letters are 11 high; pages stretch it to their width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
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
class BandChart:
    """An interval that grows narrower by the day. band, line : as SVG wants them.   zero : where no difference is."""

    band: str
    line: str
    zero: float
    across: list[Tick]
    up: list[Tick]
    said: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT + 16
    floor: int = HEIGHT - BOTTOM
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


def band_of(
    values: Sequence[tuple[date, float, float | None, float | None]],
    written: Callable[[float], str],
    beside: Callable[[float], str],
) -> BandChart | None:
    """An interval as it grew, day by day: day, value, low and high. None before there are two days with an interval.

    written : a value in words.   beside : the same beside an axis, where there is little room.
    """
    known = [(day, value, low, high) for day, value, low, high in values if low is not None and high is not None]
    if len(known) < 2:
        return None
    first, last = known[0][0], known[-1][0]
    # The first intervals are so wide that the last ones would be a line: the scale is of the second half.
    half = known[len(known) // 2 :]
    bottom, top = min(0.0, *(row[2] for row in half)), max(0.0, *(row[3] for row in half))

    def across(day: date) -> float:
        return _between((day - first).days, 0, (last - first).days, LEFT + 16, WIDTH - RIGHT)

    def up(value: float) -> float:
        return _between(min(max(value, bottom), top), bottom, top, HEIGHT - BOTTOM, TOP)

    upper = [f"{across(day)},{up(high)}" for day, _, _, high in known]
    lower = [f"{across(day)},{up(low)}" for day, _, low, _ in reversed(known)]
    _, value, low, high = known[-1]
    return BandChart(
        band=" ".join(upper + lower),
        line=" ".join(f"{across(day)},{up(value)}" for day, value, _, _ in known),
        zero=up(0.0),
        across=[Tick(across(day), f"{day:%d.%m.}") for day in dict.fromkeys((first, last))],
        up=[Tick(up(value), beside(value) if value else "0") for value in dict.fromkeys((bottom, 0.0, top))],
        said=f"from {first} to {last}; at the end {written(value)}, {written(low)} to {written(high)}",
    )


def _between(value: float, low: float, high: float, start: float, end: float) -> float:
    """Where a value of low..high lies on the way from start to end; halfway where there is no span."""
    share = (value - low) / (high - low) if high > low else 0.5
    return round(start + share * (end - start), 1)


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
