"""Lists of each kind, asked for in a word: `similar("P1", 5)`."""

from functools import partial

from recommender.serving import make_list


def popular(count=10, **request):
    return make_list("popular", None, count, **request)


def trending(count=10, **request):
    return make_list("trending", None, count, **request)


def recently_viewed(items=(), count=10, **request):
    return make_list("recently_viewed", items, count, **request)


similar = partial(make_list, "similar")
because_you_bought = partial(make_list, "because_you_bought")
bought_together = partial(make_list, "bought_together")
also_viewed = partial(make_list, "also_viewed")
co_purchased = partial(make_list, "bought_together", stand_in=False)
co_viewed = partial(make_list, "also_viewed", stand_in=False)
cart = partial(make_list, "cart")
