"""A rating for every pair of somebody and something, known or only described; and a clear word where there is none."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.template import Context, Template

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.bundle.inference import Inference
from recommender.errors import RecommendationError
from recommender.serving import live as serving
from recommender.serving import predict_rating, recommend

WHO = {
    "a customer with a history": {"customer": "C0"},
    "a customer without one": {"customer": "newcomer"},
    "an unknown customer": {"customer": "nobody"},
    "a profile": {"profile": {"Age": 28, "Gender": "F", "Country": "UK"}},
    "part of a profile": {"profile": {"age": 28}},
    "missing values": {"profile": {"Age": None, "Gender": "", "Amount": None}},
    "unseen values": {"profile": {"Gender": "?", "City": "Atlantis", "Customer_Segment": "Regal"}},
    "numbers as text, text as a number": {"profile": {"Age": "28", "City": 7}},
    "totals": {"profile": {"Total_Purchases": 12, "Amount": 1e6, "Feedback": "Good"}},
    "an empty profile": {"profile": {}},
    "nobody": {},
}
WHAT = {
    "an item": {"item": "P1"},
    "an item created since": {"item": "new"},
    "an item off sale": {"item": "P2"},
    "a description": {"item_features": {"products": "Kitchen thing 1", "Product_Category": "Kitchen"}},
    "part of one": {"item_features": {"category": "Books"}},
    "missing values": {"item_features": {"category": None, "brand": ""}},
    "unseen values": {"item_features": {"Product_Brand": "Acme", "Product_Type": "Anvil"}},
    "an empty description": {"item_features": {}},
}


@pytest.fixture
def shop_of_today(trained):
    Customer.objects.create(key="newcomer", gender="M")
    Product.objects.create(key="new", name="New", category="Books")
    Product.objects.filter(key="P2").update(active=False)


@pytest.mark.parametrize("who", WHO.values(), ids=WHO)
def test_everybody_would_rate_everything(shop_of_today, who):
    for what in WHAT.values():
        rating, version, _ = predict_rating(**who, **what)
        assert 0 <= rating <= 5
        assert version == "v1"


def test_who_says_nothing_rates_as_nobody(shop_of_today):
    for what in WHAT.values():
        nobody = predict_rating(**what).rating
        for who in ("an unknown customer", "missing values", "an empty profile"):
            assert predict_rating(**WHO[who], **what).rating == pytest.approx(nobody, abs=1e-6)


def test_a_description_that_says_nothing_is_of_any_item(shop_of_today):
    for who in WHO.values():
        empty = predict_rating(**who, **WHAT["an empty description"]).rating
        assert predict_rating(**who, **WHAT["missing values"]).rating == pytest.approx(empty, abs=1e-6)


def test_an_item_created_since_is_rated_as_its_description_is(shop_of_today):
    described = predict_rating(customer="C0", item_features={"name": "New", "category": "Books"}).rating
    assert predict_rating(customer="C0", item="new").rating == pytest.approx(described, abs=1e-5)


def _at_every_door(client, customer="C2", item="P5"):
    """The rating of a pair as the service, the command, the API, the tag and the list answer it."""
    out = StringIO()
    call_command("predict_rating", "--customer", customer, "--item", item, "--json", stdout=out)
    answered = client.post("/api/v1/ratings/", {"customer": customer, "item": item}, format="json").json()
    tag = Template("{% load recommendations %}{% predicted_rating for=who item=what as r %}{{ r|default_if_none:'-' }}")
    shown = tag.render(Context({"who": customer, "what": item}))
    listed = {found.rating for found in recommend(customer=customer).items}
    return predict_rating(customer=customer, item=item).to_dict(), json.loads(out.getvalue()), answered, shown, listed


def test_a_shop_that_nobody_rated_shows_no_rating_at_any_door(trained, api_key):
    Purchase.objects.update(rating=None)
    serving.forget_live_state()
    none = {"rating": None, "model_version": None, "fallback_reason": "nobody_rated"}
    assert _at_every_door(api_key) == (none, none, none, "-", {None})
    for who in ({}, {"profile": {"Age": 28}}):
        assert predict_rating(**who, item_features={"category": "Books"}).to_dict() == none


def test_a_model_that_learned_from_no_rating_predicts_none(trained, api_key, monkeypatch):
    monkeypatch.setattr(Inference, "has_ratings", False)
    none = {"rating": None, "model_version": None, "fallback_reason": "model_without_ratings"}
    assert _at_every_door(api_key) == (none, none, none, "-", {None})


@pytest.mark.parametrize("world", ["stocked", "trained"])
def test_an_unknown_customer_is_said_to_be_unknown(request, world, api_key):
    request.getfixturevalue(world)
    for asked in ({"customer": "nobody", "item": "P1"}, {"customer": "nobody", "item_features": {}}):
        answer = api_key.post("/api/v1/ratings/", asked, format="json").json()
        assert (answer["fallback_reason"], 0 <= answer["rating"] <= 5) == ("unknown_customer", True)
    out = StringIO()
    call_command("predict_rating", "--customer", "nobody", "--item", "P1", stdout=out)
    assert "There is no customer of this key." in out.getvalue()


def test_a_customers_own_rating_has_no_fallback_reason(trained):
    assert predict_rating(customer="C0", item="P1").fallback_reason is None


@pytest.mark.parametrize("who", WHO.values(), ids=WHO)
def test_before_any_model_there_is_an_average_for_every_pair(stocked, who):
    for what in (WHAT["an item"], WHAT["a description"], WHAT["an empty description"]):
        rating, version, _ = predict_rating(**who, **what)
        assert 0 <= rating <= 5
        assert version is None


@pytest.mark.parametrize("world", ["stocked", "trained"])
@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({"customer": "C0", "item": "P999"}, "item", "There is no item 'P999'."),
        ({"customer": "C0", "item": ["P1"]}, "item", "There is no item ['P1']."),
        ({"customer": "C0"}, "item", "Give either an item or item_features."),
        ({"item": "P1", "item_features": {}}, "item", "Give either an item or item_features."),
        ({"customer": "C0", "profile": {}, "item": "P1"}, "profile", "Give either a customer or a profile, not both."),
        ({"customer": 7, "item": "P1"}, "customer", "customer is 7; it must be a key, as text."),
        ({"customer": {"Age": 28}, "item": "P1"}, "customer", "it must be a key, as text."),
        ({"profile": "C0", "item": "P1"}, "profile", "profile is 'C0'; it must be an object of fields and values."),
        ({"profile": {"Age": "old"}, "item": "P1"}, "profile", "Age: 'old' is not a number."),
        ({"profile": {"Age": []}, "item": "P1"}, "profile", "Age: [] is not a number."),
        ({"profile": {"Age": True}, "item": "P1"}, "profile", "Age: True is not a number."),
        ({"profile": {"Age": float("inf")}, "item": "P1"}, "profile", "Age: inf is not a finite number."),
        ({"profile": {"Gender": ["F"]}, "item": "P1"}, "profile", "Gender: ['F'] is not text."),
        ({"profile": {"Shoe_Size": 44}, "item": "P1"}, "profile", "'Shoe_Size' is no field of a profile; there are"),
        ({"profile": {"Age": 1, "age": 2}, "item": "P1"}, "profile", "'age' is given twice, once as 'age'."),
        ({"item_features": ["Books"]}, "item_features", "it must be an object of fields and values."),
        ({"item_features": {"colour": "red"}}, "item_features", "'colour' is no field of an item; there are"),
        ({"item_features": {"Product_Category": {}}}, "item_features", "Product_Category: {} is not text."),
    ],
)
def test_a_rating_of_nothing_is_refused_by_field(request, world, asked, field, words):
    request.getfixturevalue(world)
    with pytest.raises(RecommendationError) as caught:
        predict_rating(**asked)
    assert caught.value.field == field
    assert words in caught.value.message
