"""`manage.py predict_rating`: the rating that somebody would give something."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from recommender.management.arguments import (
    AnswerCommand,
    add_customer_or_profile,
    add_scope,
    json_object,
    why_not_personal,
)
from recommender.serving import FALLBACK_REASONS, UNRATED_REASONS, predict_rating


class Command(AnswerCommand):
    help = "Prints the rating, 0 to 5, that a customer or a bare profile would give an item, known or only described."
    json_help = "print one JSON object, as the API answers it"

    def add_arguments(self, parser: CommandParser) -> None:
        add_customer_or_profile(parser)
        add_scope(parser)
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument("--item", metavar="KEY", help="the item's key")
        group.add_argument("--item-features", metavar="JSON", help='a description: \'{"Product_Brand": "Apple"}\'')

    def answer(self, **options: Any) -> tuple[object, str]:
        prediction = predict_rating(
            customer=options["customer"],
            profile=json_object("--profile", options["profile"]),
            scope=options["scope"],
            item=options["item"],
            item_features=json_object("--item-features", options["item_features"]),
        )
        reasons = FALLBACK_REASONS | UNRATED_REASONS
        reason = f" {why_not_personal(prediction.fallback_reason, reasons)}" if prediction.fallback_reason else ""
        if prediction.rating is None:
            return prediction.to_dict(), f"There is no rating to predict.{reason}"
        by = f"model {prediction.model_version}" if prediction.model_version else "the average of what people gave"
        return prediction.to_dict(), f"{prediction.rating:.2f} of 5, by {by}.{reason}"
