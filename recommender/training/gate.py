"""Where a worse model is refused: one pure function of the engine's report, and its rule in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import NormalDist
from typing import Any

from django.conf import settings

from recommender.engine.evaluation.segments import KNOWN_SEGMENTS
from recommender.reports import score

RIVALS = {"live": "the live model", "popularity": "popularity"}
COUNTED = {"users": "customers", "items": "items", "interactions": "interactions"}
MOST_LOST = 0.3
# A live model measured again on later purchases of a healthy shop keeps most of its NDCG@10: seasons and new items cost
# it a tenth or two. Products that were shuffled, or another column taken for the key, leave it nearly nothing.
MOST_FALLEN = 0.4
LEVEL = 0.95  # of every interval in a report
# A segment matters when it is at least so large, and a model is worse there when it loses at least so much of a rival's
# NDCG@10: in many small parts something always looks worse, and two trainings alike differ by a little.
SEGMENT_PEOPLE, SEGMENT_SHARE, SEGMENT_LOSS = 100, 0.05, 0.05


def most_lost() -> float:
    """The share of the live model's data that may be gone: the setting RECOMMENDER_MOST_LOST, 0 to 1."""
    return float(getattr(settings, "RECOMMENDER_MOST_LOST", MOST_LOST))


def most_fallen() -> float:
    """The share of the live model's NDCG@10 that may be gone: the setting RECOMMENDER_MOST_FALLEN, 0 to 1."""
    return float(getattr(settings, "RECOMMENDER_MOST_FALLEN", MOST_FALLEN))


def rule_in_words() -> list[str]:
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
        f"It is refused when its NDCG@10 is over {most_fallen():.0%} below what the live model had when that was "
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
    report: Mapping[str, Any],
    *,
    live_report: Mapping[str, Any] | None = None,
    most_lost: float = 1.0,
    most_fallen: float = 1.0,
    other_answers: Sequence[str] = (),
) -> Decision:
    """Judge a candidate by the report of its run (`Report.to_dict()`).

    live_report : that of the live model, from its own run; None where nothing is live.
    most_lost : the share of its data that may be gone.   most_fallen : the share of its NDCG@10 that may be.
    other_answers : where the candidate's bundle answers otherwise than the trainer did (engine.samples.other_answers).
    """
    broken = next(_not_numbers(report), None)
    if broken:
        return Decision(False, f"Refused: {broken} is not a number, so nothing measured of this model can be trusted.")
    before = live_report or {}
    against = [
        *_unlike(other_answers, len(report.get("samples", []))),
        *_shrunk(report["counts"], before.get("counts") or {}, most_lost),
        *_unmeasured(report, before),
        *_fallen(report, before, most_fallen),
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
            f"Not measured, and nothing measured is live: {_why_unmeasured(report)}. It serves what sells most until a "
            "training can be measured.",
        )
    notes = [f"measured on {report['users']:,} people", *_nobody_measured(report), *_not_comparable(report, before)]
    return Decision(True, f"Passed: {'; '.join([*said, *notes])}.")


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


def _unmeasured(report: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    if not before or not _own(before):
        return
    if not _own(report):
        yield f"it could not be measured, and the live model was: {_why_unmeasured(report)}."
    elif _known_people(before) >= SEGMENT_PEOPLE and not _known_people(report):
        yield (
            f"nobody with purchases could be measured, only newcomers, where the live model was measured on "
            f"{_known_people(before):,} customers with purchases."
        )
    elif _known_people(before) >= SEGMENT_PEOPLE and report.get("reorders") and not before.get("reorders", False):
        yield (
            f"nobody with purchases bought anything new, so reorders alone could be measured, where the live model was "
            f"measured on what {_known_people(before):,} customers had not bought before. The data seems to have "
            "changed: look at the latest imports before you promote it by hand."
        )


def _fallen(report: Mapping[str, Any], before: Mapping[str, Any], most_fallen: float) -> Iterator[str]:
    """The candidate lies far below what the live model had at its own promotion, measured in the same way, and so does
    the live model today. Where that one is as good as ever, it is the candidate that is worse.
    """
    now, then = _own(report), _own(before)
    if not now or not then or not _measured_alike(report, before):
        return
    fallen = 1 - now["ndcg_10"] / max(then["ndcg_10"], 1e-9)
    live_now = next((row["ndcg_10"] for row in report["models"] if row["model"] == "live"), None)
    if live_now is not None and live_now >= (1 - most_fallen) * then["ndcg_10"]:
        return
    if fallen > most_fallen and now["ndcg_10_interval"][1] < then["ndcg_10_interval"][0]:
        beside = "" if live_now is None else f", and the live model itself has {score(live_now)} there"
        yield (
            f"the data seems to have changed, not the model: the live model had NDCG@10 {score(then['ndcg_10'])} when "
            f"it was promoted, and this one has {score(now['ndcg_10'])} on today's held-out purchases{beside}; a fall "
            f"of {fallen:.0%} is more than {most_fallen:.0%}. Look at the latest imports before you promote it by hand."
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


# --- who was measured, and how ----------------------------------------------------------------------------------------


def _own(report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The two towers' own row, None where nobody was measured."""
    row = next((row for row in report.get("models", ()) if row["model"] == "two_tower"), None)
    return row if row and row.get("ndcg_10") is not None and row.get("ndcg_10_interval") else None


def _known_people(report: Mapping[str, Any]) -> int:
    """How many customers with purchases were measured."""
    return sum(segment["users"] for segment in report.get("segments", ()) if segment["segment"] in KNOWN_SEGMENTS)


def _measured_alike(report: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether both held out purchases in the same way; reports before there was a protocol did not."""
    return all(report.get(name) == before.get(name) for name in ("protocol", "split", "reorders"))


def _not_comparable(report: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    then = _own(before)
    if then and not _measured_alike(report, before):
        yield (
            f"not compared with the {score(then['ndcg_10'])} that the live model had when it was promoted, for "
            "purchases were held out in another way then"
        )


def _nobody_measured(report: Mapping[str, Any]) -> Iterator[str]:
    for segment in report.get("unmeasured", ()):
        yield f"nobody could be measured among the {segment['users']:,} customers with {segment['segment']}"


def _why_unmeasured(report: Mapping[str, Any]) -> str:
    counts = report["counts"]
    bought = f"{counts['users']:,} customers with {counts['interactions']:,} purchases"
    return f"of {bought}, none has one that could be held out"


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
