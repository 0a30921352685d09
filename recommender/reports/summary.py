"""A report in a few sentences, for who runs the shop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext, gettext_noop, ngettext

from recommender.words import fill

FOUND_BY = {  # of segments: for whom, or what, the first ten places held what was wanted
    "profile only": gettext_noop("Of new customers, known by their profile alone: {share:percent}."),
    "1-5 purchases": gettext_noop("Of customers with one to five purchases: {share:percent}."),
    "new items": gettext_noop("Of those who bought a product that was new, among new products alone: {share:percent}."),
}
FOUND_BY_BESIDE_POPULAR = {
    "profile only": gettext_noop(
        "Of new customers, known by their profile alone: {share:percent}, {popular:percent} in the list of what is "
        "popular."
    ),
    "1-5 purchases": gettext_noop(
        "Of customers with one to five purchases: {share:percent}, {popular:percent} in the list of what is popular."
    ),
    "new items": gettext_noop(
        "Of those who bought a product that was new, among new products alone: {share:percent}, {popular:percent} in "
        "the list of what is popular."
    ),
}


def in_short(report: Mapping[str, Any]) -> list[str]:
    """Sentences about what was measured, in the reader's language; none where nothing was."""
    hits = _hits(report.get("models", []))
    if "two_tower" not in hits:
        return []
    people = report.get("users", 0)
    if "popularity" in hits:
        found = ngettext(
            "{share:percent} of {people:n} customer found what they bought last among the first ten of their list, "
            "{popular:percent} in the list of what is popular.",
            "{share:percent} of {people:n} customers found what they bought last among the first ten of their list, "
            "{popular:percent} in the list of what is popular.",
            people,
        )
    else:
        found = ngettext(
            "{share:percent} of {people:n} customer found what they bought last among the first ten of their list.",
            "{share:percent} of {people:n} customers found what they bought last among the first ten of their list.",
            people,
        )
    said = [fill(found, share=hits["two_tower"], people=people, popular=hits.get("popularity"))]
    for segment in report.get("segments", []):
        hits = _hits(segment.get("models", []))
        if segment["segment"] in FOUND_BY and "two_tower" in hits:
            sentences = FOUND_BY_BESIDE_POPULAR if "popularity" in hits else FOUND_BY
            sentence = gettext(sentences[segment["segment"]])
            said.append(fill(sentence, share=hits["two_tower"], popular=hits.get("popularity")))
    if baskets := report.get("next_baskets"):
        sentence = gettext(
            "{share:percent} of what customers bought next they had bought before; “Buy again” is made for that."
        )
        said.append(fill(sentence, share=baskets["bought_again"]))
    if "item_mean_rmse" in (ratings := report.get("ratings") or {}):
        sentence = gettext("Predicted ratings are off by {rmse:.2f} stars, each product's mean by {mean_rmse:.2f}.")
        said.append(fill(sentence, rmse=ratings["rmse"], mean_rmse=ratings["item_mean_rmse"]))
    coverage = report["models"][0].get("coverage")
    if coverage is not None:
        sentence = gettext("{share:percent} of all products stand in somebody's first ten.")
        said.append(fill(sentence, share=coverage))
    return said


def _hits(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How many found it in the first ten, as a share, by model; those that were measured."""
    return {row["model"]: row["hr_10"] for row in rows if row.get("hr_10") is not None}
