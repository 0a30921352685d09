"""A report as lines of text: the admin's pages and the commands show the same words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, gettext_noop

from recommender.engine.data.left_out import LeftOut
from recommender.engine_words import left_out_words
from recommender.reports.charts import (
    Bar,
    CalibrationChart,
    LineChart,
    calibration_chart,
    epoch_charts,
    interval_bar,
)
from recommender.reports.summary import in_short
from recommender.words import NO_VALUE, Words, fill, in_words, written

LABELS = {
    "two_tower": gettext_noop("this model"),
    "live": gettext_noop("the live model then"),
    "anchor": gettext_noop("the best until then"),
    "popularity": gettext_noop("popularity"),
    "segment_popularity": gettext_noop("popularity by segment"),
    "personal_frequency": gettext_noop("what each bought most often"),
}
SEGMENT_LABELS = {  # of the engine's segments that do not name their people
    "profile only": gettext_noop("profile only, history hidden"),
    "no history": gettext_noop("nothing bought before"),
    "1-5 purchases": gettext_noop("1 to 5 purchases"),
    "6-20 purchases": gettext_noop("6 to 20 purchases"),
    "over 20 purchases": gettext_noop("over 20 purchases"),
    "new items": gettext_noop("new products, among themselves"),
}
SEGMENTS = (  # as the engine names them
    gettext_noop("profile only"),
    gettext_noop("no history"),
    gettext_noop("1-5 purchases"),
    gettext_noop("6-20 purchases"),
    gettext_noop("over 20 purchases"),
    gettext_noop("new items"),
)
ERROR_LABELS = {
    "rmse": gettext_noop("this model"),
    "item_mean_rmse": gettext_noop("each item's mean"),
    "global_mean_rmse": gettext_noop("the mean of all"),
}
TRIAL_STATES = (gettext_noop("done"), gettext_noop("pruned"), gettext_noop("running"))


class Verdict(str):
    """What a difference comes to, in the reader's language. kind : "better", "worse" or "", for the page's colours."""

    kind = ""

    def __new__(cls, text: str, kind: str = "") -> Verdict:
        verdict = super().__new__(cls, text)
        verdict.kind = kind
        return verdict


@dataclass(frozen=True)
class ModelLine:
    """The quality of one model on the held-out purchases, and how evenly its lists show the items. model : its name in
    the report."""

    model: str
    label: str
    ndcg: str
    interval: str
    bar: Bar | None
    hit_rate: str
    hit_interval: str
    recall: str
    mrr: str
    coverage: str
    top_percent: str
    gini: str


@dataclass(frozen=True)
class DifferenceLine:
    """This model less another one, in NDCG@10, person by person. verdict : "better", "worse" or "a tie"."""

    label: str
    difference: str
    interval: str
    verdict: Verdict


@dataclass(frozen=True)
class SegmentLine:
    """The models in one segment of the people. models : this one first."""

    label: str
    people: int
    models: list[ModelLine]
    differences: list[DifferenceLine]


@dataclass(frozen=True)
class NextBasketLines:
    """What people bought next, bought before or not. bought_again : the share of it that they had bought before."""

    people: int
    bought_again: str
    models: list[ModelLine]
    differences: list[DifferenceLine]


@dataclass(frozen=True)
class RatingLine:
    """The error in stars of the predicted ratings, or of a simple guess."""

    label: str
    rmse: str


@dataclass(frozen=True)
class TrialLine:
    """One trial of a tuning. chosen : whether the model has its settings."""

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

    summary: list[str]
    people: int
    models: list[ModelLine]
    differences: list[DifferenceLine]
    segments: list[SegmentLine]
    next_baskets: NextBasketLines | None
    ratings: list[RatingLine]
    rated: int
    calibration: CalibrationChart | None
    curves: list[LineChart]
    trials: list[TrialLine]
    left_out: list[str]
    out_of_time: str
    refit: str


def report_lines(report: Mapping[str, Any]) -> ReportLines:
    ratings = report.get("ratings") or {}
    return ReportLines(
        summary=in_short(report),
        people=report.get("users", 0),
        models=_model_lines(report.get("models", [])),
        differences=_difference_lines(report.get("paired", {})),
        segments=[
            SegmentLine(
                label=_label(SEGMENT_LABELS, row["segment"]),
                people=row["users"],
                models=_model_lines(row["models"]),
                differences=_difference_lines(row["paired"]),
            )
            for row in report.get("segments", [])
            if "models" in row  # old reports have segments without models
        ],
        next_baskets=_next_basket_lines(report.get("next_baskets")),
        ratings=[
            RatingLine(gettext(label), format_score(ratings[name]))
            for name, label in ERROR_LABELS.items()
            if name in ratings
        ],
        rated=ratings.get("n", 0),
        calibration=calibration_chart(ratings.get("calibration", [])),
        curves=epoch_charts(report.get("curve", [])),
        trials=_trial_lines(report.get("study", [])),
        left_out=[in_words(left_out_words(LeftOut.from_dict(part))) for part in report.get("left_out", [])],
        out_of_time=_out_of_time(report["settings"]["minutes"]) if report.get("out_of_time") else "",
        refit=_refit_line(report.get("refit")),
    )


def model_row(report: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    """The row of one model; empty where it was not measured."""
    return next((row for row in report.get("models", []) if row["model"] == model), {})


def format_score(value: float | None, sign: str = "") -> str:
    """Three decimals without the leading zero: .108, -.012, 1.000; where people write a comma, 0,108."""
    return written(value, f"{sign}score")


def format_interval(low: float | None, high: float | None, sign: str = "") -> str:
    """.101 to .115"""
    return in_words(interval_words(low, high, sign))


def interval_words(low: float | None, high: float | None, sign: str = "") -> Words | str:
    """The same as Words."""
    if low is None or high is None:
        return NO_VALUE
    if sign:
        return Words("{low:+score} to {high:+score}", low=low, high=high)
    return Words("{low:score} to {high:score}", low=low, high=high)


def verdict(
    low: float | None,
    high: float | None,
    *,
    worse: Words | None = None,
    tie: Words | None = None,
    not_measured: str = "",
) -> Verdict:
    """What the interval of a difference says: "better" or `worse` where it does not hold 0, else `tie`."""
    if low is None or high is None:
        return Verdict(not_measured)
    kind = "better" if low > 0 else "worse" if high < 0 else ""
    return Verdict(in_words(verdict_words(low, high, worse=worse, tie=tie)), kind)


def verdict_words(low: float, high: float, *, worse: Words | None = None, tie: Words | None = None) -> Words:
    """The same as Words."""
    if low > 0:
        return Words("better")
    return (worse or Words("worse")) if high < 0 else (tie or Words("a tie"))


def segment_words(name: str) -> Words | str:
    """A segment of people as the engine names it."""
    return Words(name) if name in SEGMENTS else name


def _label(labels: Mapping[str, str], name: str) -> str:
    return gettext(labels[name]) if name in labels else name


def _out_of_time(minutes: float) -> str:
    sentence = gettext("The limit of {minutes} minutes ended training; the best model until then was kept.")
    return fill(sentence, minutes=written(minutes, "g"))


def _format_share(value: float | None) -> str:
    return written(value, "percent")


def _model_lines(rows: Sequence[Mapping[str, Any]]) -> list[ModelLine]:
    """The bars of all rows share one scale, which ends at the highest end of an interval."""
    intervals = [row.get("ndcg_10_interval") or (None, None) for row in rows]
    scale_end = max((high for _, high in intervals if high is not None), default=0.0)
    return [
        ModelLine(
            model=row["model"],
            label=_label(LABELS, row["model"]),
            ndcg=format_score(row.get("ndcg_10")),
            interval=format_interval(low, high),
            bar=interval_bar(low, row.get("ndcg_10"), high, scale_end),
            hit_rate=format_score(row.get("hr_10")),
            hit_interval=format_interval(*(row.get("hr_10_interval") or (None, None))),
            recall=format_score(row.get("recall_20")),
            mrr=format_score(row.get("mrr")),
            coverage=_format_share(row.get("coverage")),
            top_percent=_format_share(row.get("top_percent")),
            gini=format_score(row.get("gini")),
        )
        for row, (low, high) in zip(rows, intervals, strict=True)
    ]


def _difference_lines(paired: Mapping[str, Mapping[str, Any]]) -> list[DifferenceLine]:
    return [
        DifferenceLine(
            label=_label(LABELS, name),
            difference=format_score(row.get("difference"), "+"),
            interval=format_interval(row.get("low"), row.get("high"), "+"),
            verdict=verdict(row.get("low"), row.get("high"), not_measured=NO_VALUE),
        )
        for name, row in paired.items()
    ]


def _next_basket_lines(measured: Mapping[str, Any] | None) -> NextBasketLines | None:
    if not measured:
        return None
    return NextBasketLines(
        people=measured["users"],
        bought_again=_format_share(measured["bought_again"]),
        models=_model_lines(measured["models"]),
        differences=_difference_lines(measured["paired"]),
    )


def _refit_line(refit: Mapping[str, float] | None) -> str:
    if not refit:
        return ""
    low, high = refit["low"], refit["high"]
    sentence = gettext(
        "What serves learned from the held-out purchases, too, so they do not say how good its lists are. On "
        "them it must "
        "not be worse than this model, and it is not: NDCG@10 {score:score}, {difference:+score} ({interval})."
    )
    if high < 0:
        sentence = gettext(
            "What serves learned from the held-out purchases, too, so they do not say how good its lists "
            "are. On them it "
            "must not be worse than this model, and it is: NDCG@10 {score:score}, {difference:+score} ({interval})."
        )
    interval = format_interval(low, high, "+")
    return fill(sentence, score=refit["ndcg_10"], difference=refit["difference"], interval=interval)


def _trial_lines(study: Sequence[Mapping[str, Any]]) -> list[TrialLine]:
    best = max((trial["ndcg_10"] for trial in study), default=None)
    return [
        TrialLine(
            number=trial["number"],
            settings=", ".join(f"{name} {_format_setting(value)}" for name, value in sorted(trial["settings"].items())),
            ndcg=_four_decimals(trial["ndcg_10"]),
            epochs=len(trial["curve"]),
            state=gettext(trial["state"]),
            seconds=written(round(trial["seconds"]), "n"),
            chosen=trial["ndcg_10"] == best,
        )
        for trial in study
    ]


def _four_decimals(value: float) -> str:
    text = written(value, ".4f")
    return text.lstrip("0") if "." in text else text


def _format_setting(value: Any) -> str:
    return written(float(f"{value:.2g}"), "g") if isinstance(value, float) else str(value)
