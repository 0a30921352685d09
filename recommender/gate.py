"""Where a worse model is refused. One pure function of the engine's report: no database, no settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

RULE = (
    "The new model, the live model and a list of what sells most are scored on the same held-out purchases, which none "
    "of them has seen. The new model is refused when it is worse than the live model or than popularity by more than "
    "chance explains: when the whole 95 % interval of the difference in NDCG@10, person by person, lies below zero. "
    "It is refused as well when something that was measured is not a number. A tie passes: fresh data is worth having. "
    "A refused version can be promoted by hand; who did so, and why, is recorded."
)

RIVALS = {"live": "the live model", "popularity": "popularity"}


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may serve, and the numbers that say why."""

    promote: bool
    reason: str


def decide(report: Mapping[str, Any]) -> Decision:
    """Judge a candidate by the report of its run (`Report.to_dict()`)."""
    broken = next(_not_numbers(report), None)
    if broken:
        return Decision(False, f"Refused: {broken} is not a number, so nothing measured of this model can be trusted.")
    paired = {name: report["paired"][name] for name in RIVALS if name in report["paired"]}
    measured = {name: pair for name, pair in paired.items() if pair["difference"] is not None}
    if not measured:
        return Decision(
            True,
            "Passed unmeasured: no purchase could be held out from anybody, so there is nothing to compare by. "
            "Lists will be close to what sells most until people have bought more than once.",
        )
    said = {name: _beside(report, name, pair) for name, pair in measured.items()}
    worse = [name for name, pair in measured.items() if pair["high"] < 0]
    if worse:
        names = " and ".join(RIVALS[name] for name in worse)
        return Decision(False, f"Refused, it is worse than {names}: {'; '.join(said[name] for name in worse)}.")
    return Decision(True, f"Passed: {'; '.join(said.values())}; measured on {report['users']:,} people.")


def _beside(report: Mapping[str, Any], rival: str, pair: Mapping[str, float]) -> str:
    """NDCG@10 .108 beside .043 for popularity: +.065 (+.051 to +.079), better."""
    scores = {row["model"]: row["ndcg_10"] for row in report["models"]}
    verdict = "better" if pair["low"] > 0 else "worse" if pair["high"] < 0 else "a tie"
    return (
        f"NDCG@10 {_short(scores['two_tower'])} beside {_short(scores[rival])} for {RIVALS[rival]}: "
        f"{_short(pair['difference'], '+')} ({_short(pair['low'], '+')} to {_short(pair['high'], '+')}), {verdict}"
    )


def _short(value: float, sign: str = "") -> str:
    """Three decimals without the leading zero: .108, -.012, 1.000."""
    text = f"{value:{sign}.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text


def _not_numbers(report: Mapping[str, Any]) -> Iterator[str]:
    """What was measured and is nan or infinite, in words. None is no measurement: there was nobody to measure on."""
    for row in report["models"]:
        yield from (f"{name} of {row['model']}" for name in _infinite(row))
    for rival, pair in report["paired"].items():
        yield from (f"the paired {name} to {rival}" for name in _infinite(pair))
    for row in report.get("segments", []):
        yield from (f"{name} of the segment {row['segment']!r}" for name in _infinite(row))
    yield from (f"the ratings' {name}" for name in _infinite(report.get("ratings") or {}))
    # A validation score may be missing in an epoch (nobody to validate on), a loss may not.
    yield from (f"the loss of epoch {e['epoch']}" for e in report.get("curve", []) if not isfinite(e["loss"]))


def _infinite(row: Mapping[str, Any]) -> list[str]:
    values = {name: value if isinstance(value, list | tuple) else [value] for name, value in row.items()}
    return [name for name, parts in values.items() if any(isinstance(v, float) and not isfinite(v) for v in parts)]
