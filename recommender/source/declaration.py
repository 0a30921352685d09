"""The class in which a site declares what the recommender reads. No other module knows the site's models.

    class ShopSource(RecommenderSource):
        customers = Customer.objects.learnable()
        customer_categorical = ["gender", "country"]
        items = Product.objects.all()
        item_categorical = ["category", "brand"]
        item_text = ["name", "description"]
        interactions = Purchase.objects.all()

and `RECOMMENDER_SOURCE = "path.to.ShopSource"` in the settings. `manage.py check` reports every wrong field name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Field, Q, QuerySet
from django.utils.module_loading import import_string

from recommender.engine.data.schema import Derived, Schema
from recommender.source.names import target_of


@dataclass(frozen=True)
class Latest:
    """A customer feature: the value of an interaction's field on the customer's latest interaction."""

    field: str


@dataclass(frozen=True)
class Count:
    """A customer feature: how many interactions the customer has."""


@dataclass(frozen=True)
class Sum:
    """A customer feature: the sum of an interaction's field over the customer's interactions."""

    field: str


class RecommenderSource:
    """What to learn from and what to recommend. Every attribute may be overridden.

    A name is that of a field, of an annotation of the queryset, or a path over relations: `album__genre`.

    customers : those learned from (consent given).
    all_customers : those who may get a list; a customer who is not among `customers` gets popular items.
    customer_key, customer_user : the fields that hold a customer's key and auth user; "pk", and needless to say, where
    customers are these.
    customer_categorical, customer_numerical : profile features.
    customer_from_interactions : profile features that come from interactions, as of the moment being predicted.
    customer_aliases, item_aliases : other spellings that profiles and item descriptions may use -> the name here.
    item_scope, customer_scope : where an item (perhaps of several) and a customer have their scope: the site, tenant or
    market by which customers, items and lists never mix; `scope_of` says that of a request.   scope_by_key : whether an
    API key may name another scope than that of its request.
    items, item_key, item_categorical : what is recommended. item_available : which of them may be listed now.
    item_numerical, item_text : fields with numbers, with words.   item_multi : with several values, a list or what a
    relation to many leads to (`tags__name`).   item_vector : the field with a list of numbers made elsewhere.
    item_group : the foreign key from a variant to the item that it is a variant of. That one is listed, and whatever is
    said of a variant is said of it.
    item_updated : the field that changes whenever an item does, where there is one.
    item_filters : the fields that a request may filter by.
    interactions, interaction_* : who bought what, when; rating, quantity and amount (what was paid in all for it) where
    there are such fields. Those without a customer (of guests) or without an item teach nothing.
    interaction_stored : the field with the moment at which a row was stored; where primary keys have no order, new rows
    are found by it, else by `interaction_time`.
    interactions_withheld : purchases that customers hide from lists and models: they are not among `interactions`, and
    count as bought, so that no list holds their items.
    """

    customers: ClassVar[QuerySet[Any]]
    all_customers: ClassVar[QuerySet[Any] | None] = None
    customer_key: ClassVar[str] = "pk"
    customer_user: ClassVar[str | None] = None
    customer_categorical: ClassVar[Sequence[str]] = ()
    customer_numerical: ClassVar[Sequence[str]] = ()
    customer_from_interactions: ClassVar[Mapping[str, Latest | Count | Sum]] = {}
    customer_aliases: ClassVar[Mapping[str, str]] = {}

    item_scope: ClassVar[str | None] = None
    customer_scope: ClassVar[str | None] = None
    scope_by_key: ClassVar[bool] = False

    items: ClassVar[QuerySet[Any]]
    item_key: ClassVar[str] = "pk"
    item_categorical: ClassVar[Sequence[str]] = ()
    item_numerical: ClassVar[Sequence[str]] = ()
    item_text: ClassVar[Sequence[str]] = ()
    item_multi: ClassVar[Sequence[str]] = ()
    item_vector: ClassVar[str | None] = None
    item_aliases: ClassVar[Mapping[str, str]] = {}
    item_available: ClassVar[Q] = Q()
    item_updated: ClassVar[str | None] = None
    item_filters: ClassVar[Sequence[str]] = ()
    item_group: ClassVar[str | None] = None

    interactions: ClassVar[QuerySet[Any]]
    interactions_withheld: ClassVar[QuerySet[Any] | None] = None
    interaction_customer: ClassVar[str] = "customer"
    interaction_item: ClassVar[str] = "item"
    interaction_time: ClassVar[str] = "time"
    interaction_rating: ClassVar[str | None] = None
    interaction_quantity: ClassVar[str | None] = None
    interaction_amount: ClassVar[str | None] = None
    interaction_stored: ClassVar[str | None] = None

    def scope_of(self, request: Any) -> Any:
        """The scope that a request is of: a value of `item_scope`, or the row that this is the key of. None: of none,
        and nothing is listed. Only called where `item_scope` is named."""
        raise NotImplementedError(f"{type(self).__name__} names item_scope and has no scope_of(request).")

    def everybody(self) -> QuerySet[Any]:
        """All customers who may get a list."""
        return (self.customers if self.all_customers is None else self.all_customers).all()

    def listed_items(self) -> QuerySet[Any]:
        """The items without variants: those that lists may hold."""
        return self.items.filter(**{f"{self.item_group}__isnull": True}) if self.item_group else self.items.all()

    def variants(self) -> QuerySet[Any]:
        """The variants, be they among `items` or not."""
        if self.item_group is None:
            return self.items.none()
        is_annotation = self.item_key in self.items.query.annotations
        rows = self.items if is_annotation else self.items.model._base_manager.using(self.items.db)
        return rows.filter(**{f"{self.item_group}__isnull": False})

    @property
    def customer_field(self) -> Field[Any, Any]:
        """The field of the keys of customers."""
        return target_of(self.customers, self.customer_key).field

    @property
    def item_field(self) -> Field[Any, Any]:
        """The field of the keys of items."""
        return target_of(self.items, self.item_key).field

    @property
    def user_lookup(self) -> str | None:
        """The lookup in customers of the primary key of their auth user; None where they have none."""
        user = get_user_model()
        if self.customer_user is None:
            return "pk" if issubclass(self.customers.model, user) else None
        target = target_of(self.customers, self.customer_user)
        return f"{self.customer_user}__pk" if target.related and not target.annotated else self.customer_user

    @property
    def may_see_customers(self) -> str:
        """The permission to look at customers, as `has_perm` takes it."""
        about = self.customers.model._meta
        return f"{about.app_label}.view_{about.model_name}"

    @property
    def static_features(self) -> list[str]:
        """The profile features that are fields of the customer."""
        features = (*self.customer_categorical, *self.customer_numerical)
        return [f for f in features if f not in self.customer_from_interactions]

    @property
    def interaction_columns(self) -> list[str]:
        """The fields of an interaction that profile features are computed from."""
        sources = self.customer_from_interactions.values()
        return list(dict.fromkeys(s.field for s in sources if isinstance(s, Latest | Sum)))

    @cache  # noqa: B019 (a process has one source)
    def schema(self) -> Schema:
        """The engine's view of this source: what a snapshot made from it holds."""
        kinds: dict[type, str] = {Latest: "latest", Count: "count", Sum: "sum"}
        derived = {
            name: Derived(kinds[type(feature)], getattr(feature, "field", None))
            for name, feature in self.customer_from_interactions.items()
        }
        return Schema(
            user_categorical=tuple(self.customer_categorical),
            user_numerical=tuple(self.customer_numerical),
            item_categorical=tuple(self.item_categorical),
            item_numerical=tuple(self.item_numerical),
            item_text=tuple(self.item_text),
            item_multi=tuple(self.item_multi),
            item_vector=self.item_vector,
            derived=derived,
            aliases={**self.customer_aliases, **self.item_aliases},
            item_available="available",
            row_id="row_id",
        )


@cache
def get_source() -> RecommenderSource:
    """The site's source, named by the setting RECOMMENDER_SOURCE."""
    return import_string(settings.RECOMMENDER_SOURCE)()
