"""The kinds of list, each registered here and nowhere else. docs/contributing.md says what a new one takes."""

from recommender.models import POPULAR
from recommender.serving.answer import SHARED_FALLBACK_REASONS
from recommender.serving.kinds.buy_again import BuyAgain
from recommender.serving.kinds.cart import GoesWithCart
from recommender.serving.kinds.for_you import ForYou
from recommender.serving.kinds.kind import ListKind
from recommender.serving.kinds.popular import Popular
from recommender.serving.kinds.recently_viewed import RecentlyViewed
from recommender.serving.kinds.similar import BecauseYouBought, Similar
from recommender.serving.kinds.together import AlsoViewed, BoughtTogether
from recommender.serving.kinds.trending import Trending

KINDS: dict[str, ListKind] = {
    kind.name: kind
    for kind in (
        ForYou(),
        Popular(),
        Trending(),
        RecentlyViewed(),
        BuyAgain(),
        BecauseYouBought(),
        Similar(),
        BoughtTogether(),
        AlsoViewed(),
        GoesWithCart(),
    )
}

SOURCES = tuple(dict.fromkeys([*(kind.source for kind in KINDS.values()), POPULAR]))
FALLBACK_REASONS = SHARED_FALLBACK_REASONS | {
    reason: sentence for kind in KINDS.values() for reason, sentence in kind.fallback_reasons.items()
}
