from recommender.source import RecommenderSource
from tests.recommender.library.models import Branch, Card, Loan, Medium


class LibrarySource(RecommenderSource):
    customers = Card.objects.all()
    customer_user = "user"
    customer_scope = "branch"
    items = Medium.objects.all()
    item_scope = "branches"
    interactions = Loan.objects.all()
    interaction_customer = "card"
    interaction_item = "medium"
    interaction_time = "lent"

    def scope_of(self, request):
        return Branch.objects.filter(slug=request.get_host().split(".")[0]).first()
