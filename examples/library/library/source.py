# >>> recommender
from django.db.models import Q

from library.models import Loan, Medium, Reader
from library.views import branch_of
from recommender.source import Count, RecommenderSource


class LibrarySource(RecommenderSource):
    customers = Reader.objects.all()
    customer_user = "user"
    customer_scope = "branch"
    customer_categorical = ["district"]
    customer_numerical = ["born", "loans"]
    customer_from_interactions = {"loans": Count()}
    items = Medium.objects.all()
    item_scope = "branch"
    item_categorical = ["genre", "book__author"]
    item_numerical = ["book__pages"]
    item_text = ["title"]
    item_available = Q(withdrawn=False)
    item_filters = ["genre"]
    interactions = Loan.objects.all()
    interaction_customer = "reader"
    interaction_item = "medium"
    interaction_time = "lent_at"
    interaction_rating = "stars"

    def scope_of(self, request):
        return branch_of(request)


# <<< recommender
