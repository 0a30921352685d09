"""A source for each shape of project."""

from django.contrib.auth import get_user_model

from recommender.source import RecommenderSource
from tests.foreign.models import Article, Card, Line, Reader

User = get_user_model()


class Shop(RecommenderSource):
    """What all shapes share."""

    items = Article.objects.all()
    item_categorical = ["shelf"]
    item_filters = ["shelf"]
    interactions = Line.objects.all()
    interaction_item = "article"
    interaction_time = "order__placed"
    interaction_quantity = "number"


class UsersAsCustomers(Shop):
    customers = User.objects.filter(is_active=True)
    customer_user = "pk"
    interaction_customer = "order__user"


class UsersUnnamed(UsersAsCustomers):
    """The customers are the auth users, and nobody says so."""

    customer_user = None


class UsersByName(UsersAsCustomers):
    """Their keys are another field."""

    customer_key = "username"


class OneToOne(Shop):
    """Orders name the user, whose reader is on the other side of a one-to-one relation."""

    customers = Reader.objects.filter(agrees=True)
    all_customers = Reader.objects.all()
    customer_key = "number"
    customer_user = "user"
    customer_categorical = ["country"]
    interaction_customer = "order__user__reader"


class ForeignKey(Shop):
    customers = Card.objects.filter(agrees=True)
    all_customers = Card.objects.all()
    customer_user = "user"
    interaction_customer = "order__card"
