"""The personal list."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext_noop

from recommender.models import POPULAR, TWO_TOWER
from recommender.serving.context import ListContext
from recommender.serving.kinds.kind import Attempt, Candidates, ListKind, popular_items


class ForYou(ListKind):
    """What the two towers say, with what was bought before where its likelihood puts it, if that may be listed; what is
    popular, where they may know nothing of who asks, or do not answer."""

    name = "for_you"
    scenario = "home"
    summary = "A list for a customer, a profile or this visitor"
    description = "With neither customer nor profile, the list is for whoever is signed in, or for this visit."
    source = TWO_TOWER
    personal = True
    path = "recommendations/"
    request_body = True
    takes = "session_items"
    tag = "recommendations"
    title = gettext_noop("For you")
    title_when_popular = gettext_noop("Popular now")
    about = gettext_noop("What most people buy.")
    empty = gettext_noop("There is nothing to recommend yet.")
    repeats_above = True
    why = gettext_noop("The same people like it who like {}.")

    def attempts(self, context: ListContext) -> Iterator[Attempt]:
        encoded, placed = context.encoded, context.catalog.placed
        if encoded is not None and placed is not None:
            repeats = placed.model.inference.repeats
            with_purchases = not (context.request.exclude_purchased or self.is_cart)

            def find(reach: int) -> Candidates:
                user, allowed = encoded.user.rank, context.allowed
                if with_purchases and repeats is not None and context.customer is not None:
                    history = placed.history(context.customer.purchases)
                    rows, scores = repeats.top_k(placed.index, user, reach, allowed, [history])
                else:
                    rows, scores = placed.index.top_k(user, reach, mask=allowed)
                listed = rows[0] >= 0
                return Candidates(rows[0][listed], scores[0][listed], int(context.allowed.sum()))

            yield Attempt(TWO_TOWER, find, person=encoded, by_model=True)
        yield Attempt(POPULAR, popular_items(context), context.fallback or "model_failed")
