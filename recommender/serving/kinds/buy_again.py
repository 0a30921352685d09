"""What a customer bought before and is due to buy again."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone
from django.utils.translation import gettext_noop

from recommender.serving.context import ListContext
from recommender.serving.kinds.kind import Attempt, Candidates, ListKind, nothing


class BuyAgain(ListKind):
    """What a customer bought before and is due by what is usual for it and for them, the likeliest first
    (engine/bundle/repeats.py); empty where nothing is, and in a shop in which nobody buys anything twice."""

    name = "buy_again"
    summary = "What a customer bought before and is due to buy again"
    source = "buy_again"
    fallback_reasons = {"nothing_due": gettext_noop("Nothing that this customer bought is due again.")}
    takes = "customer"
    lists_purchased = True
    path = "recommendations/buy-again/"
    tag = "buy_again"
    title = gettext_noop("Buy again")
    page_count = 6
    stands_in = False
    repeats_above = may_be_repeated = True
    why = gettext_noop("You bought it before, and by now you may need it again.")

    def attempts(self, context: ListContext) -> Iterator[Attempt]:
        placed = context.catalog.placed
        repeats = placed.model.inference.repeats if placed else None
        if placed is not None and repeats is not None and context.customer is not None:
            history, now = placed.history(context.customer.purchases), timezone.now().timestamp()

            def find(reach: int) -> Candidates:
                rows, scores = repeats.buy_again(len(history[0]), context.allowed, [history], now)
                due = rows[0] >= 0
                return Candidates(rows[0][due][:reach], scores[0][due][:reach], int(due.sum()))

            yield Attempt(self.source, find, last_resort=False, by_model=True)
        yield Attempt(self.source, nothing(context), context.fallback or "nothing_due")
