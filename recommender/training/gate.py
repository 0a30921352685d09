"""Whether a trained model may serve: one pure function of the engine's report, and its rules in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import NormalDist
from typing import Any

from django.conf import settings

from recommender.engine.evaluation.segments import KNOWN_SEGMENTS
from recommender.registry import ANCHOR_DAYS
from recommender.reports import format_interval, format_score, model_row, verdict

RIVALS = {"live": "the live model", "anchor": "the best version so far", "popularity": "popularity"}
COUNT_LABELS = {"users": "customers", "items": "items", "interactions": "interactions"}
MAX_DATA_LOSS = 0.3  # of the live model's customers, items or interactions
# A live model measured again on later purchases of a healthy shop keeps most of its NDCG@10: seasons and new items cost
# it a tenth or two. Products that were shuffled, or another column taken for the key, leave it nearly nothing.
MAX_QUALITY_DROP = 0.4  # of the live model's NDCG@10
LEAST_PEOPLE = 6  # of whom all may be worse off by chance one time in 64; of five one time in 32, which is no proof
TAIL = 0.025  # outside of each end of every interval in a report, which holds 95 %
# The gate looks only at losses of at least so much of the rival's NDCG@10, and at segments of at least so many people:
# two trainings of the same data differ by a little, and among many small segments some always look worse.
MIN_LOSS, SEGMENT_MIN_LOSS = 0.02, 0.05
SEGMENT_MIN_PEOPLE = 100
SEGMENT_MIN_SHARE = 0.05  # of all people measured

ReportDict = Mapping[str, Any]  # `Report.to_dict()` of the engine
Pair = Mapping[str, float]  # difference, low and high of this model less a rival, in NDCG@10


def max_data_loss() -> float:
    """The share of the live model's data that may be missing: the setting RECOMMENDER_MOST_LOST, 0 to 1."""
    return float(getattr(settings, "RECOMMENDER_MOST_LOST", MAX_DATA_LOSS))


def max_quality_drop() -> float:
    """The share of the live model's NDCG@10 that may be lost: the setting RECOMMENDER_MOST_FALLEN, 0 to 1."""
    return float(getattr(settings, "RECOMMENDER_MOST_FALLEN", MAX_QUALITY_DROP))


def gate_rules() -> list[str]:
    """The rules of the gate, in sentences for the pages of the admin."""
    return [
        "The new model, the live model, the best version so far and a list of what sells most are scored on the same "
        "held-out purchases, which none of them has seen. The new model is refused when it is worse than one of the "
        f"others by at least {MIN_LOSS:.0%} of its NDCG@10 and by more than chance explains: when the whole 95 % "
        "interval of the difference, person by person, lies below zero. The interval is widened for looking at several "
        "models at once.",
        f"The best version so far is, of the last {ANCHOR_DAYS} days, the last one that was better than the best "
        "before it by more than chance explains, or that a person made live. Losses too small to be seen from one "
        "night to the next add up; beside it they show.",
        f"The same holds in each segment that matters: at least {SEGMENT_MIN_PEOPLE} people and {SEGMENT_MIN_SHARE:.0%}"
        " of all who were measured. There the interval is widened for looking at several segments, too, and the loss"
        f" must be at least {SEGMENT_MIN_LOSS:.0%} of the other model's NDCG@10.",
        f"Fewer than {LEAST_PEOPLE} people who could be measured prove no loss.",
        "What serves is trained once more, on all purchases. It has seen the held-out ones, so that no list can be "
        "measured with it; but it must not be worse on them than the model that was measured.",
        "It is refused when something that was measured, listed or counted is not a finite number.",
        f"It is refused when it learned from over {max_data_loss():.0%} fewer customers, items or interactions than "
        "the live model did: a part of the data may be missing.",
        f"It is refused when its NDCG@10 is over {max_quality_drop():.0%} below what the live model had when that was "
        "promoted, the live model's own has fallen as far, and no interval explains it: such a fall says that the data "
        "changed, not the model.",
        "Not measured is not passed: where the live model was measured, a model that cannot be measured is refused. So "
        "is one that can be measured on newcomers or reorders alone where the live one was measured on customers with "
        "purchases who bought something new. Customers of whom nobody could be measured are named.",
        "It is refused when its bundle, opened as the site opens it, answers otherwise than the model in training did.",
        "A tie passes: fresh data is worth having. A refused version can be promoted by hand; who did so, and why, is "
        "recorded.",
    ]


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may serve, and the numbers that say why."""

    promote: bool
    reason: str


def decide(
    report: ReportDict,
    *,
    live_report: ReportDict | None = None,
    max_data_loss: float = 1.0,
    max_quality_drop: float = 1.0,
    mismatches: Sequence[str] = (),
) -> Decision:
    """Judge a candidate by the report of its run.

    live_report : that of the live model, from its own run; None where nothing is live.
    max_data_loss, max_quality_drop : shares of the live model's data and NDCG@10 that may be missing.
    mismatches : a sentence for each person whom the candidate's bundle answers otherwise than the trainer did.
    """
    broken = next(_values_not_finite(report), None)
    if broken:
        return Decision(False, f"Refused: {broken} is not a number, so nothing measured of this model can be trusted.")
    before = live_report or {}
    objections = [
        *_other_answers(mismatches, len(report.get("samples", []))),
        *_data_lost(report["counts"], before.get("counts") or {}, max_data_loss),
        *_not_measured(report, before),
        *_quality_dropped(report, before, max_quality_drop),
        *_worse_overall(report),
        *_worse_in_segments(report),
        *_refit_broken(report),
    ]
    if objections:
        first, *others = objections
        return Decision(False, " ".join([f"Refused: {first}", *(text[0].upper() + text[1:] for text in others)]))
    comparisons = [
        _comparison(report["models"], name, pair, worse="worse, but by too little or too unsurely to refuse")
        for name, pair in _measured_pairs(report).items()
    ]
    if not comparisons:
        return Decision(
            True,
            f"Not measured, and nothing measured is live: {_why_not_measured(report)}. It serves what sells most until "
            "a training can be measured.",
        )
    notes = [f"measured on {report['users']:,} people", *_unmeasured_segments(report), *_not_comparable(report, before)]
    return Decision(True, f"Passed: {'; '.join([*comparisons, *notes])}.")


# --- objections to a model, a sentence each ---------------------------------------------------------------------------


def _other_answers(mismatches: Sequence[str], samples: int) -> Iterator[str]:
    if mismatches:
        people = f"{len(mismatches)} of {samples} people" if samples else "people"
        yield f"the bundle answers {people} otherwise than the trainer did; {mismatches[0]}"


def _data_lost(counts: Mapping[str, int], before: Mapping[str, int], limit: float) -> Iterator[str]:
    for name, label in COUNT_LABELS.items():
        now, then = counts[name], before.get(name, 0)
        if then and 1 - now / then > limit:
            yield (
                f"it learned from {now:,} {label} where the live model had {then:,}: {1 - now / then:.0%} fewer, and "
                f"more than {limit:.0%} are too many."
            )


def _not_measured(report: ReportDict, before: ReportDict) -> Iterator[str]:
    if not _measured_row(before):
        return
    people_before = _people_with_purchases(before)
    if not _measured_row(report):
        yield f"it could not be measured, and the live model was: {_why_not_measured(report)}."
    elif people_before < SEGMENT_MIN_PEOPLE:
        return
    elif not _people_with_purchases(report):
        yield (
            f"nobody with purchases could be measured, only newcomers, where the live model was measured on "
            f"{people_before:,} customers with purchases."
        )
    elif report.get("reorders") and not before.get("reorders", False):
        yield (
            f"nobody with purchases bought anything new, so reorders alone could be measured, where the live model was "
            f"measured on what {people_before:,} customers had not bought before. The data seems to have "
            "changed: look at the latest imports before you promote it by hand."
        )


def _quality_dropped(report: ReportDict, before: ReportDict, limit: float) -> Iterator[str]:
    """Compare with the live model at its own promotion. Where the live model is as good as then on today's purchases,
    the data did not change, and `_worse_overall` judges."""
    now, then = _measured_row(report), _measured_row(before)
    if not now or not then or not _measured_alike(report, before):
        return
    drop = 1 - now["ndcg_10"] / max(then["ndcg_10"], 1e-9)
    live_now = model_row(report, "live").get("ndcg_10")
    if live_now is not None and live_now >= (1 - limit) * then["ndcg_10"]:
        return
    if drop > limit and now["ndcg_10_interval"][1] < then["ndcg_10_interval"][0]:
        live = "" if live_now is None else f", and the live model itself has {format_score(live_now)} there"
        yield (
            "the data seems to have changed, not the model: the live model had NDCG@10 "
            f"{format_score(then['ndcg_10'])} when it was promoted, and this one has {format_score(now['ndcg_10'])} on "
            f"today's held-out purchases{live}; a fall of {drop:.0%} is more than {limit:.0%}. Look at the latest "
            "imports before you promote it by hand."
        )


def _worse_overall(report: ReportDict) -> Iterator[str]:
    for _, name, pair in _proven_losses([report], MIN_LOSS):
        yield f"it is worse than {RIVALS[name]}: {_comparison(report['models'], name, pair)}."


def _worse_in_segments(report: ReportDict) -> Iterator[str]:
    min_people = max(SEGMENT_MIN_PEOPLE, SEGMENT_MIN_SHARE * report["users"])
    segments = [segment for segment in report["segments"] if segment["users"] >= min_people]
    for segment, name, pair in _proven_losses(segments, SEGMENT_MIN_LOSS):
        yield (
            f"it is worse than {RIVALS[name]} in the segment {segment['segment']!r}: "
            f"{_comparison(segment['models'], name, pair)}, among {segment['users']:,} people."
        )


def _proven_losses(parts: Sequence[ReportDict], min_loss: float) -> Iterator[tuple[ReportDict, str, Pair]]:
    """The comparisons in which the model is worse by more than chance explains, and by at least the share `min_loss` of
    the rival's NDCG@10; the surest first.

    All comparisons of the parts share one 5 %, as Holm (1979) has it: the surest loss is held against the quantile of
    all of them, the next against that of one less, until one does not reach it.
    """
    compared = [
        (part, *pair) for part in parts if part["users"] >= LEAST_PEOPLE for pair in _measured_pairs(part).items()
    ]
    compared.sort(key=lambda comparison: _errors_below_zero(comparison[2]), reverse=True)
    for tested, (part, name, pair) in enumerate(compared):
        quantile = NormalDist().inv_cdf(1 - TAIL / (len(compared) - tested))
        if _errors_below_zero(pair) <= quantile:
            return
        if -pair["difference"] >= min_loss * model_row(part, name)["ndcg_10"]:
            yield part, name, pair


def _errors_below_zero(pair: Pair) -> float:
    """By how many standard errors a difference lies below zero."""
    loss, error = -pair["difference"], (pair["high"] - pair["difference"]) / NormalDist().inv_cdf(1 - TAIL)
    return loss / error if error else inf * loss if loss else 0.0


def _refit_broken(report: ReportDict) -> Iterator[str]:
    refit = report.get("refit")
    if refit and report["users"] >= LEAST_PEOPLE and refit["high"] < 0:
        yield (
            f"what would serve, trained once more on all purchases, has NDCG@10 {format_score(refit['ndcg_10'])} on "
            "the held-out ones, which it has seen, and the model that was measured, which has not, is better: "
            f"{format_score(refit['difference'], '+')} ({format_interval(refit['low'], refit['high'], '+')})."
        )


# --- values that are no finite numbers --------------------------------------------------------------------------------


def _values_not_finite(report: ReportDict) -> Iterator[str]:
    """The names of values that are nan or infinite. None is allowed: there was nobody to measure on."""
    yield from (f"the count of {name}" for name in _not_finite(report["counts"]))
    yield from _metrics_not_finite(report)
    for segment in report["segments"]:
        yield from (f"{name} in the segment {segment['segment']!r}" for name in _metrics_not_finite(segment))
    yield from (f"the refit's {name}" for name in _not_finite(report.get("refit") or {}))
    ratings = report["ratings"] or {}
    yield from (f"the ratings' {name}" for name in _not_finite(ratings))
    for row in ratings.get("calibration", []):
        yield from (f"{name} of the ratings' calibration" for name in _not_finite(row))
    for sample in report.get("samples", []):
        items = (item for item, score in sample["list"] if not isfinite(score))
        yield from (f"the score of {item} in the list of {sample['user']}" for item in items)
    # A validation score may be missing in an epoch (nobody to validate on), a loss may not.
    yield from (f"the loss of epoch {row['epoch']}" for row in report.get("curve", []) if not isfinite(row["loss"]))


def _metrics_not_finite(part: Mapping[str, Any]) -> Iterator[str]:
    """part : a report, or one of its segments."""
    for row in part["models"]:
        yield from (f"{name} of {row['model']}" for name in _not_finite(row))
    for rival, pair in part["paired"].items():
        yield from (f"the paired {name} to {rival}" for name in _not_finite(pair))


def _not_finite(row: Mapping[str, Any]) -> list[str]:
    values = {name: value if isinstance(value, list | tuple) else [value] for name, value in row.items()}
    return [name for name, parts in values.items() if any(isinstance(v, float) and not isfinite(v) for v in parts)]


# --- who was measured, and how ----------------------------------------------------------------------------------------


def _measured_row(report: ReportDict) -> Mapping[str, Any] | None:
    """The row of the two towers; None where nobody was measured."""
    row = model_row(report, "two_tower")
    return row if row.get("ndcg_10") is not None and row.get("ndcg_10_interval") else None


def _measured_pairs(part: Mapping[str, Any]) -> dict[str, Pair]:
    """The differences to the rivals, where there was anybody to measure on. part : a report, or one of its segments."""
    paired = part["paired"]
    return {name: paired[name] for name in RIVALS if name in paired and paired[name]["difference"] is not None}


def _people_with_purchases(report: ReportDict) -> int:
    """How many customers with purchases were measured."""
    return sum(segment["users"] for segment in report.get("segments", ()) if segment["segment"] in KNOWN_SEGMENTS)


def _measured_alike(report: ReportDict, before: ReportDict) -> bool:
    """Whether both reports held out purchases in the same way."""
    return all(report.get(name) == before.get(name) for name in ("protocol", "split", "reorders"))


# --- notes ------------------------------------------------------------------------------------------------------------


def _not_comparable(report: ReportDict, before: ReportDict) -> Iterator[str]:
    then = _measured_row(before)
    if then and not _measured_alike(report, before):
        yield (
            f"not compared with the {format_score(then['ndcg_10'])} that the live model had when it was promoted, for "
            "purchases were held out in another way then"
        )


def _unmeasured_segments(report: ReportDict) -> Iterator[str]:
    for segment in report.get("unmeasured", ()):
        yield f"nobody could be measured among the {segment['users']:,} customers with {segment['segment']}"


def _why_not_measured(report: ReportDict) -> str:
    counts = report["counts"]
    people = f"{counts['users']:,} customers with {counts['interactions']:,} purchases"
    return f"of {people}, none has one that could be held out"


def _comparison(models: Sequence[Mapping[str, Any]], rival: str, pair: Pair, worse: str = "worse") -> str:
    """NDCG@10 .108 beside .043 for popularity: +.065 (+.051 to +.079), better"""
    scores = {row["model"]: format_score(row["ndcg_10"]) for row in models}
    return (
        f"NDCG@10 {scores['two_tower']} beside {scores[rival]} for {RIVALS[rival]}: "
        f"{format_score(pair['difference'], '+')} ({format_interval(pair['low'], pair['high'], '+')}), "
        f"{verdict(pair['low'], pair['high'], worse=worse)}"
    )
