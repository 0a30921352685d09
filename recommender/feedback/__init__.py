"""What people do with items and lists: views, clicks, purchases, dismissals, and what the lists brought."""

from recommender.feedback.counts import (
    amount_of,
    attribution_window,
    bucket_of,
    count_recent_lists,
    has_revenue,
    settle_lists,
)
from recommender.feedback.dismissals import (
    carry_over_dismissals,
    dismiss,
    dismiss_here,
    dismissed_by,
    dismissed_here,
    dismissed_in_session,
    take_back,
    take_back_here,
)
from recommender.feedback.events import bring_visit, forget_views, record_by, record_event, viewed_by
from recommender.feedback.personal_data import PERSONAL_MODELS, erase_personal_data, learnable_samples, personal_data_of
from recommender.feedback.results import Estimate, ListResult, counted_at, list_results, results_to_dicts
from recommender.feedback.served_lists import new_list_id, record_lists, start_recorder
from recommender.feedback.visits import (
    begin_visit,
    recent_views,
    remember_view,
    sender_of,
    session_of,
    viewed_here,
    visitors_of,
)

__all__ = [
    "PERSONAL_MODELS",
    "Estimate",
    "ListResult",
    "amount_of",
    "attribution_window",
    "begin_visit",
    "bring_visit",
    "bucket_of",
    "carry_over_dismissals",
    "count_recent_lists",
    "counted_at",
    "dismiss",
    "dismiss_here",
    "dismissed_by",
    "dismissed_here",
    "dismissed_in_session",
    "erase_personal_data",
    "forget_views",
    "has_revenue",
    "learnable_samples",
    "list_results",
    "new_list_id",
    "personal_data_of",
    "recent_views",
    "record_by",
    "record_event",
    "record_lists",
    "remember_view",
    "results_to_dicts",
    "sender_of",
    "session_of",
    "settle_lists",
    "start_recorder",
    "take_back",
    "take_back_here",
    "viewed_by",
    "viewed_here",
    "visitors_of",
]
