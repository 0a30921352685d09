"""What people do with items and lists: views, clicks, purchases, dismissals, and the results of lists."""

from recommender.feedback.counts import (
    amount_paid,
    attribution_window,
    bucket_of,
    can_credit_purchases,
    count_recent_lists,
    day_of,
    days_between,
    settle_lists,
    start_of,
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
    VIEW_WINDOW_HOURS,
    begin_visit,
    is_signed_in,
    recent_views,
    remember_view,
    sender_of,
    session_key_of,
    views_of_visitor,
    visitor_ids_of,
)
