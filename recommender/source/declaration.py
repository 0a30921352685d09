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
from django.db.models import Field, Q, QuerySet
from django.utils.module_loading import import_string

from recommender.engine.data.schema import Derived, Schema


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
    """What to learn from and what to recommend. Every attribute may be overridden; field names are of the models.

    customers : those learned from (consent given).
    all_customers : those who may get a list; a customer who is not among `customers` gets popular items.
    customer_key, customer_user : the fields that hold a customer's key and auth user; "pk" where customers are these.
    customer_categorical, customer_numerical : profile features.
    customer_from_interactions : profile features that come from interactions, as of the moment being predicted.
    customer_aliases, item_aliases : other spellings that profiles and item descriptions may use -> the name here.
    items, item_key, item_categorical : what is recommended. item_available : which of them may be listed now.
    item_numerical, item_text : fields with numbers, with words.   item_multi : with several values, a list or what a
    relation to many leads to (`tags__name`).   item_vector : the field with a list of numbers made elsewhere.
    item_updated : the field that changes whenever an item does, where there is one.
    item_filters : the fields that a request may filter by.
    interactions, interaction_* : who bought what, when; rating, quantity and amount (what was paid in all for it) where
    there are such fields.
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

    interactions: ClassVar[QuerySet[Any]]
    interactions_withheld: ClassVar[QuerySet[Any] | None] = None
    interaction_customer: ClassVar[str] = "customer"
    interaction_item: ClassVar[str] = "item"
    interaction_time: ClassVar[str] = "time"
    interaction_rating: ClassVar[str | None] = None
    interaction_quantity: ClassVar[str | None] = None
    interaction_amount: ClassVar[str | None] = None

    def everybody(self) -> QuerySet[Any]:
        """All customers who may get a list."""
        return (self.customers if self.all_customers is None else self.all_customers).all()

    @property
    def customer_field(self) -> Field[Any, Any]:
        """The field of a customer that holds the key."""
        about = self.customers.model._meta
        field = about.pk if self.customer_key == "pk" else about.get_field(self.customer_key)
        assert isinstance(field, Field)
        return field

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
