"""A report as lines for people: the admin's pages and the commands show the same words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LABELS = {
    "two_tower": "this model",
    "live": "the live model then",
    "popularity": "popularity",
    "segment_popularity": "popularity by segment",
}
NOTHING = "–"


@dataclass(frozen=True)
class ModelLine:
    """How good one of the models was on the held-out purchases."""

    label: str
    ndcg: str
    interval: str
    hit_rate: str
    recall: str
    mrr: str
    coverage: str


@dataclass(frozen=True)
class DifferenceLine:
    """This model less another one, in NDCG@10, person by person. verdict : "better", "worse" or "a tie"."""

    label: str
    difference: str
    interval: str
    verdict: str


@dataclass(frozen=True)
class SegmentLine:
    """NDCG@10 among people of whom so much is known, beside popularity."""

    label: str
    people: int
    ours: str
    popularity: str
    difference: DifferenceLine


@dataclass(frozen=True)
class RatingLine:
    """Error of the predicted ratings in stars, beside that of a simple guess."""

    label: str
    rmse: str


@dataclass(frozen=True)
class TrialLine:
    """One trial of a tuning. chosen : whether its settings became those of the model."""

    number: int
    settings: str
    ndcg: str
    epochs: int
    state: str
    seconds: str
    chosen: bool


@dataclass(frozen=True)
class ReportLines:
    """Everything a report says, ready to print. Empty lists where nothing was measured."""

    people: int
    models: list[ModelLine]
    differences: list[DifferenceLine]
    segments: list[SegmentLine]
    ratings: list[RatingLine]
    rated: int
    trials: list[TrialLine]


def lines_of(report: Mapping[str, Any]) -> ReportLines:
    ratings = report.get("ratings") or {}
    errors = {"rmse": "this model", "item_mean_rmse": "each item's mean", "global_mean_rmse": "the mean of all"}
    return ReportLines(
        people=report.get("users", 0),
        models=[_model(row) for row in report.get("models", [])],
        differences=[_difference(LABELS.get(name, name), row) for name, row in report.get("paired", {}).items()],
        segments=[_segment(row) for row in report.get("segments", [])],
        ratings=[RatingLine(label, score(ratings[name])) for name, label in errors.items() if name in ratings],
        rated=ratings.get("n", 0),
        trials=_trials(report.get("study", [])),
    )


def row_of(report: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    """The row of one model; empty where it was not measured."""
    return next((row for row in report.get("models", []) if row["model"] == model), {})


def score(value: float | None, sign: str = "") -> str:
    """Three decimals without the leading zero: .108, -.012, 1.000."""
    if value is None:
        return NOTHING
    text = f"{value:{sign}.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text


def interval(low: float | None, high: float | None, sign: str = "") -> str:
    return NOTHING if low is None or high is None else f"{score(low, sign)} to {score(high, sign)}"


def _model(row: Mapping[str, Any]) -> ModelLine:
    return ModelLine(
        label=LABELS.get(row["model"], row["model"]),
        ndcg=score(row.get("ndcg_10")),
        interval=interval(*(row.get("ndcg_10_interval") or (None, None))),
        hit_rate=score(row.get("hr_10")),
        recall=score(row.get("recall_20")),
        mrr=score(row.get("mrr")),
        coverage=NOTHING if row.get("coverage") is None else f"{row['coverage']:.0%}",
    )


def _difference(label: str, row: Mapping[str, Any]) -> DifferenceLine:
    low, high = row.get("low"), row.get("high")
    verdict = NOTHING if low is None or high is None else "better" if low > 0 else "worse" if high < 0 else "a tie"
    return DifferenceLine(label, score(row.get("difference"), "+"), interval(low, high, "+"), verdict)


def _segment(row: Mapping[str, Any]) -> SegmentLine:
    return SegmentLine(
        label=row["segment"],
        people=row["users"],
        ours=score(row.get("two_tower")),
        popularity=score(row.get("popularity")),
        difference=_difference("popularity", row),
    )


def _trials(study: Sequence[Mapping[str, Any]]) -> list[TrialLine]:
    best = max((trial["ndcg_10"] for trial in study), default=None)
    return [
        TrialLine(
            number=trial["number"],
            settings=", ".join(f"{name} {_short(value)}" for name, value in sorted(trial["settings"].items())),
            ndcg=f"{trial['ndcg_10']:.4f}".lstrip("0"),
            epochs=len(trial["curve"]),
            state=trial["state"],
            seconds=f"{trial['seconds']:.0f}",
            chosen=trial["ndcg_10"] == best,
        )
        for trial in study
    ]


def _short(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


# --- the curve of a run -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """Loss and validation NDCG@10 by epoch, as the points of two SVG lines in a box of width x height."""

    width: int
    height: int
    loss: str
    ndcg: str
    epochs: int
    last_loss: str
    best_ndcg: str


def curve_of(entries: Sequence[Mapping[str, Any]], width: int = 640, height: int = 160) -> Curve | None:
    """None before the second epoch: one point is no line."""
    if len(entries) < 2:
        return None
    ndcg = [entry["ndcg_10"] for entry in entries if entry.get("ndcg_10") is not None]
    return Curve(
        width=width,
        height=height,
        loss=_points([entry.get("loss") for entry in entries], width, height),
        ndcg=_points([entry.get("ndcg_10") for entry in entries], width, height),
        epochs=len(entries),
        last_loss=score(entries[-1].get("loss")),
        best_ndcg=score(max(ndcg)) if ndcg else NOTHING,
    )


def _points(values: Sequence[float | None], width: int, height: int, margin: int = 8) -> str:
    """The values from left to right, the lowest at the bottom. Epochs without a value are skipped."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, span = min(known), (max(known) - min(known)) or 1.0
    return " ".join(
        f"{margin + place * (width - 2 * margin) / (len(values) - 1):.1f},"
        f"{height - margin - (value - low) / span * (height - 2 * margin):.1f}"
        for place, value in enumerate(values)
        if value is not None
    )
