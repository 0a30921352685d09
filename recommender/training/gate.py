"""Whether a trained model may serve: one pure function of the engine's report, and its rules in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import NormalDist
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_noop

from recommender.engine.evaluation.segments import KNOWN_SEGMENTS
from recommender.engine_words import TABLES, engine_words
from recommender.registry import ANCHOR_DAYS
from recommender.reports import interval_words, model_row, segment_words, verdict_words
from recommender.words import Words, capitalized, counted, joined

RIVALS = {
    "live": gettext_noop("the live model"),
    "anchor": gettext_noop("the best version so far"),
    "popularity": gettext_noop("popularity"),
}
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
    """The rules of the gate, in sentences for the pages of the admin, in the reader's language."""
    rules = [
        Words(
            # xgettext:no-python-format
            "The new model, the live model, the best version so far and a list of what sells most are scored on the "
            "same held-out purchases, which none of them has seen. The new model is refused when it is worse than one "
            "of the others by at least {loss:percent} of its NDCG@10 and by more than chance explains: when the whole "
            "95 % interval of the difference, person by person, lies below zero. The interval is widened for looking "
            "at several models at once.",
            loss=MIN_LOSS,
        ),
        Words(
            "The best version so far is, of the last {days} days, the last one that was better than the best before "
            "it by more than chance explains, or that a person made live. Losses too small to be seen from one night "
            "to the next add up; beside it they show.",
            days=ANCHOR_DAYS,
        ),
        Words(
            "The same holds in each segment that matters: at least {people:n} people and {share:percent} of all who "
            "were measured. There the interval is widened for looking at several segments, too, and the loss must be "
            "at least {loss:percent} of the other model's NDCG@10.",
            people=SEGMENT_MIN_PEOPLE,
            share=SEGMENT_MIN_SHARE,
            loss=SEGMENT_MIN_LOSS,
        ),
        Words("Fewer than {people:n} people who could be measured prove no loss.", people=LEAST_PEOPLE),
        Words(
            "What serves is trained once more, on all purchases. It has seen the held-out ones, so that no list can be "
            "measured with it; but it must not be worse on them than the model that was measured."
        ),
        Words("It is refused when something that was measured, listed or counted is not a finite number."),
        Words(
            "It is refused when it learned from over {loss:percent} fewer customers, items or interactions than the "
            "live model did: a part of the data may be missing.",
            loss=max_data_loss(),
        ),
        Words(
            "It is refused when its NDCG@10 is over {drop:percent} below what the live model had when that was "
            "promoted, the live model's own has fallen as far, and no interval explains it: such a fall says that the "
            "data changed, not the model.",
            drop=max_quality_drop(),
        ),
        Words(
            "Not measured is not passed: where the live model was measured, a model that cannot be measured is "
            "refused. So is one that can be measured on newcomers or reorders alone where the live one was measured "
            "on customers with purchases who bought something new. Customers of whom nobody could be measured are "
            "named."
        ),
        Words(
            "It is refused when its bundle, opened as the site opens it, answers otherwise than the model in "
            "training did."
        ),
        Words(
            "A tie passes: fresh data is worth having. A refused version can be promoted by hand; who did so, and why, "
            "is recorded."
        ),
    ]
    return [rule.translated() for rule in rules]


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may serve, and the numbers that say why."""

    promote: bool
    reason: Words


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
        reason = "Refused: {value} is not a number, so nothing measured of this model can be trusted."
        return Decision(False, Words(reason, value=broken))
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
        return Decision(False, joined([Words("Refused: {why}", why=first), *map(capitalized, others)]))
    comparisons = [
        _comparison(report["models"], name, pair, worse=Words("worse, but by too little or too unsurely to refuse"))
        for name, pair in _measured_pairs(report).items()
    ]
    if not comparisons:
        return Decision(
            True,
            Words(
                "Not measured, and nothing measured is live: {why}. It serves what sells most until a training can be "
                "measured.",
                why=_why_not_measured(report),
            ),
        )
    people = counted("measured on {count:n} person", "measured on {count:n} people", report["users"])
    notes = [people, *_unmeasured_segments(report), *_not_comparable(report, before)]
    return Decision(True, Words("Passed: {why}.", why=joined([*comparisons, *notes], "; ")))


# --- objections to a model, a sentence each ---------------------------------------------------------------------------


def _other_answers(mismatches: Sequence[str], samples: int) -> Iterator[Words]:
    if mismatches:
        people = (
            Words("{count} of {samples} people", count=len(mismatches), samples=samples) if samples else Words("people")
        )
        why = engine_words(mismatches[0])
        yield Words("the bundle answers {people} otherwise than the trainer did; {why}", people=people, why=why)


def _data_lost(counts: Mapping[str, int], before: Mapping[str, int], limit: float) -> Iterator[Words]:
    for name, label in TABLES.items():
        now, then = counts[name], before.get(name, 0)
        if then and 1 - now / then > limit:
            yield Words(
                "it learned from {now:n} {table} where the live model had {then:n}: {loss:percent} fewer, "
                "and more than "
                "{limit:percent} are too many.",
                now=now,
                table=Words(label),
                then=then,
                loss=1 - now / then,
                limit=limit,
            )


def _not_measured(report: ReportDict, before: ReportDict) -> Iterator[Words]:
    if not _measured_row(before):
        return
    people_before = _people_with_purchases(before)
    if not _measured_row(report):
        yield Words("it could not be measured, and the live model was: {why}.", why=_why_not_measured(report))
    elif people_before < SEGMENT_MIN_PEOPLE:
        return
    elif not _people_with_purchases(report):
        yield Words(
            "nobody with purchases could be measured, only newcomers, where the live model was measured on {people:n} "
            "customers with purchases.",
            people=people_before,
        )
    elif report.get("reorders") and not before.get("reorders", False):
        yield Words(
            "nobody with purchases bought anything new, so reorders alone could be measured, where the live model was "
            "measured on what {people:n} customers had not bought before. The data seems to have changed: look at the "
            "latest imports before you promote it by hand.",
            people=people_before,
        )


def _quality_dropped(report: ReportDict, before: ReportDict, limit: float) -> Iterator[Words]:
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
        live = (
            Words(", and the live model itself has {score:score} there", score=live_now) if live_now is not None else ""
        )
        yield Words(
            "the data seems to have changed, not the model: the live model had NDCG@10 {then:score} when it was "
            "promoted, and this one has {now:score} on today's held-out purchases{live}; a fall of {drop:percent} is "
            "more than {limit:percent}. Look at the latest imports before you promote it by hand.",
            then=then["ndcg_10"],
            now=now["ndcg_10"],
            live=live,
            drop=drop,
            limit=limit,
        )


def _worse_overall(report: ReportDict) -> Iterator[Words]:
    for _, name, pair in _proven_losses([report], MIN_LOSS):
        comparison = _comparison(report["models"], name, pair)
        yield Words("it is worse than {rival}: {comparison}.", rival=Words(RIVALS[name]), comparison=comparison)


def _worse_in_segments(report: ReportDict) -> Iterator[Words]:
    min_people = max(SEGMENT_MIN_PEOPLE, SEGMENT_MIN_SHARE * report["users"])
    segments = [segment for segment in report["segments"] if segment["users"] >= min_people]
    for segment, name, pair in _proven_losses(segments, SEGMENT_MIN_LOSS):
        yield Words(
            "it is worse than {rival} in the segment {segment}: {comparison}, among {people:n} people.",
            rival=Words(RIVALS[name]),
            segment=Words("'{name}'", name=segment_words(segment["segment"])),
            comparison=_comparison(segment["models"], name, pair),
            people=segment["users"],
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


def _refit_broken(report: ReportDict) -> Iterator[Words]:
    refit = report.get("refit")
    if refit and report["users"] >= LEAST_PEOPLE and refit["high"] < 0:
        yield Words(
            "what would serve, trained once more on all purchases, has NDCG@10 {score:score} on the held-out ones, "
            "which it has seen, and the model that was measured, which has not, is better: {difference:+score} "
            "({interval}).",
            score=refit["ndcg_10"],
            difference=refit["difference"],
            interval=interval_words(refit["low"], refit["high"], "+"),
        )


# --- values that are no finite numbers --------------------------------------------------------------------------------


def _values_not_finite(report: ReportDict) -> Iterator[Words]:
    """The names of values that are nan or infinite. None is allowed: there was nobody to measure on."""
    yield from (Words("the count of {name}", name=name) for name in _not_finite(report["counts"]))
    yield from _metrics_not_finite(report)
    for segment in report["segments"]:
        yield from (
            Words("{name} in the segment '{segment}'", name=name, segment=segment_words(segment["segment"]))
            for name in _metrics_not_finite(segment)
        )
    yield from (Words("the refit's {name}", name=name) for name in _not_finite(report.get("refit") or {}))
    ratings = report["ratings"] or {}
    yield from (Words("the ratings' {name}", name=name) for name in _not_finite(ratings))
    for row in ratings.get("calibration", []):
        yield from (Words("{name} of the ratings' calibration", name=name) for name in _not_finite(row))
    for sample in report.get("samples", []):
        items = (item for item, score in sample["list"] if not isfinite(score))
        yield from (
            Words("the score of {item} in the list of {customer}", item=item, customer=sample["user"]) for item in items
        )
    # A validation score may be missing in an epoch (nobody to validate on), a loss may not.
    yield from (
        Words("the loss of epoch {epoch}", epoch=row["epoch"])
        for row in report.get("curve", [])
        if not isfinite(row["loss"])
    )


def _metrics_not_finite(part: Mapping[str, Any]) -> Iterator[Words]:
    """part : a report, or one of its segments."""
    for row in part["models"]:
        yield from (Words("{name} of {model}", name=name, model=row["model"]) for name in _not_finite(row))
    for rival, pair in part["paired"].items():
        yield from (Words("the paired {name} to {rival}", name=name, rival=rival) for name in _not_finite(pair))


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


def _not_comparable(report: ReportDict, before: ReportDict) -> Iterator[Words]:
    then = _measured_row(before)
    if then and not _measured_alike(report, before):
        yield Words(
            "not compared with the {score:score} that the live model had when it was promoted, for purchases were held "
            "out in another way then",
            score=then["ndcg_10"],
        )


def _unmeasured_segments(report: ReportDict) -> Iterator[Words]:
    for segment in report.get("unmeasured", ()):
        yield Words(
            "nobody could be measured among the {count:n} customers with {segment}",
            count=segment["users"],
            segment=segment_words(segment["segment"]),
        )


def _why_not_measured(report: ReportDict) -> Words:
    counts = report["counts"]
    return Words(
        "of {customers:n} customers with {purchases:n} purchases, none has one that could be held out",
        customers=counts["users"],
        purchases=counts["interactions"],
    )


def _comparison(models: Sequence[Mapping[str, Any]], rival: str, pair: Pair, worse: Words | None = None) -> Words:
    """NDCG@10 .108 beside .043 for popularity: +.065 (+.051 to +.079), better"""
    scores = {row["model"]: row["ndcg_10"] for row in models}
    return Words(
        "NDCG@10 {score:score} beside {other:score} for {rival}: {difference:+score} ({interval}), {verdict}",
        score=scores["two_tower"],
        other=scores[rival],
        rival=Words(RIVALS[rival]),
        difference=pair["difference"],
        interval=interval_words(pair["low"], pair["high"], "+"),
        verdict=verdict_words(pair["low"], pair["high"], worse=worse),
    )
