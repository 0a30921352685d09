"""A report in a few sentences, for who runs the shop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FOUND_BY = {  # of segments: for whom, or what, the first ten places held what was wanted
    "profile only": "Of new customers, known by their profile alone",
    "1-5 purchases": "Of customers with one to five purchases",
    "new items": "Of those who bought a product that was new, among new products alone",
}


def in_short(report: Mapping[str, Any]) -> list[str]:
    """Sentences about what was measured, none where nothing was."""
    hits = _hits(report.get("models", []))
    if "two_tower" not in hits:
        return []
    people = report.get("users", 0)
    said = [
        f"{hits['two_tower']:.0%} of {people:,} customers found what they bought last among the first ten of their "
        f"list{_popular(hits)}."
    ]
    for segment in report.get("segments", []):
        hits = _hits(segment.get("models", []))
        if segment["segment"] in FOUND_BY and "two_tower" in hits:
            said.append(f"{FOUND_BY[segment['segment']]}: {hits['two_tower']:.0%}{_popular(hits)}.")
    if baskets := report.get("next_baskets"):
        share = f"{baskets['bought_again']:.0%}"
        said.append(f"{share} of what customers bought next they had bought before; “Buy again” is made for that.")
    if "item_mean_rmse" in (ratings := report.get("ratings") or {}):
        said.append(
            f"Predicted ratings are off by {ratings['rmse']:.2f} stars, each product's mean by "
            f"{ratings['item_mean_rmse']:.2f}."
        )
    coverage = report["models"][0].get("coverage")
    if coverage is not None:
        said.append(f"{coverage:.0%} of all products stand in somebody's first ten.")
    return said


def _hits(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How many found it in the first ten, as a share, by model; those that were measured."""
    return {row["model"]: row["hr_10"] for row in rows if row.get("hr_10") is not None}


def _popular(hits: Mapping[str, float]) -> str:
    return f", {hits['popularity']:.0%} in the list of what is popular" if "popularity" in hits else ""
