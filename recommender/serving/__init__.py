"""Lists and ratings: request, context of the customer, candidates, rules, ranking, answer."""

from recommender.serving.answer import UNRATED_REASONS, Explanation, Reason, RecommendationList
from recommender.serving.context import CART
from recommender.serving.customers import find_customers
from recommender.serving.explanation import why
from recommender.serving.interested import MOST_CUSTOMERS, interested_customers
from recommender.serving.kinds import FALLBACK_REASONS, KINDS, SOURCES
from recommender.serving.kinds.kind import ListKind
from recommender.serving.live import COMPARE_FOR, keep_watch, live_model, serving_problem
from recommender.serving.ratings import predict_rating
from recommender.serving.reading import catalog_state, changed_slice, read_catalog
from recommender.serving.recommendations import make_list, recommend, recommend_many
from recommender.serving.request import LONGEST_SCENARIO, MAX_COUNT, ListRequest
from recommender.serving.rules.availability import withdrawn
from recommender.serving.tally import Tally, learned_from
from recommender.serving.wording import items_by_key, sentence
