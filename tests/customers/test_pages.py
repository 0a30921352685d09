"""A customer's own pages, and the buttons on the product's."""

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.urls import reverse

from catalog.models import Product
from customers.models import Customer, Purchase

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("django_cache")]


@pytest.fixture
def ada():
    return Customer.objects.create(key="ada", name="Ada", user=User.objects.create_user("ada"))


@pytest.fixture
def bob():
    return Customer.objects.create(key="bob", user=User.objects.create_user("bob"))


@pytest.fixture
def lamp():
    return Product.objects.create(key="a/lamp", name="Lamp", price=9)


def as_user(client, customer):
    client.force_login(customer.user)
    return client


def told(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


# --- rating -----------------------------------------------------------------------------------------------------------


def test_rating_what_one_bought(client, ada, lamp):
    purchase = Purchase.objects.create(customer=ada, product=lamp)
    assert "How was it?" in as_user(client, ada).get(lamp.get_absolute_url()).content.decode()
    response = client.post(reverse("rate", args=[purchase.pk]), {"rating": "4.5", "next": lamp.get_absolute_url()})
    assert response.url == lamp.get_absolute_url()
    assert told(response) == ["You rated Lamp. Your list has changed."]
    purchase.refresh_from_db()
    assert float(purchase.rating) == 4.5
    assert "Your rating" in client.get(lamp.get_absolute_url()).content.decode()


def test_taking_a_rating_back(client, ada, lamp):
    purchase = Purchase.objects.create(customer=ada, product=lamp, rating=3)
    as_user(client, ada).post(reverse("rate", args=[purchase.pk]), {"rating": ""})
    purchase.refresh_from_db()
    assert purchase.rating is None


@pytest.mark.parametrize("rating", ["6", "3.2", "lots"])
def test_a_rating_that_is_none_changes_nothing_and_says_what_is_allowed(client, ada, lamp, rating):
    purchase = Purchase.objects.create(customer=ada, product=lamp, rating=3)
    response = as_user(client, ada).post(reverse("rate", args=[purchase.pk]), {"rating": rating})
    assert response.url == "/orders/"
    assert "from 0 to 5 in half steps" in told(response)[0]
    purchase.refresh_from_db()
    assert purchase.rating == 3


def test_what_one_did_not_buy_cannot_be_rated(client, ada, bob, lamp):
    purchase = Purchase.objects.create(customer=bob, product=lamp)
    assert as_user(client, ada).post(reverse("rate", args=[purchase.pk]), {"rating": "1"}).status_code == 404
    purchase.refresh_from_db()
    assert purchase.rating is None
    assert "How was it?" not in client.get(lamp.get_absolute_url()).content.decode()


def test_the_latest_of_several_purchases_is_the_one_rated(client, ada, lamp):
    Purchase.objects.create(customer=ada, product=lamp, time="2024-01-01T00:00Z")
    late = Purchase.objects.create(customer=ada, product=lamp, time="2025-01-01T00:00Z")
    page = as_user(client, ada).get(lamp.get_absolute_url()).content.decode()
    assert page.count('class="rate"') == 1
    assert reverse("rate", args=[late.pk]) in page


# --- orders -----------------------------------------------------------------------------------------------------------


def test_orders_are_ones_own_the_newest_first(client, ada, bob, lamp):
    shoe = Product.objects.create(key="shoe", name="Shoe")
    Purchase.objects.create(customer=ada, product=lamp, time="2024-01-01T00:00Z")
    Purchase.objects.create(customer=ada, product=shoe, time="2025-01-01T00:00Z")
    Purchase.objects.create(customer=bob, product=Product.objects.create(key="secret", name="Bob's secret"))
    response = as_user(client, ada).get("/orders/")
    assert [order.purchases[0].product.name for order in response.context["orders"]] == ["Shoe", "Lamp"]
    assert "secret" not in response.content.decode()


def test_orders_come_in_pages_at_a_steady_cost(client, ada, lamp, django_assert_max_num_queries):
    Purchase.objects.bulk_create(Purchase(customer=ada, product=lamp) for _ in range(25))
    as_user(client, ada)
    with django_assert_max_num_queries(7):
        first = client.get("/orders/")
    assert first.context["page"].paginator.num_pages == 3
    assert "?page=2" in first.content.decode()


def test_no_orders_yet(client, ada):
    assert "You have bought nothing yet" in as_user(client, ada).get("/orders/").content.decode()


def test_a_withdrawn_product_stays_among_the_orders_without_a_link(client, ada, lamp):
    Purchase.objects.create(customer=ada, product=lamp)
    Product.objects.update(active=False)
    page = as_user(client, ada).get("/orders/").content.decode()
    assert "Lamp" in page
    assert lamp.get_absolute_url() not in page


# --- account ----------------------------------------------------------------------------------------------------------


def test_the_profile_is_edited(client, ada):
    response = as_user(client, ada).post("/account/", {"name": "Ada P.", "age": "40", "city": "Oslo"})
    assert response.url == "/account/"
    ada.refresh_from_db()
    assert (ada.name, ada.age, ada.city) == ("Ada P.", 40, "Oslo")
    assert 'value="Oslo"' in client.get("/account/").content.decode()


def test_a_value_nobody_else_has_survives_a_save(client, ada):
    Customer.objects.filter(pk=ada.pk).update(segment="Founding member")
    form = as_user(client, ada).get("/account/").context["form"]
    client.post("/account/", {field.name: field.value() or "" for field in form})
    ada.refresh_from_db()
    assert ada.segment == "Founding member"


def test_a_wrong_profile_is_said_at_its_field(client, ada):
    response = as_user(client, ada).post("/account/", {"age": "999"})
    assert response.status_code == 422
    assert "age" in response.context["form"].errors
    ada.refresh_from_db()
    assert ada.age is None


def test_personalisation_is_one_click_either_way(client, ada):
    as_user(client, ada)
    response = client.post("/account/personalisation/", {"wanted": "no"})
    assert "popular ones" in told(response)[0]
    ada.refresh_from_db()
    assert not ada.personalisation
    assert "Personalisation is off" in client.get("/").content.decode()
    assert "Turn personalisation on" in client.get("/account/").content.decode()
    client.post("/account/personalisation/", {"wanted": "yes"})
    ada.refresh_from_db()
    assert ada.personalisation


def test_home_says_what_the_list_is_made_of(client, ada, lamp):
    assert "A shop that learns" in client.get("/").content.decode()
    page = as_user(client, ada).get("/").content.decode()
    assert "Hello, Ada" in page
    assert "made from what you bought" in page
