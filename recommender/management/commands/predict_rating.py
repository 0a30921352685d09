"""`manage.py predict_rating`: the rating that somebody would give something."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from recommender.errors import RecommendationError
from recommender.management.arguments import add_who, json_object
from recommender.serving import FALLBACK_REASONS, UNRATED_REASONS, predict_rating


class Command(BaseCommand):
    help = "Prints the rating, 0 to 5, that a customer or a bare profile would give an item, known or only described."

    def add_arguments(self, parser: CommandParser) -> None:
        add_who(parser)
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--item", metavar="KEY", help="the item's key")
        what.add_argument("--item-features", metavar="JSON", help='a description: \'{"Product_Brand": "Apple"}\'')
        parser.add_argument("--json", action="store_true", help="print one JSON object, as the API answers it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            prediction = predict_rating(
                customer=options["customer"],
                profile=json_object("--profile", options["profile"]),
                item=options["item"],
                item_features=json_object("--item-features", options["item_features"]),
            )
        except RecommendationError as error:
            raise CommandError(f"{error.field}: {error.message}") from None
        if options["json"]:
            self.stdout.write(json.dumps(prediction.to_dict()))
            return
        why = FALLBACK_REASONS | UNRATED_REASONS
        reason = f" {why[prediction.fallback_reason]}" if prediction.fallback_reason else ""
        if prediction.rating is None:
            self.stdout.write(f"There is no rating to predict.{reason}")
        else:
            by = f"model {prediction.model_version}" if prediction.model_version else "the average of what people gave"
            self.stdout.write(f"{prediction.rating:.2f} of 5, by {by}.{reason}")
