"""What goes with a cart."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext_noop

from recommender.serving.context import ListContext
from recommender.serving.kinds.for_you import ForYou
from recommender.serving.kinds.kind import Attempt, among, find_primary_key
from recommender.serving.kinds.together import bought_with


class GoesWithCart(ForYou):
    """What goes with a cart, for whoever fills it; before any model, what people buy with the things in it."""

    name = "cart"
    scenario = "cart"
    summary = "What goes with a cart"
    description = "Whose cart: a customer's or a profile's; nobody named: whoever is signed in, or this visitor."
    is_cart = True
    path = "cart/recommendations/"
    tag = "goes_with_cart"
    title = gettext_noop("Goes with your cart")
    empty = ""
    page_count = 4

    def attempts(self, context: ListContext) -> Iterator[Attempt]:
        if context.fallback == "no_model":
            keys = (find_primary_key(item, context.catalog) for item in context.request.session_items)
            inside = [key for key in keys if key is not None]  # what was in the cart may be gone from the shop
            if inside:
                found = among(context, *bought_with(inside, context.catalog))
                yield Attempt("bought_together", found, "no_model", last_resort=False)
        yield from super().attempts(context)
