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


# --- buying -----------------------------------------------------------------------------------------------------------


def test_buying_brings_one_back_to_where_one_was(client, ada, lamp):
    response = as_user(client, ada).post(reverse("buy", args=[lamp.key]), {"next": "/products/?q=lamp"})
    assert response.url == "/products/?q=lamp"
    assert told(response) == ["Bought Lamp. Your list has changed."]
    assert Purchase.objects.get().customer == ada


def test_without_being_told_where_it_trusts_the_browser(client, ada, lamp):
    address = reverse("buy", args=[lamp.key])
    response = as_user(client, ada).post(address, headers={"referer": "http://testserver/products/?page=2"})
    assert response.url == "http://testserver/products/?page=2"
    assert client.post(address).url == lamp.get_absolute_url()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/x", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site(client, ada, lamp, elsewhere):
    address = reverse("buy", args=[lamp.key])
    response = as_user(client, ada).post(address, {"next": elsewhere}, headers={"referer": elsewhere})
    assert response.url == lamp.get_absolute_url()


def test_a_visitor_is_asked_to_sign_in_and_comes_back_to_the_product(client, lamp):
    response = client.post(reverse("buy", args=[lamp.key]))
    assert response.url == "/accounts/login/?next=/products/a/lamp/"
    assert not Purchase.objects.exists()
    page = client.get(lamp.get_absolute_url()).content.decode()
    assert "/accounts/login/?next=/products/a/lamp/" in page


def test_a_link_buys_nothing(client, ada, lamp):
    assert as_user(client, ada).get(reverse("buy", args=[lamp.key])).status_code == 405
    assert not Purchase.objects.exists()


def test_buying_needs_the_forms_token(ada, lamp):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    assert as_user(strict, ada).post(reverse("buy", args=[lamp.key])).status_code == 403
    assert not Purchase.objects.exists()


def test_a_withdrawn_product_is_not_bought_and_it_is_said(client, ada, lamp):
    Product.objects.update(active=False)
    response = as_user(client, ada).post(reverse("buy", args=[lamp.key]))
    assert told(response) == ["Lamp is no longer for sale."]
    assert as_user(client, ada).post(reverse("buy", args=["no-such"])).status_code == 404


def test_the_opted_out_are_not_told_that_their_list_changed(client, ada, lamp):
    Customer.objects.update(personalisation=False)
    assert told(as_user(client, ada).post(reverse("buy", args=[lamp.key]))) == ["Bought Lamp."]


def test_a_user_without_a_profile_gets_one_with_the_first_purchase(admin_client, lamp):
    for address in ("/", "/orders/", "/account/", "/welcome/", lamp.get_absolute_url()):
        assert admin_client.get(address).status_code == 200
    assert not Customer.objects.exists(), "reading makes nothing"
    admin_client.post(reverse("buy", args=[lamp.key]))
    assert Customer.objects.get().user.username == "admin"


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
    assert [purchase.product.name for purchase in response.context["page"]] == ["Shoe", "Lamp"]
    assert "secret" not in response.content.decode()


def test_orders_come_in_pages_at_a_steady_cost(client, ada, lamp, django_assert_max_num_queries):
    Purchase.objects.bulk_create(Purchase(customer=ada, product=lamp) for _ in range(25))
    as_user(client, ada)
    with django_assert_max_num_queries(6):
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
