"""A report as lines for people: the admin's pages and the commands show the same words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.engine.data.left_out import LeftOut
from recommender.reports.charts import Bar, CalibrationChart, LineChart, bar, calibration_of, curves_of

LABELS = {
    "two_tower": "this model",
    "live": "the live model then",
    "popularity": "popularity",
    "segment_popularity": "popularity by segment",
}
SEGMENT_LABELS = {  # the engine says what was measured, the pages say of whom
    "profile only": "profile only, history hidden",
    "no history": "nothing bought before",
    "1-5 purchases": "1 to 5 purchases",
    "6-20 purchases": "6 to 20 purchases",
    "new items": "new products, among themselves",
}
NOTHING = "–"


@dataclass(frozen=True)
class ModelLine:
    """How good one of the models was on the held-out purchases, and how its lists share out their places."""

    label: str
    ndcg: str
    interval: str
    bar: Bar | None
    hit_rate: str
    hit_interval: str
    recall: str = NOTHING
    mrr: str = NOTHING
    coverage: str = NOTHING
    top_percent: str = NOTHING
    gini: str = NOTHING


@dataclass(frozen=True)
class DifferenceLine:
    """This model less another one, in NDCG@10, person by person. verdict : "better", "worse" or "a tie"."""

    label: str
    difference: str
    interval: str
    verdict: str


@dataclass(frozen=True)
class SegmentLine:
    """The models among some of the people. models : this one first."""

    label: str
    people: int
    models: list[ModelLine]
    differences: list[DifferenceLine]


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
    calibration: CalibrationChart | None
    curves: list[LineChart]
    trials: list[TrialLine]
    left_out: list[str]


def lines_of(report: Mapping[str, Any]) -> ReportLines:
    ratings = report.get("ratings") or {}
    # Reports of before the models were compared within segments have rows without them.
    segments = [row for row in report.get("segments", []) if "models" in row]
    errors = {"rmse": "this model", "item_mean_rmse": "each item's mean", "global_mean_rmse": "the mean of all"}
    return ReportLines(
        people=report.get("users", 0),
        models=_models(report.get("models", [])),
        differences=_differences(report.get("paired", {})),
        segments=[
            SegmentLine(
                SEGMENT_LABELS.get(row["segment"], row["segment"]),
                row["users"],
                _models(row["models"]),
                _differences(row["paired"]),
            )
            for row in segments
        ],
        ratings=[RatingLine(label, score(ratings[name])) for name, label in errors.items() if name in ratings],
        rated=ratings.get("n", 0),
        calibration=calibration_of(ratings.get("calibration", [])),
        curves=curves_of(report.get("curve", [])),
        trials=_trials(report.get("study", [])),
        left_out=[LeftOut.from_dict(part).sentence() for part in report.get("left_out", [])],
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


def share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0%}"


def interval(low: float | None, high: float | None, sign: str = "") -> str:
    return NOTHING if low is None or high is None else f"{score(low, sign)} to {score(high, sign)}"


def _models(rows: Sequence[Mapping[str, Any]]) -> list[ModelLine]:
    """Their bars share one scale, which ends where the longest does."""
    intervals = [row.get("ndcg_10_interval") or (None, None) for row in rows]
    most = max((high for _, high in intervals if high is not None), default=0.0)
    return [
        ModelLine(
            label=LABELS.get(row["model"], row["model"]),
            ndcg=score(row.get("ndcg_10")),
            interval=interval(low, high),
            bar=bar(low, row.get("ndcg_10"), high, most),
            hit_rate=score(row.get("hr_10")),
            hit_interval=interval(*(row.get("hr_10_interval") or (None, None))),
            recall=score(row.get("recall_20")),
            mrr=score(row.get("mrr")),
            coverage=share(row.get("coverage")),
            top_percent=share(row.get("top_percent")),
            gini=score(row.get("gini")),
        )
        for row, (low, high) in zip(rows, intervals, strict=True)
    ]


def _differences(paired: Mapping[str, Mapping[str, Any]]) -> list[DifferenceLine]:
    return [_difference(LABELS.get(name, name), row) for name, row in paired.items()]


def _difference(label: str, row: Mapping[str, Any]) -> DifferenceLine:
    low, high = row.get("low"), row.get("high")
    verdict = NOTHING if low is None or high is None else "better" if low > 0 else "worse" if high < 0 else "a tie"
    return DifferenceLine(label, score(row.get("difference"), "+"), interval(low, high, "+"), verdict)


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
