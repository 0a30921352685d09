"""What most people buy."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext_noop

from recommender.models import POPULAR
from recommender.serving.context import ListContext
from recommender.serving.kinds.kind import Attempt, ListKind, popular_items


class Popular(ListKind):
    name = "popular"
    summary = "What most people buy"
    source = POPULAR
    path = "recommendations/popular/"
    tag = "popular_items"
    title = gettext_noop("Popular")
    about = gettext_noop("What most people buy.")
    why = gettext_noop("Many people buy it. This list is the same for everybody.")

    def attempts(self, context: ListContext) -> Iterator[Attempt]:
        yield Attempt(POPULAR, popular_items(context))
