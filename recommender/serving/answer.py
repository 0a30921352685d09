"""The shapes of what the door answers.

`to_dict` is the one form of an answer: the API sends it and the commands print it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.utils.translation import gettext_noop

# Why a list of any kind is not personal; kinds add their own (`kinds.FALLBACK_REASONS` holds all).
SHARED_FALLBACK_REASONS = {
    "no_model": gettext_noop("No model has been promoted yet."),
    "anonymous": gettext_noop("Nothing is known of this visitor."),
    "unknown_customer": gettext_noop("There is no customer of this key."),
    "opted_out": gettext_noop("This customer opted out of personalisation."),
    "experiment": gettext_noop("An experiment is under way that shows some people what is popular."),
    "model_failed": gettext_noop("The model did not answer; see the log."),
}
UNRATED_REASONS = {
    "nobody_rated": gettext_noop("Nobody has rated anything yet."),
    "model_without_ratings": gettext_noop(
        "The live model was trained before anybody rated anything; the next training learns them."
    ),
}


@dataclass(frozen=True)
class Reason:
    """Why an item is listed. kind : because_you_bought, because_you_viewed or because_in_your_cart, with `item`;
    because_of_your_profile, with `field`; because_you_often_buy, with the `field` of the item and its `value`."""

    kind: str
    item: str | None = None
    field: str | None = None
    value: str | None = None

    def to_dict(self) -> dict[str, str]:
        named = {"item": self.item, "field": self.field, "value": self.value}
        return {"kind": self.kind} | {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class ListedItem:
    """One item of a list. score : higher is better, comparable within one list only. rating : predicted, 0 to 5."""

    item: str
    score: float
    rating: float | None = None
    reasons: tuple[Reason, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        rating = None if self.rating is None else round(self.rating, 2)
        reasons = [reason.to_dict() for reason in self.reasons]
        return {"item": self.item, "score": round(self.score, 6), "rating": rating, "reasons": reasons}


@dataclass(frozen=True)
class RecommendationList:
    """A list as it is shown.

    model_version is None where the live model did not make the list, and the ratings where `source` is not "two_tower";
    `fallback_reason` then says why, as a key of FALLBACK_REASONS.
    """

    recommendation_id: str
    model_version: str | None
    source: str
    fallback_reason: str | None
    next_page_token: str | None
    items: tuple[ListedItem, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "recommendation_id": self.recommendation_id,
            "model_version": self.model_version,
            "source": self.source,
            "fallback_reason": self.fallback_reason,
            "next_page_token": self.next_page_token,
            "items": [item.to_dict() for item in self.items],
        }


@dataclass(frozen=True)
class Explanation:
    """Why an item suits somebody, as the live model sees it now.

    evidence : what lifts the item, the strongest first, each with its share of the whole lift, over 0 to 1; nothing
    where it is there for everybody. fallback_reason : why there is no evidence to be had, a key of FALLBACK_REASONS.
    """

    evidence: tuple[tuple[Reason, float], ...]
    fallback_reason: str | None


class RatingPrediction(NamedTuple):
    """A predicted rating.

    rating : 0 to 5; None where none can be predicted.   model_version : the model that predicted it; None where the
    rating is what people gave on average, or None.   fallback_reason : why there is no rating, or why it is not one of
    this person, a key of FALLBACK_REASONS or UNRATED_REASONS; None for a rating of their own.
    """

    rating: float | None
    model_version: str | None
    fallback_reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        rating = None if self.rating is None else round(self.rating, 2)
        return {"rating": rating, "model_version": self.model_version, "fallback_reason": self.fallback_reason}
