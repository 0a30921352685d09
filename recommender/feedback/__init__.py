"""What people do with items and lists: views, clicks, purchases, dismissals, and the results of lists."""

from recommender.feedback.counts import (
    amount_paid,
    attribution_window,
    bucket_of,
    can_credit_purchases,
    count_recent_lists,
    settle_lists,
)
from recommender.feedback.dismissals import (
    carry_over_dismissals,
    dismiss,
    dismiss_for_request,
    dismissals_in_session,
    dismissals_of_customer,
    dismissals_of_request,
    undo_dismissal,
    undo_dismissal_for_request,
)
from recommender.feedback.events import (
    assign_visit,
    forget_views,
    record_event,
    record_request_event,
    views_of_customer,
)
from recommender.feedback.personal_data import PERSONAL_MODELS, erase_personal_data, learnable_samples, personal_data_of
from recommender.feedback.results import Estimate, ListResult, last_counted, list_results, results_to_dicts
from recommender.feedback.served_lists import new_list_id, record_lists, start_recorder
from recommender.feedback.visits import (
    begin_visit,
    recent_views,
    remember_view,
    sender_of,
    session_key_of,
    views_of_visitor,
    visitor_ids_of,
)

__all__ = [
    "PERSONAL_MODELS",
    "Estimate",
    "ListResult",
    "amount_paid",
    "assign_visit",
    "attribution_window",
    "begin_visit",
    "bucket_of",
    "can_credit_purchases",
    "carry_over_dismissals",
    "count_recent_lists",
    "dismiss",
    "dismiss_for_request",
    "dismissals_in_session",
    "dismissals_of_customer",
    "dismissals_of_request",
    "erase_personal_data",
    "forget_views",
    "last_counted",
    "learnable_samples",
    "list_results",
    "new_list_id",
    "personal_data_of",
    "recent_views",
    "record_event",
    "record_lists",
    "record_request_event",
    "remember_view",
    "results_to_dicts",
    "sender_of",
    "session_key_of",
    "settle_lists",
    "start_recorder",
    "undo_dismissal",
    "undo_dismissal_for_request",
    "views_of_customer",
    "views_of_visitor",
    "visitor_ids_of",
]
