"""What changes customers and purchases, without pages around it."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from catalog.models import Product
from customers import services
from customers.errors import NotForSale, PurchaseChanged, RatingRefused
from customers.models import Customer, Purchase
from customers.selectors import SHARED_BY, customer_of, rating_summary, suggestions

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return Customer.objects.create(key="ada")


@pytest.fixture
def lamp():
    return Product.objects.create(key="lamp", name="Lamp", price=Decimal("12.50"))


def test_buying_records_what_was_paid(ada, lamp):
    purchase = services.buy(customer=ada, product=lamp, quantity=3)
    assert (purchase.amount, purchase.quantity, purchase.rating) == (Decimal("37.50"), 3, None)


def test_a_product_without_a_price_is_bought_for_an_unknown_amount(ada):
    lamp = Product.objects.create(key="x", name="Free-form")
    assert services.buy(customer=ada, product=lamp).amount is None


def test_a_withdrawn_product_is_not_sold(ada, lamp):
    lamp.active = False
    with pytest.raises(NotForSale, match="Lamp is no longer for sale"):
        services.buy(customer=ada, product=lamp)
    assert not Purchase.objects.exists()


def test_nothing_is_not_a_quantity(ada, lamp):
    with pytest.raises(ValidationError, match="quantity"):
        services.buy(customer=ada, product=lamp, quantity=0)


@pytest.mark.parametrize(("said", "meant"), [("0", "0"), ("5", "5"), (" 3.5 ", "3.5"), (2, "2"), ("4.0", "4")])
def test_a_rating_is_zero_to_five_in_half_steps(ada, lamp, said, meant):
    purchase = services.buy(customer=ada, product=lamp)
    services.rate_purchase(purchase=purchase, by=ada, rating=said)
    purchase.refresh_from_db()
    assert purchase.rating == Decimal(meant)


@pytest.mark.parametrize("said", ["5.5", "-1", "3.3", "great", "nan", "1e9", "", "٣٫٥", "Infinity"])
def test_anything_else_is_refused_by_name(ada, lamp, said):
    purchase = services.buy(customer=ada, product=lamp)
    with pytest.raises(RatingRefused) as refusal:
        services.rate_purchase(purchase=purchase, by=ada, rating=said)
    assert repr(said) in str(refusal.value)
    purchase.refresh_from_db()
    assert purchase.rating is None


def test_a_rating_is_taken_back_with_none(ada, lamp):
    purchase = services.buy(customer=ada, product=lamp)
    services.rate_purchase(purchase=purchase, by=ada, rating=4)
    services.rate_purchase(purchase=purchase, by=ada, rating=None)
    purchase.refresh_from_db()
    assert purchase.rating is None


def test_only_the_buyer_rates(ada, lamp):
    purchase = services.buy(customer=ada, product=lamp)
    for other in (Customer.objects.create(key="bob"), None):
        with pytest.raises(RatingRefused):
            services.rate_purchase(purchase=purchase, by=other, rating=1)


def test_a_user_gets_one_customer_made_at_need():
    user = User.objects.create_user("ada")
    assert customer_of(user) is None
    first = services.customer_for(user=user)
    again = services.customer_for(user=User.objects.get(username="ada"))
    assert first == again
    assert first.key.startswith("c-")


def test_a_user_whose_customer_was_made_a_moment_ago_gets_that_one():
    user = User.objects.create_user("ada")
    assert customer_of(user) is None  # remembered on the object, as in a request that has begun
    other = Customer.objects.create(key="made-meanwhile", user=User.objects.get(username="ada"))
    assert services.customer_for(user=user) == other


def test_keys_never_clash(monkeypatch):
    tokens = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(services.secrets, "token_hex", lambda n: next(tokens))
    assert services.create_customer().key == "c-aaaa"
    assert services.create_customer().key == "c-bbbb"


def test_an_external_id_is_stored_once(ada, lamp):
    first, new = services.record_purchase_once(external_id="T1", customer=ada, product=lamp)
    again, new_again = services.record_purchase_once(external_id="T1", customer=ada, product=lamp, quantity=1)
    assert (new, new_again) == (True, False)
    assert first == again
    with pytest.raises(PurchaseChanged, match="quantity: This external id is stored with 1, and was sent again with 9"):
        services.record_purchase_once(external_id="T1", customer=ada, product=lamp, quantity=9)
    assert Purchase.objects.get().quantity == 1


def test_purchases_without_an_external_id_are_all_stored(ada, lamp):
    for _ in range(2):
        services.record_purchase_once(external_id=None, customer=ada, product=lamp)
    assert Purchase.objects.count() == 2


def test_a_wrong_purchase_with_a_new_external_id_says_why(ada, lamp):
    with pytest.raises(ValidationError, match="rating"):
        services.record_purchase_once(external_id="T1", customer=ada, product=lamp, rating=Decimal(9))


def test_opting_out_takes_a_person_out_of_what_is_learned_from(ada):
    services.set_personalisation(customer=ada, wanted=False)
    assert ada not in Customer.objects.learnable()
    services.set_personalisation(customer=ada, wanted=True)
    assert ada in Customer.objects.learnable()


def test_the_average_counts_only_what_was_rated(ada, lamp):
    assert rating_summary(lamp) == (None, 0)
    for number, rating in enumerate((4, None, 5)):
        customer = Customer.objects.create(key=f"buyer{number}")
        Purchase.objects.create(customer=customer, product=lamp, rating=rating)
    assert rating_summary(lamp) == (Decimal("4.5"), 2)


def test_suggestions_are_values_several_people_share(django_cache):
    for n in range(SHARED_BY):
        Customer.objects.create(key=f"l{n}", city="London")
    Customer.objects.create(key="p", city="12 Acacia Avenue, call 555-0199")
    assert suggestions("city") == ["London"]


def test_a_shop_without_customers_suggests_the_usual(django_cache):
    assert suggestions("gender") == ["Female", "Male", "Non-binary"]
    assert suggestions("city") == []
