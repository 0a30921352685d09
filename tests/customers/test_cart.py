"""From the button to the order: a visitor's cart, a customer's cart, and what an order is."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import connection, connections
from django.test import Client
from django.urls import reverse

from catalog.models import Product
from customers.carts import MOST_LINES, fingerprint, lines_of, total_of
from customers.checkout import check_out
from customers.errors import OrderRefused
from customers.models import CartItem, Customer, Purchase
from recommender.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("django_cache")]
SIGN_UP = {"username": "eve", "password1": "correct-horse-9", "password2": "correct-horse-9"}


@pytest.fixture
def ada():
    user = User.objects.create_user("ada", password="correct-horse-9")
    return Customer.objects.create(key="ada", name="Ada", user=user)


@pytest.fixture
def lamp():
    return Product.objects.create(key="a/lamp", name="Lamp", price=Decimal("9.50"))


@pytest.fixture
def shoe():
    return Product.objects.create(key="shoe", name="Shoe", price=Decimal(40))


def put(client, product, quantity=1, **more):
    return client.post(reverse("add_to_cart", args=[product.key]), {"quantity": quantity, **more})


def in_cart(client) -> dict[str, int]:
    return {line.product.name: line.quantity for line in client.get("/cart/").context["lines"]}


def told(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def order_form(client, **changes):
    """The form as the cart page shows it."""
    form = client.get("/cart/").context["checkout_form"]
    return {"order": form["order"].value(), "seen": form["seen"].value(), "shipping_method": "Express", **changes}


def sign_in(client, name="ada"):
    return client.post("/accounts/login/", {"login": name, "password": "correct-horse-9"})


# --- putting in, changing, taking out ---------------------------------------------------------------------------------


def test_a_visitor_fills_a_cart_and_comes_back_to_where_they_were(client, lamp):
    response = put(client, lamp, next="/products/?q=lamp")
    assert response.url == "/products/?q=lamp"
    assert told(response) == ["Lamp is in your cart."]
    put(client, lamp, 2)
    assert in_cart(client) == {"Lamp": 3}
    assert CartItem.objects.count() == 0, "a visitor leaves no row"
    page = client.get("/products/").content.decode()
    assert '3<span class="visually-hidden"> in it' in page


def test_a_customers_cart_is_on_every_device(client, ada, lamp):
    client.force_login(ada.user)
    put(client, lamp, 2)
    elsewhere = Client()
    elsewhere.force_login(ada.user)
    assert in_cart(elsewhere) == {"Lamp": 2}


@pytest.mark.parametrize("signed_in", [False, True])
def test_quantities_are_changed_and_lines_removed(client, ada, lamp, shoe, signed_in):
    if signed_in:
        client.force_login(ada.user)
    put(client, lamp)
    put(client, shoe)
    client.post("/cart/", {f"quantity-{lamp.pk}": "5", f"quantity-{shoe.pk}": "2"})
    assert in_cart(client) == {"Lamp": 5, "Shoe": 2}
    client.post("/cart/", {f"quantity-{lamp.pk}": "4", "remove": str(shoe.pk)})
    assert in_cart(client) == {"Lamp": 5}
    client.post("/cart/", {f"quantity-{lamp.pk}": "0"})
    assert "Your cart is empty" in client.get("/cart/").content.decode()


@pytest.mark.parametrize("quantity", ["0", "-1", "100", "two", "", "1e3", "9" * 30])
def test_what_is_no_number_of_pieces_is_said_and_changes_nothing(client, lamp, quantity):
    (message,) = told(put(client, lamp, quantity))
    assert "pieces" in message
    assert in_cart(client) == {}
    put(client, lamp, 3)
    if quantity != "0":
        client.post("/cart/", {f"quantity-{lamp.pk}": quantity})
        assert in_cart(client) == {"Lamp": 3}


def test_no_more_pieces_than_allowed_come_together_by_and_by(client, ada, lamp):
    client.force_login(ada.user)
    put(client, lamp, 60)
    assert "1 to 99 pieces" in told(put(client, lamp, 60))[-1]
    assert in_cart(client) == {"Lamp": 60}


def test_a_cart_is_not_endless(client):
    many = Product.objects.bulk_create(Product(key=f"P{n}", name=f"Thing {n:03}") for n in range(MOST_LINES + 1))
    for product in many:
        response = put(client, product)
    assert told(response)[-1].startswith(f"A cart holds up to {MOST_LINES} products.")
    assert len(in_cart(client)) == MOST_LINES


def test_a_withdrawn_product_is_not_put_in(client, lamp):
    Product.objects.update(active=False)
    assert told(put(client, lamp)) == ["Lamp is no longer for sale."]
    assert client.post(reverse("add_to_cart", args=["no-such"])).status_code == 404


def test_a_product_withdrawn_or_deleted_while_in_the_cart_is_said_and_not_counted(client, ada, lamp, shoe):
    client.force_login(ada.user)
    put(client, lamp)
    put(client, shoe)
    Product.objects.filter(pk=lamp.pk).update(active=False)
    page = client.get("/cart/").content.decode()
    assert "No longer for sale: it is not part of your order." in page
    assert "$40.00" in page
    assert "1 piece<" in page
    lamp.delete()
    assert in_cart(client) == {"Shoe": 1}


@pytest.mark.parametrize("signed_in", [False, True])
def test_a_changed_price_is_said_and_todays_is_asked(client, ada, lamp, signed_in):
    if signed_in:
        client.force_login(ada.user)
    put(client, lamp, 2)
    Product.objects.update(price=12)
    page = client.get("/cart/").content.decode()
    assert "The price has changed: it was $9.50 when you put it in." in page
    assert "$24.00" in page


def test_a_script_gets_the_new_count_and_the_message_and_no_page(client, lamp):
    response = client.post(reverse("add_to_cart", args=[lamp.key]), {"next": "/"}, headers={"HX-Request": "true"})
    page = response.content.decode()
    assert "Lamp is in your cart." in page
    assert 'id="cart-link"' in page
    assert "<main" not in page
    on_the_cart = {"next": "/cart/"}
    response = client.post(reverse("add_to_cart", args=[lamp.key]), on_the_cart, headers={"HX-Request": "true"})
    assert response.headers["HX-Redirect"] == "/cart/"


def test_nobody_is_sent_to_another_site(client, lamp):
    elsewhere = "https://evil.example/"
    response = client.post(reverse("add_to_cart", args=[lamp.key]), {"next": elsewhere}, headers={"referer": elsewhere})
    assert response.url == lamp.get_absolute_url()


def test_without_being_told_where_it_trusts_the_browser(client, lamp):
    address = reverse("add_to_cart", args=[lamp.key])
    response = client.post(address, headers={"referer": "http://testserver/products/?page=2"})
    assert response.url == "http://testserver/products/?page=2"
    assert client.post(address).url == lamp.get_absolute_url()


@pytest.mark.parametrize("address", ["/cart/add/a/lamp/", "/cart/checkout/"])
def test_a_link_changes_nothing(client, ada, lamp, address):
    client.force_login(ada.user)
    assert client.get(address).status_code == 405


@pytest.mark.parametrize("address", ["/cart/add/a/lamp/", "/cart/", "/cart/checkout/"])
def test_every_form_needs_its_token(ada, lamp, address):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada.user)
    assert strict.post(address).status_code == 403


def test_what_is_put_in_the_cart_is_on_record_with_the_list_it_came_from(client, ada, lamp):
    client.force_login(ada.user)
    put(client, lamp, recommendation="nonsense")
    event = Event.objects.get()
    assert (event.kind, event.item, event.customer) == ("add_to_cart", "a/lamp", "ada")


# --- coming along -----------------------------------------------------------------------------------------------------


def test_the_cart_comes_along_when_one_signs_up(client, lamp):
    put(client, lamp, 2)
    response = client.post("/accounts/signup/", SIGN_UP)
    assert response.url == "/welcome/"
    assert CartItem.objects.get().customer.user.username == "eve"
    assert in_cart(client) == {"Lamp": 2}
    assert "Your cart came along, with 2 pieces in it." in client.get("/welcome/").content.decode()


def test_the_cart_comes_along_when_one_signs_in_beside_what_was_there(client, ada, lamp, shoe):
    CartItem.objects.create(customer=ada, product=lamp, quantity=3)
    put(client, lamp, 1)
    put(client, shoe, 2)
    assert sign_in(client).url == "/"
    assert in_cart(client) == {"Lamp": 3, "Shoe": 2}
    client.post("/accounts/logout/")
    assert in_cart(client) == {}, "who comes next at this computer sees nothing of it"
    sign_in(client)
    assert in_cart(client) == {"Lamp": 3, "Shoe": 2}


def test_what_was_withdrawn_meanwhile_does_not_come_along(client, ada, lamp, shoe):
    put(client, lamp)
    put(client, shoe)
    Product.objects.filter(pk=lamp.pk).update(active=False)
    sign_in(client)
    assert in_cart(client) == {"Shoe": 1}


def test_what_was_looked_at_comes_along_too(client, ada, lamp, shoe):
    client.get(lamp.get_absolute_url())
    client.get(shoe.get_absolute_url())
    assert set(Event.objects.values_list("customer", flat=True)) == {""}
    sign_in(client)
    assert set(Event.objects.values_list("customer", "item")) == {("ada", "a/lamp"), ("ada", "shoe")}
    assert "recommender_viewed" not in client.session


def test_what_the_opted_out_looked_at_before_signing_in_stays_a_strangers(client, ada, lamp):
    Customer.objects.update(personalisation=False)
    client.get(lamp.get_absolute_url())
    sign_in(client)
    assert Event.objects.get().customer == ""
    assert "recommender_viewed" not in client.session


def test_another_visitors_traces_stay_theirs(client, ada, lamp):
    Client().get(lamp.get_absolute_url())
    client.get(lamp.get_absolute_url())
    sign_in(client)
    assert sorted(Event.objects.values_list("customer", flat=True)) == ["", "ada"]


# --- ordering ---------------------------------------------------------------------------------------------------------


def test_an_order_records_what_was_bought_and_empties_the_cart(client, ada, lamp, shoe):
    client.force_login(ada.user)
    put(client, lamp, 2)
    put(client, shoe)
    response = client.post("/cart/checkout/", order_form(client))
    bought = {purchase.product.name: purchase for purchase in Purchase.objects.all()}
    assert bought["Lamp"].amount == Decimal("19.00")
    assert (bought["Lamp"].quantity, bought["Lamp"].shipping_method, bought["Lamp"].customer) == (2, "Express", ada)
    assert bought["Lamp"].order == bought["Shoe"].order
    assert bought["Lamp"].time == bought["Shoe"].time
    assert response.url == f"/orders/{bought['Lamp'].order}/"
    page = client.get(response.url).content.decode()
    assert "Thank you. Your order is placed. Your list has changed." in page
    assert "$59.00" in page
    assert "Express shipping" in page
    assert in_cart(client) == {}


def test_the_opted_out_are_not_told_that_their_list_changed(client, ada, lamp):
    Customer.objects.update(personalisation=False)
    client.force_login(User.objects.get())
    put(client, lamp)
    response = client.post("/cart/checkout/", order_form(client))
    assert told(response)[-1] == "Thank you. Your order is placed."


def test_a_visitor_is_asked_to_sign_in_and_comes_back_to_the_cart(client, ada, lamp):
    put(client, lamp)
    page = client.get("/cart/").content.decode()
    assert "/accounts/login/?next=/cart/" in page
    assert "Place order" not in page
    assert client.post("/cart/checkout/", order_form(client)).url == "/accounts/login/?next=/cart/"
    assert not Purchase.objects.exists()


def test_an_order_sent_twice_is_one_order(client, ada, lamp):
    client.force_login(ada.user)
    put(client, lamp)
    form = order_form(client)
    first = client.post("/cart/checkout/", form)
    put(client, lamp, 5)
    second = client.post("/cart/checkout/", form)
    assert second.url == first.url
    assert told(second)[-1] == "Your order is placed."
    assert Purchase.objects.get().quantity == 1
    assert in_cart(client) == {"Lamp": 5}, "what was put in since waits for an order of its own"


def test_an_order_is_of_what_was_seen(client, ada, lamp, shoe):
    client.force_login(ada.user)
    put(client, lamp)
    seen = order_form(client)
    for change in (
        lambda: Product.objects.filter(pk=lamp.pk).update(price=99),
        lambda: put(client, shoe),
        lambda: client.post("/cart/", {f"quantity-{lamp.pk}": "2"}),
        lambda: Product.objects.filter(pk=shoe.pk).update(active=False),
    ):
        change()
        response = client.post("/cart/checkout/", seen)
        assert response.url == "/cart/"
        assert "Nothing was ordered: please look again." in told(response)[-1]
        seen = order_form(client)
    assert not Purchase.objects.exists()
    client.post("/cart/checkout/", seen)
    assert Purchase.objects.get().product == lamp
    assert in_cart(client) == {"Shoe": 1}, "what cannot be bought now stays"


@pytest.mark.parametrize("changes", [{"order": "1"}, {"order": ""}, {"seen": ""}, {"shipping_method": "By owl"}])
def test_a_broken_form_orders_nothing_and_says_so(client, ada, lamp, changes):
    client.force_login(ada.user)
    put(client, lamp)
    response = client.post("/cart/checkout/", order_form(client, **changes))
    assert told(response)[-1].startswith("Nothing was ordered")
    assert not Purchase.objects.exists()
    assert in_cart(client) == {"Lamp": 1}


def test_an_empty_cart_is_no_order(client, ada):
    client.force_login(ada.user)
    response = client.post("/cart/checkout/", order_form(client))
    assert told(response) == ["There is nothing in your cart to order."]


def test_a_product_without_a_price_is_ordered_for_an_unknown_amount(client, ada):
    client.force_login(ada.user)
    put(client, Product.objects.create(key="x", name="Free-form"))
    response = client.post("/cart/checkout/", order_form(client))
    assert Purchase.objects.get().amount is None
    assert client.get(response.url).status_code == 200


def test_staff_without_a_profile_get_one_with_the_first_thing_they_put_in(admin_client, lamp):
    for address in ("/", "/cart/", "/orders/", "/account/", "/welcome/", lamp.get_absolute_url()):
        assert admin_client.get(address).status_code == 200
    assert not Customer.objects.exists(), "reading makes nothing"
    put(admin_client, lamp)
    assert Customer.objects.get().user.username == "admin"


def test_an_order_is_its_customers_and_nobody_elses(client, ada, lamp):
    number = uuid.uuid4()
    Purchase.objects.create(customer=ada, product=lamp, order=number)
    client.force_login(User.objects.create_user("bob"))
    assert client.get(f"/orders/{number}/").status_code == 404
    # Nor does it stand in the way of an order that happens to have its number.
    put(client, lamp)
    client.post("/cart/checkout/", order_form(client, order=str(number)))
    assert Purchase.objects.filter(order=number).values("customer").distinct().count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite in memory has one connection")
def test_the_same_order_from_three_connections_at_once_is_placed_once(lamp, shoe):
    ada = Customer.objects.create(key="ada")
    for product in (lamp, shoe):
        CartItem.objects.create(customer=ada, product=product, quantity=2)
    order, seen = uuid.uuid4(), fingerprint(lines_of(ada))

    def send(number: int) -> bool:
        try:
            return check_out(customer=ada, order=order, seen=seen)[1]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(send, range(3))) == [False, False, True]
    assert Purchase.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite in memory has one connection")
def test_two_windows_that_order_the_same_cart_at_once_place_one_order(lamp):
    ada = Customer.objects.create(key="ada")
    CartItem.objects.create(customer=ada, product=lamp)
    seen = fingerprint(lines_of(ada))

    def send(number: int) -> bool:
        try:
            return check_out(customer=ada, order=uuid.uuid4(), seen=seen)[1]
        except OrderRefused:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(send, range(2))) == [False, True]
    assert Purchase.objects.count() == 1


def test_the_total_is_of_what_has_a_price_and_can_be_bought(ada, lamp, shoe):
    CartItem.objects.create(customer=ada, product=lamp, quantity=2)
    CartItem.objects.create(customer=ada, product=Product.objects.create(key="x", name="Free-form"))
    CartItem.objects.create(customer=ada, product=shoe)
    Product.objects.filter(pk=shoe.pk).update(active=False)
    assert total_of(lines_of(ada)) == Decimal("19.00")


# --- orders -----------------------------------------------------------------------------------------------------------


def test_what_was_bought_together_is_one_order_the_newest_first(client, ada, lamp, shoe):
    number = uuid.uuid4()
    for product in (lamp, shoe):
        Purchase.objects.create(customer=ada, product=product, order=number, time="2025-01-01T00:00Z")
    Purchase.objects.create(customer=ada, product=lamp, time="2024-01-01T00:00Z")
    Purchase.objects.create(customer=ada, product=shoe, time="2026-01-01T00:00Z")
    client.force_login(ada.user)
    response = client.get("/orders/")
    orders = response.context["orders"]
    assert [len(order.purchases) for order in orders] == [1, 2, 1]
    assert [order.number for order in orders] == [None, number, None]
    assert f'href="/orders/{number}/"' in response.content.decode()
