"""What sells more of late than it used to: see trends.py, which counts it when the catalog is read."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext_noop

from recommender.models import POPULAR
from recommender.serving.context import ListContext
from recommender.serving.kinds.kind import Attempt, ListKind, among, popular_items


class Trending(ListKind):
    name = "trending"
    summary = "What sells more this week than the weeks before"
    description = "Popular items where nothing does."
    source = "trending"
    fallback_reasons = {"nothing_trends": gettext_noop("Nothing sells better than it used to.")}
    path = "recommendations/trending/"
    tag = "trending_items"
    title = gettext_noop("Trending")
    title_when_popular = gettext_noop("Popular now")
    about = gettext_noop("What most people buy.")
    why = gettext_noop("It sells more this week than in the weeks before. This list is the same for everybody.")

    def attempts(self, context: ListContext) -> Iterator[Attempt]:
        yield Attempt(self.source, among(context, *context.catalog.trending), last_resort=False)
        yield Attempt(POPULAR, popular_items(context), "nothing_trends")
