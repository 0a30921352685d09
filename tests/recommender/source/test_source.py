"""A source class is checked name by name, and becomes the engine's schema."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import Q

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.data.schema import Derived, Schema
from recommender.source.checks import problems_of
from recommender.source.declaration import Count, Latest, RecommenderSource, Sum, get_source
from recsite.source import ShopSource

ROOT = Path(__file__).resolve().parents[3]
SEED_FIELDS = [
    *("Age", "Gender", "Country", "City", "State", "Income", "Customer_Segment"),
    *("Feedback", "Shipping_Method", "Payment_Method", "Order_Status", "Total_Purchases", "Amount"),
]


class SmallSource(RecommenderSource):
    customers = Customer.objects.learnable()
    customer_user = "user"
    items = Product.objects.all()
    interactions = Purchase.objects.all()
    interaction_item = "product"


def problems(**attributes) -> list[str]:
    """What is wrong with a small source that has these attributes, hints included."""
    found = problems_of(type("Broken", (SmallSource,), attributes)())
    return [f"{problem.msg} {problem.hint or ''}".strip() for problem in found]


def test_the_shops_own_source_has_no_problem():
    assert list(problems_of(ShopSource())) == []
    assert isinstance(get_source(), ShopSource)


def test_three_querysets_make_a_source():
    assert problems() == []


@pytest.mark.parametrize(
    ("attribute", "value", "wrong", "near"),
    [
        ("customer_key", "keyy", "keyy", "key"),
        ("customer_user", "usr", "usr", "user"),
        ("customer_categorical", ["gendr"], "gendr", "gender"),
        ("customer_numerical", ["agee"], "agee", "age"),
        ("item_key", "kee", "kee", "key"),
        ("item_categorical", ["category", "brnd"], "brnd", "brand"),
        ("item_numerical", ["prise"], "prise", "price"),
        ("item_text", ["nam"], "nam", "name"),
        ("item_multi", ["categori"], "categori", "category"),
        ("item_vector", "imag", "imag", "image"),
        ("item_updated", "updatd", "updatd", "updated"),
        ("item_filters", ["categori"], "categori", "category"),
        ("interaction_customer", "custommer", "custommer", "customer"),
        ("interaction_item", "prodct", "prodct", "product"),
        ("interaction_time", "tim", "tim", "time"),
        ("interaction_rating", "ratng", "ratng", "rating"),
        ("interaction_quantity", "qantity", "qantity", "quantity"),
    ],
)
def test_a_wrong_field_name_is_reported_with_its_attribute_and_what_was_meant(attribute, value, wrong, near):
    (problem,) = problems(**{attribute: value})
    assert f"Broken: {attribute} names {wrong!r}" in problem
    assert f"Did you mean {near}" in problem


def test_several_values_may_be_those_of_a_relation_to_many_and_no_other_field_may():
    users = {"items": User.objects.all(), "interaction_item": "customer__user"}
    assert problems(**users, item_multi=["groups__name", "groups__permissions__codename"]) == []
    (problem,) = problems(**users, item_multi=["groups__nam"])
    assert "item_multi names 'groups__nam', but Group has no field 'nam'. Did you mean name" in problem
    (problem,) = problems(**users, item_multi=["group"])
    assert "item_multi names 'group', but User has no field 'group'. Did you mean groups" in problem
    (problem,) = problems(**users, item_text=["groups__name"])
    assert "item_text names 'groups__name', which leads to several rows" in problem
    assert "item_multi = ['groups__name'] takes several values" in problem


def test_a_field_of_items_is_of_one_kind_or_a_category_and_a_text():
    assert problems(item_categorical=["name"], item_text=["name"], item_aliases={"title": "name"}) == []
    assert problems(item_numerical=["price"], item_multi=["price"]) == [
        f"{__name__}.Broken: Item features named twice: price."
    ]
    (problem,) = problems(item_text="name")
    assert "item_text must be a list of field names, not 'name'." in problem


def test_a_key_that_is_no_text_and_no_whole_number_is_reported():
    (problem,) = problems(item_key="price")
    assert "Broken: item_key names 'price', a DecimalField; keys are text or whole numbers." in problem


def test_a_field_that_a_derived_feature_reads_is_checked():
    given = {"customer_categorical": ["mood"], "customer_from_interactions": {"mood": Latest("feedbak")}}
    (problem,) = problems(**given)
    assert "customer_from_interactions['mood'] names 'feedbak', but Purchase has no field 'feedbak'." in problem
    assert "Did you mean feedback?" in problem


def test_a_name_that_resembles_nothing_gets_the_whole_list():
    (problem,) = problems(item_key="zzz")
    assert "There are: active, brand, category" in problem


def test_names_may_follow_relations():
    assert problems(interaction_rating="product__price") == []
    (problem,) = problems(interaction_rating="product__pricee")
    assert "'product__pricee', but Product has no field 'pricee'" in problem
    (problem,) = problems(interaction_rating="quantity__price")
    assert "Purchase has no relation 'quantity'" in problem


def test_the_other_end_of_a_foreign_key_is_no_field():
    (problem,) = problems(item_categorical=["purchases"])
    assert "item_categorical names 'purchases'" in problem


def test_customer_and_item_of_an_interaction_must_lead_to_the_right_models():
    (problem,) = problems(interaction_customer="product")
    assert "interaction_customer names 'product', which is no foreign key to Customer." in problem
    assert "There are: customer." in problem


def test_a_misspelt_attribute_is_reported():
    (problem,) = problems(customer_categoricals=["gender"])
    assert "there is no attribute 'customer_categoricals'" in problem
    assert "customer_categorical" in problem.split("Did you mean")[1]


@pytest.mark.parametrize("attribute", ["customer_categorical", "item_filters"])
def test_one_name_where_a_list_is_wanted_is_reported(attribute):
    assert problems(**{attribute: "gender"}) == [
        f"tests.recommender.source.test_source.Broken: {attribute} must be a list of field names, not 'gender'."
    ]


def test_a_manager_where_a_queryset_is_wanted_is_reported():
    (problem,) = problems(items=Product.objects)
    assert "items must be a queryset" in problem


def test_a_condition_on_a_field_that_is_not_there_is_reported():
    (problem,) = problems(item_available=Q(activ=True))
    assert "item_available cannot be asked of Product" in problem
    assert "activ" in problem


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"customer_from_interactions": {"spent": Sum("amount")}}, "neither customer_categorical nor"),
        (
            {"customer_categorical": ["n"], "customer_from_interactions": {"n": Count()}},
            "a count is a number; move 'n' from customer_categorical to customer_numerical",
        ),
        ({"customer_numerical": ["n"], "customer_from_interactions": {"n": "amount"}}, "must be Latest(field)"),
        ({"customer_aliases": {"Age": "agee"}, "customer_numerical": ["age"]}, "Did you mean age?"),
        ({"item_aliases": {"Brand": "brand"}}, "item_aliases: 'Brand' stands for 'brand', which is no feature."),
        ({"customer_numerical": ["age"], "customer_categorical": ["age"]}, "named twice: age"),
    ],
)
def test_features_that_make_no_sense_are_reported(attributes, said):
    (problem,) = problems(**attributes)
    assert said in problem


def test_manage_check_fails_and_names_the_line_to_mend(settings):
    settings.RECOMMENDER_SOURCE = "tests.recommender.source.test_source.Misspelt"
    get_source.cache_clear()
    try:
        with pytest.raises(CommandError, match=r"test_source\.Misspelt: item_categorical names 'catgory'"):
            call_command("check", stderr=StringIO())
    finally:
        get_source.cache_clear()


class Misspelt(SmallSource):
    item_categorical = ["catgory"]


def test_a_source_that_does_not_import_is_one_error_of_check(settings):
    settings.RECOMMENDER_SOURCE = "recsite.source.NoSuchSource"
    get_source.cache_clear()
    try:
        with pytest.raises(CommandError, match=r"RECOMMENDER_SOURCE cannot be loaded: .*NoSuchSource"):
            call_command("check", stderr=StringIO())
    finally:
        get_source.cache_clear()


def test_the_schema_says_what_the_source_says():
    schema = ShopSource().schema()
    assert schema.item_categorical == ("name", "category", "brand", "type")
    assert schema.derived["total_purchases"] == Derived("count")
    assert schema.derived["amount"] == Derived("sum", "amount")
    assert schema.derived["feedback"] == Derived("latest", "feedback")
    assert set(schema.interaction_columns) == {
        "feedback",
        "shipping_method",
        "payment_method",
        "order_status",
        "amount",
    }
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_all_thirteen_fields_of_the_seed_have_a_place():
    source = ShopSource()
    features = [*source.customer_categorical, *source.customer_numerical]
    assert len(features) == len(SEED_FIELDS) == 13
    assert sorted(source.customer_aliases[field] for field in SEED_FIELDS) == sorted(features)


def test_the_recommender_app_can_be_read_without_the_shops_models():
    """It is told of them by the setting alone."""
    shop = "{'catalog', 'customers', 'recsite', 'torch'}"
    code = f"import sys, recommender.source; print(sorted({shop} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_a_source_makes_its_schema_once():
    """Every list asks for it."""
    source = ShopSource()
    assert source.schema() is source.schema()
