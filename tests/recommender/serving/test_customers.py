"""What is known of a customer is the same in serving as in training, however much of it is read."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.bundle.inference import Inference
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.tables import read_snapshot
from recommender.errors import RecommendationError
from recommender.serving import customers
from recommender.source import RecommenderSource
from recommender.source.customers import customer_key_of, is_learnable


def features(inference: Inference, customer: customers.CustomerContext) -> dict[str, object]:
    return inference.with_derived(customer.person)


def test_a_customer_has_the_features_that_training_saw(stocked, snapshot, bundle):
    inference = Inference.open(bundle)
    tables = read_snapshot(snapshot)
    trained = TwoTowerDataset.build(tables, encoders=inference.encoders).user_columns_now()
    found = customers.find_customers(tables.user_keys.tolist(), inference.max_history)
    served = inference.encoders.profile_columns([features(inference, found[key]) for key in tables.user_keys])
    assert set(served) == set(trained)
    for name, column in trained.items():
        np.testing.assert_array_equal(served[name], column, err_msg=name)


@pytest.mark.parametrize("max_history", [1, 3, 7, 8, 100])
def test_totals_are_of_all_purchases_however_few_are_read(stocked, bundle, max_history):
    inference = Inference.open(bundle)
    whole, cut = (customers.find_customers(["C7"], n)["C7"] for n in (100, max_history))
    assert features(inference, cut) == features(inference, whole)
    assert cut.bought == whole.bought
    assert len(whole.bought) == 8
    assert cut.person.history == whole.person.history[-(max_history + 1) :]


def test_history_is_read_oldest_first_and_ties_in_the_order_they_were_stored(stocked):
    customer = Customer.objects.create(key="new")
    moment = timezone.now()
    for key, when in (("P9", moment), ("P3", moment - timedelta(days=1)), ("P1", moment)):
        Purchase.objects.create(customer=customer, product=Product.objects.get(key=key), time=when)
    assert [event.item for event in customers.find_customers(["new"])["new"].person.history] == ["P3", "P9", "P1"]


def test_the_latest_value_is_that_of_the_latest_purchase_even_when_it_is_missing(stocked, bundle):
    customer, product = Customer.objects.get(key="C0"), Product.objects.get(key="P1")
    Purchase.objects.create(customer=customer, product=product, feedback="Excellent", amount=Decimal("5.50"))
    inference = Inference.open(bundle)
    before = features(inference, customers.find_customers(["C0"])["C0"])
    assert (before["feedback"], before["total_purchases"]) == ("Excellent", 9)
    Purchase.objects.create(customer=customer, product=product, feedback="", amount=None)
    after = features(inference, customers.find_customers(["C0"])["C0"])
    assert (after["feedback"], after["total_purchases"]) == ("", 10)
    assert after["amount"] == before["amount"]


def test_a_purchase_that_was_deleted_a_moment_ago_is_no_history(stocked):
    assert customers.find_customers(["C1"])["C1"].bought
    Purchase.objects.filter(customer__key="C1").delete()
    customer = customers.find_customers(["C1"])["C1"]
    assert (list(customer.person.history), customer.bought) == ([], frozenset())


def test_nothing_is_read_of_a_customer_who_opted_out(stocked):
    Customer.objects.filter(key="C0").update(personalisation=False)
    found = customers.find_customers(["C0"])["C0"]
    assert not found.learnable
    assert (found.person.profile, list(found.person.history), found.bought) == ({}, [], frozenset())


def test_many_customers_take_as_many_queries_as_one(stocked, django_assert_num_queries):
    with django_assert_num_queries(4):
        assert len(customers.find_customers(["C1"], 100)) == 1
    with django_assert_num_queries(4):
        assert len(customers.find_customers([f"C{n}" for n in range(40)], 100)) == 40
    with django_assert_num_queries(5):  # some bought more than is read: all of theirs is read
        assert len(customers.find_customers([f"C{n}" for n in range(40)], 5)) == 40


def test_keys_that_no_database_can_hold_belong_to_nobody(stocked):
    assert customers.find_customers(["C\x000", "\udc80", "", "nobody"]) == {}
    assert is_learnable("\x00") is None


@pytest.mark.parametrize("key", ["it's", "100%s", "a; b", 'ada"'])
def test_a_key_may_hold_quotes_and_percent_signs(stocked, key):
    assert customers.find_customers([key]) == {}
    ada = Customer.objects.create(key=key, gender="F")
    Purchase.objects.create(customer=ada, product=Product.objects.get(key="P1"))
    assert customers.find_customers([key])[key].bought == {"P1"}


def test_a_user_is_told_by_their_customer(stocked):
    user = User.objects.create_user("ada")
    assert customer_key_of(user) is None
    Customer.objects.filter(key="C3").update(user=user)
    assert customer_key_of(user) == "C3"
    assert customer_key_of(AnonymousUser()) is None


def test_a_shop_whose_customers_are_the_auth_users_finds_them_signed_in(db, monkeypatch, django_user_model):
    class AuthUsers(RecommenderSource):
        customers = django_user_model.objects.filter(is_active=True)
        customer_user = "pk"

    monkeypatch.setattr("recommender.source.customers.get_source", AuthUsers)
    ada, gone = django_user_model.objects.create(username="ada"), django_user_model(pk=1_000)
    assert customer_key_of(ada) == str(ada.pk)
    assert customer_key_of(gone) is None


def test_a_profile_is_read_in_both_spellings():
    given = {"Age": 28, "Customer_Segment": "Premium", "country": "UK", "Amount": "300", "Gender": None}
    expected = {"age": 28.0, "segment": "Premium", "country": "UK", "amount": 300.0, "gender": ""}
    assert customers.check_profile(given) == expected


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"Age": "old"}, "Age: 'old' is not a number"),
        ({"Age": True}, "Age: True is not a number"),
        ({"age": float("inf")}, "age: inf is not a finite number"),
        ({"Country": ["UK"]}, r"Country: \['UK'\] is not text"),
        ({"shoe_size": 44}, "'shoe_size' is no field of a profile; there are gender, country"),
        ({"Age": 28, "age": 29}, "'age' is given twice"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused_by_name(profile, message):
    with pytest.raises(RecommendationError, match=message) as caught:
        customers.check_profile(profile)
    assert caught.value.field == "profile"


def test_an_item_description_is_read_in_both_spellings():
    assert customers.check_item({"products": "iPhone 14", "brand": "Apple"}) == {"name": "iPhone 14", "brand": "Apple"}
    with pytest.raises(RecommendationError, match="'colour' is no field of an item"):
        customers.check_item({"colour": "red"})
