# >>> recommender
from django.contrib.auth import get_user_model
from django.db.models import Min, Q
from oscar.core.loading import get_model

from recommender.source import Count, RecommenderSource


class ShopSource(RecommenderSource):
    customers = get_user_model().objects.filter(is_active=True)
    customer_numerical = ["lines"]
    customer_from_interactions = {"lines": Count()}
    items = get_model("catalogue", "Product").objects.browsable().annotate(price=Min("stockrecords__price"))
    item_numerical = ["price"]
    item_multi = ["categories__name"]
    item_text = ["title", "description"]
    item_available = Q(stockrecords__num_in_stock__gt=0) | Q(children__stockrecords__num_in_stock__gt=0)
    item_group = "parent"
    item_filters = ["price"]
    interactions = get_model("order", "Line").objects.all()
    interaction_customer = "order__user"
    interaction_item = "product"
    interaction_time = "order__date_placed"
    interaction_amount = "line_price_incl_tax"


# <<< recommender
