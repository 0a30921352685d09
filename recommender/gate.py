"""Where a worse model is refused: one pure function of the engine's report, and its rule in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import NormalDist
from typing import Any

from django.conf import settings

from recommender.report_lines import score

RIVALS = {"live": "the live model", "popularity": "popularity"}
COUNTED = {"users": "customers", "items": "items", "interactions": "interactions"}
MOST_LOST = 0.3
LEVEL = 0.95  # of every interval in a report
# A segment matters when it is at least so large, and a model is worse there when it loses at least so much of a rival's
# NDCG@10: in many small parts something always looks worse, and two trainings alike differ by a little.
SEGMENT_PEOPLE, SEGMENT_SHARE, SEGMENT_LOSS = 100, 0.05, 0.05


def most_lost() -> float:
    """The share of the live model's data that may be gone: the setting RECOMMENDER_MOST_LOST, 0 to 1."""
    return float(getattr(settings, "RECOMMENDER_MOST_LOST", MOST_LOST))


def rule() -> list[str]:
    """What the gate asks, in sentences for the pages of the admin."""
    return [
        "The new model, the live model and a list of what sells most are scored on the same held-out purchases, which "
        "none of them has seen. The new model is refused when it is worse than the live model or than popularity by "
        "more than chance explains: when the whole 95 % interval of the difference in NDCG@10, person by person, lies "
        "below zero.",
        f"The same holds in each segment that matters: at least {SEGMENT_PEOPLE} people and {SEGMENT_SHARE:.0%} of all "
        "who were measured. There the interval is widened for looking at several segments at once, and the loss must "
        f"be at least {SEGMENT_LOSS:.0%} of the other model's NDCG@10.",
        "It is refused when something that was measured, listed or counted is not a finite number.",
        f"It is refused when it learned from over {most_lost():.0%} fewer customers, items or interactions than the "
        "live model did: a part of the data may be missing.",
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
    report: Mapping[str, Any],
    *,
    live_counts: Mapping[str, int] | None = None,
    most_lost: float = 1.0,
    other_answers: Sequence[str] = (),
) -> Decision:
    """Judge a candidate by the report of its run (`Report.to_dict()`).

    live_counts : what the live model learned from, as in its report.   most_lost : the share of that which may be gone.
    other_answers : where its bundle answers otherwise than the trainer did (engine.samples.other_answers).
    """
    broken = next(_not_numbers(report), None)
    if broken:
        return Decision(False, f"Refused: {broken} is not a number, so nothing measured of this model can be trusted.")
    against = [
        *_unlike(other_answers, len(report.get("samples", []))),
        *_shrunk(report["counts"], live_counts or {}, most_lost),
        *_worse(report),
        *_worse_in_segments(report),
    ]
    if against:
        first, *others = against
        return Decision(False, " ".join([f"Refused: {first}", *(s[0].upper() + s[1:] for s in others)]))
    said = [_beside(report["models"], name, pair) for name, pair in _measured(report["paired"]).items()]
    if not said:
        return Decision(
            True,
            "Passed unmeasured: no purchase could be held out from anybody, so there is nothing to compare by. "
            "Lists will be close to what sells most until people have bought more than once.",
        )
    return Decision(True, f"Passed: {'; '.join(said)}; measured on {report['users']:,} people.")


# --- what speaks against a model, a sentence each ---------------------------------------------------------------------


def _unlike(other_answers: Sequence[str], asked: int) -> Iterator[str]:
    if other_answers:
        people = f"{len(other_answers)} of {asked} people" if asked else "people"
        yield f"the bundle answers {people} otherwise than the trainer did; {other_answers[0]}"


def _shrunk(counts: Mapping[str, int], before: Mapping[str, int], most_lost: float) -> Iterator[str]:
    for name, called in COUNTED.items():
        now, then = counts[name], before.get(name, 0)
        if then and 1 - now / then > most_lost:
            yield (
                f"it learned from {now:,} {called} where the live model had {then:,}: {1 - now / then:.0%} fewer, and "
                f"more than {most_lost:.0%} are too many."
            )


def _worse(report: Mapping[str, Any]) -> Iterator[str]:
    for name, pair in _measured(report["paired"]).items():
        if pair["high"] < 0:
            yield f"it is worse than {RIVALS[name]}: {_beside(report['models'], name, pair)}."


def _worse_in_segments(report: Mapping[str, Any]) -> Iterator[str]:
    """A segment's interval is widened as Bonferroni asks, by the normal quantiles: k comparisons share one 5 %."""
    least = max(SEGMENT_PEOPLE, SEGMENT_SHARE * report["users"])
    compared = [
        (segment, name, pair)
        for segment in report["segments"]
        if segment["users"] >= least
        for name, pair in _measured(segment["paired"]).items()
    ]
    tail = (1 - LEVEL) / 2
    wider = NormalDist().inv_cdf(1 - tail / max(len(compared), 1)) / NormalDist().inv_cdf(1 - tail)
    for segment, name, pair in compared:
        rivals = next(row["ndcg_10"] for row in segment["models"] if row["model"] == name)
        highest = pair["difference"] + wider * (pair["high"] - pair["difference"])
        if highest < 0 and -pair["difference"] >= SEGMENT_LOSS * rivals:
            yield (
                f"it is worse than {RIVALS[name]} in the segment {segment['segment']!r}: "
                f"{_beside(segment['models'], name, pair)}, among {segment['users']:,} people."
            )


def _not_numbers(report: Mapping[str, Any]) -> Iterator[str]:
    """What was measured and is nan or infinite, in words. None is no measurement: there was nobody to measure on."""
    yield from (f"the count of {name}" for name in _infinite(report["counts"]))
    yield from _not_numbers_of(report["models"], report["paired"])
    for segment in report["segments"]:
        found = _not_numbers_of(segment["models"], segment["paired"])
        yield from (f"{what} in the segment {segment['segment']!r}" for what in found)
    ratings = report["ratings"] or {}
    yield from (f"the ratings' {name}" for name in _infinite(ratings))
    for row in ratings.get("calibration", []):
        yield from (f"{name} of the ratings' calibration" for name in _infinite(row))
    for told in report.get("samples", []):
        bad = (item for item, score in told["list"] if not isfinite(score))
        yield from (f"the score of {item} in the list of {told['user']}" for item in bad)
    # A validation score may be missing in an epoch (nobody to validate on), a loss may not.
    yield from (f"the loss of epoch {e['epoch']}" for e in report.get("curve", []) if not isfinite(e["loss"]))


def _not_numbers_of(models: Sequence[Mapping[str, Any]], paired: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for row in models:
        yield from (f"{name} of {row['model']}" for name in _infinite(row))
    for rival, pair in paired.items():
        yield from (f"the paired {name} to {rival}" for name in _infinite(pair))


def _infinite(row: Mapping[str, Any]) -> list[str]:
    values = {name: value if isinstance(value, list | tuple) else [value] for name, value in row.items()}
    return [name for name, parts in values.items() if any(isinstance(v, float) and not isfinite(v) for v in parts)]


# --- in words ---------------------------------------------------------------------------------------------------------


def _measured(paired: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, float]]:
    """The differences to the rivals that decide, where there was anybody to measure on."""
    return {name: paired[name] for name in RIVALS if name in paired and paired[name]["difference"] is not None}


def _beside(models: Sequence[Mapping[str, Any]], rival: str, pair: Mapping[str, float]) -> str:
    """NDCG@10 .108 beside .043 for popularity: +.065 (+.051 to +.079), better"""
    scores = {row["model"]: row["ndcg_10"] for row in models}
    verdict = "better" if pair["low"] > 0 else "worse" if pair["high"] < 0 else "a tie"
    return (
        f"NDCG@10 {score(scores['two_tower'])} beside {score(scores[rival])} for {RIVALS[rival]}: "
        f"{score(pair['difference'], '+')} ({score(pair['low'], '+')} to {score(pair['high'], '+')}), {verdict}"
    )
