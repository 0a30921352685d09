"""What somebody looked at lately."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from django.utils.translation import gettext_noop

from recommender.feedback import VIEW_WINDOW_HOURS
from recommender.serving.context import ListContext
from recommender.serving.kinds.kind import Attempt, ListKind, among, nothing


class RecentlyViewed(ListKind):
    """What a customer looked at lately, or a visitor by their session (the latest last): the latest first."""

    name = "recently_viewed"
    summary = f"What a customer looked at within {VIEW_WINDOW_HOURS} hours, or a visitor in this visit, latest first"
    source = "recently_viewed"
    fallback_reasons = {"never_viewed": gettext_noop("Nothing was looked at lately.")}
    takes = "session_items"
    path = "recommendations/recently-viewed/"
    tag = "recently_viewed"
    title = gettext_noop("Recently viewed")
    repeats_above = may_be_repeated = True
    why = gettext_noop("You looked at it lately.")

    def attempts(self, context: ListContext) -> Iterator[Attempt]:
        rows = context.catalog.rows(reversed(context.looked_at))
        yield Attempt(self.source, among(context, rows, np.arange(len(rows), 0.0, -1)), last_resort=False)
        yield Attempt(self.source, nothing(context), "never_viewed")
