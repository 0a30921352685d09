"""A source for each shape of project."""

from django.contrib.auth import get_user_model
from django.db.models import Count, F, FloatField, Q, Sum, Value
from django.db.models.functions import Cast, Coalesce, Concat, Left, Upper

from recommender.source import RecommenderSource
from tests.foreign.models import Article, Book, Card, Line, Member, Reader

User = get_user_model()


class Buyer(User):
    class Meta:
        proxy = True
        app_label = "foreign"


class Shop(RecommenderSource):
    """What all shapes share."""

    items = Article.objects.all()
    item_categorical = ["shelf"]
    item_filters = ["shelf"]
    interactions = Line.objects.all()
    interaction_item = "article"
    interaction_time = "order__placed"
    interaction_quantity = "number"
    interaction_stored = "order__stored"


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


class OneKey(Shop):
    """The customer has the user's own primary key."""

    customers = Member.objects.all()
    customer_user = "pk"
    customer_categorical = ["country"]
    interaction_customer = "order__user__member"


class Proxies(UsersUnnamed):
    """The customers are a proxy of the auth users."""

    customers = Buyer.objects.all()


class ForeignKey(Shop):
    customers = Card.objects.filter(agrees=True)
    all_customers = Card.objects.all()
    customer_user = "user"
    interaction_customer = "order__card"


class ByTime(UsersAsCustomers):
    """Nothing says when an order was stored."""

    interaction_stored = None


# --- relations --------------------------------------------------------------------------------------------------------


class Variants(UsersAsCustomers):
    """Variants are sold as their parent."""

    item_group = "parent"
    item_key = "sku"


class VariantsOutside(Variants):
    """The items are parents alone; what was sold is a variant."""

    items = Article.objects.filter(parent=None)
    item_key = "pk"


class SoldAsParent(UsersAsCustomers):
    """The parent is named by the interactions, in an annotation."""

    items = Article.objects.filter(parent=None)
    item_key = "sku"
    interactions = Line.objects.annotate(sold=Coalesce("article__parent", "article"))
    interaction_item = "sold"


class Annotated(UsersAsCustomers):
    """Annotations in every attribute that takes a name."""

    customers = User.objects.annotate(
        named=Concat(Value("U-"), "username"),
        initial=Left("username", 1),
        orders=Count("order"),
        me=F("pk"),
    )
    customer_key = "named"
    customer_user = "me"
    customer_categorical = ["initial"]
    customer_numerical = ["orders"]
    items = Article.objects.annotate(
        label=Concat("tenant__slug", Value("/"), "sku"),
        kind=Upper("shelf"),
        cheapest=Cast("price", FloatField()),
        about=Concat(Value("on "), "shelf"),
        stocked=Sum("stock__number"),
        seen=F("changed"),
    )
    item_key = "label"
    item_categorical = ["kind"]
    item_numerical = ["cheapest"]
    item_text = ["about"]
    item_available = Q(stocked__gt=0) | Q(stocked=None)
    item_updated = "seen"
    item_filters = ["kind", "stocked"]
    interactions = Line.objects.annotate(
        who=F("order__user"),
        what=F("article"),
        when=F("order__placed"),
        stars=Cast(Value(4), FloatField()),
        pieces=F("number"),
        paid=F("price") * F("number"),
        at=F("order__stored"),
    )
    interaction_customer = "who"
    interaction_item = "what"
    interaction_time = "when"
    interaction_rating = "stars"
    interaction_quantity = "pieces"
    interaction_amount = "paid"
    interaction_stored = "at"


class Related(UsersAsCustomers):
    """The other side of a one-to-one relation, several values of a relation to many, availability by another."""

    customer_categorical = ["reader__country"]
    item_categorical = ["blurb__mood", "shelf"]
    item_text = ["blurb__text"]
    item_multi = ["topics__name"]
    item_available = Q(stock__number__gt=0)
    item_filters = ["blurb__mood"]


class Books(UsersAsCustomers):
    """Multi-table inheritance: what was sold is an article, what is listed a book."""

    items = Book.objects.all()
    item_key = "sku"
    item_numerical = ["pages"]


class OfTenants(UsersAsCustomers):
    """Keys that are unique within a tenant alone."""

    items = Article.objects.annotate(label=Concat("tenant__slug", Value("/"), "sku"))
    item_key = "label"
