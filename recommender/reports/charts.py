"""Charts for the admin's pages, computed on the server: templates draw them as SVG.

A drawing has its own units, `width` x `height`, in which letters are 11 high; pages stretch it to their width.
Coordinates are text, because a template would write numbers as the visitor's language does: "74,6".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.translation import gettext, ngettext, pgettext

from recommender.words import fill, written

WIDTH, HEIGHT, CALIBRATION_HEIGHT = 380, 170, 260  # units of the drawing
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 24  # room for the labels beside the axes
WIDE_LEFT = LEFT + 16  # the same for amounts of money
MAX_STARS = 5

Scale = Callable[[float], str]  # a value -> its coordinate


@dataclass(frozen=True)
class Tick:
    """A label beside an axis. at : its coordinate along the axis."""

    at: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The axes of a drawing. across, up : ticks of both axes.   description : the chart in words."""

    across: list[Tick]
    up: list[Tick]
    description: str
    height: int = HEIGHT
    left: int = LEFT
    width: int = WIDTH
    right: int = WIDTH - RIGHT

    @property
    def floor(self) -> int:
        return self.height - BOTTOM


@dataclass(frozen=True, kw_only=True)
class LineChart(Chart):
    """One value by epoch. points : of an SVG polyline.   best : x and y of the best value."""

    title: str
    points: str
    best: tuple[str, str]


@dataclass(frozen=True)
class Whisker:
    """A point and its interval. y, low, high : coordinates, which grow downwards."""

    x: str
    y: str
    low: str
    high: str
    description: str


@dataclass(frozen=True, kw_only=True)
class CalibrationChart(Chart):
    """Ratings given over ratings predicted. diagonal : x1, y1, x2, y2 of the line on which both are equal."""

    points: list[Whisker]
    diagonal: tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class BandChart(Chart):
    """An interval by day. band : points of an SVG polygon.   line : of a polyline.   zero : y of no difference."""

    band: str
    line: str
    zero: str


@dataclass(frozen=True)
class Bar:
    """An interval and its middle, in hundredths of a scale that all bars of a table share."""

    start: str
    length: str
    middle: str


def epoch_charts(entries: Sequence[Mapping[str, Any]]) -> list[LineChart]:
    """Validation NDCG@10 and the loss by epoch; no chart of a value that fewer than two epochs have."""
    charts = []
    for title, name, best_of in ((gettext("NDCG@10 on validation"), "ndcg_10", max), (gettext("Loss"), "loss", min)):
        values = [(entry["epoch"], entry[name]) for entry in entries if entry.get(name) is not None]
        if len(values) >= 2:
            charts.append(_line_chart(title, values, best_of(values, key=lambda pair: pair[1])))
    return charts


def _line_chart(title: str, values: Sequence[tuple[float, float]], best: tuple[float, float]) -> LineChart:
    first, last = values[0][0], values[-1][0]
    low, high = min(value for _, value in values), max(value for _, value in values)
    x, y = _scale(first, last, LEFT, WIDTH - RIGHT), _scale(low, high, HEIGHT - BOTTOM, TOP)
    return LineChart(
        title=title,
        points=_points((x(epoch), y(value)) for epoch, value in values),
        best=(x(best[0]), y(best[1])),
        across=[Tick(x(epoch), f"{epoch:.0f}") for epoch in dict.fromkeys((first, best[0], last))],
        up=[Tick(y(value), _short(value)) for value in dict.fromkeys((low, high))],
        description=fill(gettext("{value} at epoch {epoch}"), value=_short(best[1]), epoch=round(best[0])),
    )


def calibration_chart(rows: Sequence[Mapping[str, float]]) -> CalibrationChart | None:
    """None where nothing was rated."""
    if not rows:
        return None
    x = _scale(0, MAX_STARS, LEFT, WIDTH - RIGHT)
    y = _scale(0, MAX_STARS, CALIBRATION_HEIGHT - BOTTOM, TOP)
    pair = gettext("predicted {predicted:.2f}, given {given:.2f}")
    descriptions = [fill(pair, predicted=row["predicted"], given=row["actual"]) for row in rows]
    return CalibrationChart(
        points=[
            Whisker(
                x(row["predicted"]), y(row["actual"]), y(row["low"]), y(row["high"]), _of_ratings(text, int(row["n"]))
            )
            for row, text in zip(rows, descriptions, strict=True)
        ],
        diagonal=(x(0), y(0), x(MAX_STARS), y(MAX_STARS)),
        across=[Tick(x(stars), str(stars)) for stars in range(MAX_STARS + 1)],
        up=[Tick(y(stars), str(stars)) for stars in range(MAX_STARS + 1)],
        description="; ".join(descriptions),
        height=CALIBRATION_HEIGHT,
    )


def interval_bar(low: float | None, middle: float | None, high: float | None, scale_end: float) -> Bar | None:
    """The bar of an interval on a scale from 0 to `scale_end`; None where there is no interval."""
    if low is None or middle is None or high is None or scale_end <= 0:
        return None
    start, end = (100 * min(max(value / scale_end, 0.0), 1.0) for value in (low, high))
    return Bar(f"{start:.2f}", f"{max(end - start, 0.6):.2f}", _scale(0, scale_end, 0, 100)(middle))


def band_chart(
    intervals: Sequence[tuple[date, float, float | None, float | None]],
    format_value: Callable[[float], str],
    format_tick: Callable[[float], str],
) -> BandChart | None:
    """An interval day by day. None before two days have one.

    intervals : day, value, low and high.   format_value : for the description.   format_tick : shorter, for the axis.
    """
    rows = [(day, value, low, high) for day, value, low, high in intervals if low is not None and high is not None]
    if len(rows) < 2:
        return None
    first, last = rows[0][0], rows[-1][0]
    # The first intervals are so wide that the last ones would be a line: the scale is of the second half.
    half = rows[len(rows) // 2 :]
    bottom, top = min(0.0, *(low for _, _, low, _ in half)), max(0.0, *(high for _, _, _, high in half))
    x, y = (
        _scale(first.toordinal(), last.toordinal(), WIDE_LEFT, WIDTH - RIGHT),
        _scale(bottom, top, HEIGHT - BOTTOM, TOP),
    )
    upper = [(x(day.toordinal()), y(high)) for day, _, _, high in rows]
    lower = [(x(day.toordinal()), y(low)) for day, _, low, _ in reversed(rows)]
    _, value, low, high = rows[-1]
    return BandChart(
        band=_points(upper + lower),
        line=_points((x(day.toordinal()), y(value)) for day, value, _, _ in rows),
        zero=y(0.0),
        across=[Tick(x(day.toordinal()), _day_and_month(day)) for day in dict.fromkeys((first, last))],
        up=[Tick(y(value), format_tick(value) if value else "0") for value in dict.fromkeys((bottom, 0.0, top))],
        description=fill(
            gettext("from {first:date} to {last:date}; at the end {value}, {low} to {high}"),
            first=first,
            last=last,
            value=format_value(value),
            low=format_value(low),
            high=format_value(high),
        ),
        left=WIDE_LEFT,
    )


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    """Map values from low..high to coordinates from start to end, and values outside to the nearer end; to the middle
    where low is high."""

    def coordinate(value: float) -> str:
        share = (min(max(value, low), high) - low) / (high - low) if high > low else 0.5
        return f"{start + share * (end - start):.1f}"

    return coordinate


def _points(places: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)


def _short(value: float) -> str:
    return written(value, ".3f" if abs(value) < 10 else ".1f")


def _of_ratings(text: str, count: int) -> str:
    sentence = ngettext("{point} ({count:n} rating)", "{point} ({count:n} ratings)", count)
    return fill(sentence, point=text, count=count)


def _day_and_month(day: date) -> str:
    return pgettext("day and month in digits", "{day}.{month}.").format(day=f"{day:%d}", month=f"{day:%m}")
