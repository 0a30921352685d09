"""A visitor looks around, chooses, signs up, buys and rates: a real browser, phone and desktop, script or none."""

import re
import uuid

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from catalog.models import Product
from customers.models import CartItem, Customer, Purchase
from tests.browser.conftest import WIDTHS
from tests.browser.looks import follow, looks_right, picture
from tests.shop import category_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "correct-horse-9"


def keys_in(section) -> list[str]:
    links = section.locator("h3").locator("xpath=..").all()
    return [re.search(r"/products/([^/]+)/", link.get_attribute("href"))[1] for link in links]


def list_called(page, title: str):
    return page.locator(".rec-list").filter(has=page.get_by_role("heading", name=title, exact=False))


def put_in_cart(page, key: str) -> None:
    page.goto(f"/products/{key}/")
    page.locator(".product").get_by_role("button", name="Add to cart").click()
    page.get_by_text("is in your cart.").wait_for()


def sign_in(page, customer: Customer) -> None:
    customer.user.set_password(PASSWORD)
    customer.user.save()
    page.goto("/accounts/login/")
    page.get_by_label("Username or email").fill(customer.user.username)
    page.get_by_label("Password").fill(PASSWORD)
    follow(page.get_by_role("main").get_by_role("button", name="Sign in"))
    page.get_by_text("Sign out").wait_for()


@pytest.fixture
def gardener(trained) -> Customer:
    """C3, whom the planted shop gave a history."""
    customer = Customer.objects.get(key="C3")
    customer.user = User.objects.create_user("gus")
    customer.save()
    return customer


def test_what_a_visitor_looked_at_and_chose_comes_along_to_an_order(page, trained):
    page.goto("/")
    assert list_called(page, "Popular now").count() == 1
    for key in ("P3", "P7", "P11"):
        page.goto(f"/products/{key}/")
    page.goto("/")
    assert keys_in(list_called(page, "Recently viewed")) == ["P11", "P7", "P3"]
    mine = list_called(page, "For you")
    assert "Because you looked at Garden thing" in mine.inner_text()
    picture(page, "home-session")

    # From a card, without leaving the page.
    page.evaluate("window.neverReloaded = true")
    chosen = keys_in(mine)[0]
    mine.get_by_role("button", name="Add to cart").first.click()
    page.get_by_text("is in your cart.").wait_for()
    assert page.get_by_role("link", name="Cart 1").count() == 1
    assert page.evaluate("window.neverReloaded") is True

    follow(page.get_by_role("link", name="Cart"))
    assert page.get_by_role("heading", name="Goes with your cart").count() == 1
    follow(page.get_by_role("main").get_by_role("link", name="Sign up"))
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    follow(page.get_by_role("main").get_by_role("button", name="Sign up"))
    page.wait_for_url("**/welcome/")
    follow(page.get_by_role("link", name="Go to your cart"))

    quantity = page.get_by_label("Quantity of")
    quantity.fill("3")
    quantity.press("Tab")
    page.get_by_text("3 pieces").wait_for()
    page.get_by_label("Shipping method").select_option("Express")
    page.get_by_role("button", name="Place order").click()
    page.get_by_text("Your order is placed").wait_for()
    bought = Purchase.objects.get(customer__user__username="ada")
    assert (bought.product.key, bought.quantity, bought.shipping_method) == (chosen, 3, "Express")
    looks_right(page, "order")
    page.get_by_role("button", name="4 out of 5").click()
    page.get_by_text("You rated").wait_for()
    bought.refresh_from_db()
    assert bought.rating == 4

    page.goto("/")
    assert "Because you bought" in page.inner_text("main")
    assert chosen not in keys_in(list_called(page, "For you"))
    assert category_of(keys_in(list_called(page, "For you"))[0]) == category_of(chosen)
    assert page.get_by_role("link", name="Cart 1").count() == 0


def test_a_cart_is_changed_and_orders_only_what_was_seen(page, gardener):
    sign_in(page, gardener)
    put_in_cart(page, "P1")
    put_in_cart(page, "P2")
    page.goto("/cart/")
    Product.objects.filter(key="P1").update(price=99)
    Product.objects.filter(key="P2").update(active=False)
    page.get_by_role("button", name="Place order").click()
    page.get_by_text("Nothing was ordered").wait_for()
    assert page.get_by_text("it was $11.00 when you put it in").count() == 1
    assert page.get_by_text("No longer for sale").count() == 1
    looks_right(page, "cart-changed")
    page.get_by_role("button", name="Remove Kitchen thing 2").or_(
        page.get_by_role("button", name="Remove")
    ).last.click()
    page.get_by_text("No longer for sale").wait_for(state="detached")
    page.get_by_role("button", name="Place order").dblclick()
    page.get_by_text("Your order is placed").wait_for()
    assert Purchase.objects.filter(customer=gardener, order__isnull=False).count() == 1
    page.goto("/cart/")
    page.get_by_text("Your cart is empty").wait_for()
    looks_right(page, "cart-empty")


@pytest.fixture
def slow(page):
    """Every answer comes half a second late, as over a telephone."""
    conditions = {"offline": False, "latency": 500, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", conditions)


def test_quantities_changed_faster_than_the_shop_answers_all_count(page, gardener, slow):
    sign_in(page, gardener)
    put_in_cart(page, "P1")
    put_in_cart(page, "P2")
    page.goto("/cart/")
    page.get_by_label("Quantity of").first.fill("2")
    page.get_by_label("Quantity of").last.fill("3")
    page.get_by_label("Quantity of").last.press("Tab")
    page.get_by_text("5 pieces").wait_for()


def test_ratings_given_faster_than_the_shop_answers_all_show(page, gardener, slow):
    sign_in(page, gardener)
    order = uuid.uuid4()
    for key in ("P6", "P9"):
        Purchase.objects.create(customer=gardener, product=Product.objects.get(key=key), order=order, amount=20)
    page.goto(f"/orders/{order}/")
    with page.expect_request(lambda request: request.method == "GET" and str(order) in request.url):
        page.get_by_role("button", name="4 out of 5").first.click()
    page.wait_for_timeout(250)  # The page with the first rating is made, and on its way.
    page.get_by_role("button", name="2 out of 5").last.click()
    page.locator(".given-rating", has_text="4").wait_for()
    page.locator(".given-rating", has_text="2").wait_for()
    assert set(Purchase.objects.filter(order=order).values_list("rating", flat=True)) == {4, 2}


def test_a_message_is_seen_where_something_was_clicked_and_moves_nothing(page, gardener):
    sign_in(page, gardener)
    order = uuid.uuid4()
    for number in range(20):
        product = Product.objects.get(key=f"P{number}")
        Purchase.objects.create(customer=gardener, product=product, order=order, amount=20)
    page.goto(f"/orders/{order}/")
    star = page.get_by_role("button", name="4 out of 5").last
    star.scroll_into_view_if_needed()
    row = page.locator(".rate").last
    before = row.bounding_box()["y"]
    star.click()
    said = page.locator("#messages .message")
    said.wait_for()
    box = said.bounding_box()
    assert 0 <= box["y"] < box["y"] + box["height"] < page.viewport_size["height"]
    assert abs(row.bounding_box()["y"] - before) < 2


def test_a_search_lives_in_the_address(page, trained):
    page.goto("/products/")
    page.get_by_label("Category").select_option("Garden")
    page.wait_for_url("**category=Garden**")
    page.get_by_text("12 products").wait_for()
    page.get_by_label("Lowest price").fill("30")
    page.get_by_label("Lowest price").press("Tab")
    page.wait_for_url("**min_price=30**")
    page.get_by_label("Order").select_option("-price")
    page.wait_for_url("**ordering=-price**")
    page.reload()
    assert page.get_by_label("Category").input_value() == "Garden"
    assert page.get_by_label("Lowest price").input_value() == "30"
    names = page.locator(".card h3").all_inner_texts()
    assert names == ["Garden thing " + str(n) for n in range(47, 19, -4)]
    looks_right(page, "search")
    page.go_back()
    page.wait_for_function("document.getElementById('ordering').value === ''")
    assert "ordering=-price" not in page.url
    page.get_by_label("Lowest price").fill("3000")
    page.get_by_label("Lowest price").press("Tab")
    page.get_by_text("Nothing fits").wait_for()
    assert page.get_by_role("heading", name="What others buy").count() == 1
    looks_right(page, "search-nothing")
    page.get_by_role("link", name="Without the price").click()
    page.get_by_text("12 products").first.wait_for()
    page.goto("/products/?q=gardne")
    page.get_by_role("link", name="Garden", exact=True).click()
    page.get_by_text("12 products").wait_for()


def test_filters_changed_faster_than_the_shop_answers_all_count(page, trained, slow):
    page.goto("/products/")
    page.get_by_label("Category").select_option("Garden")
    page.get_by_label("Lowest price").fill("30")
    page.get_by_label("Order").select_option("-price")
    page.wait_for_url("**ordering=-price**")
    page.get_by_text("7 products").wait_for()
    assert page.locator(".card h3").all_inner_texts() == ["Garden thing " + str(n) for n in range(47, 19, -4)]
    assert page.get_by_label("Category").input_value() == "Garden"
    assert page.get_by_label("Lowest price").input_value() == "30"


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_works_without_a_script(chromium, live_server, settings, gardener, width):
    settings.DEBUG = False
    viewport = {"width": WIDTHS[width], "height": 860}
    context = chromium.new_context(viewport=viewport, base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(15_000)
    sign_in(page, gardener)
    page.get_by_label("Search products").fill("running thing 4")
    follow(page.get_by_role("button", name="Search"))
    page.get_by_label("Highest price").fill("60")
    page.get_by_label("Rating").select_option("4")
    follow(page.get_by_role("main").get_by_role("button", name="Show"))
    assert "max_price=60" in page.url
    page.goto("/products/P1/")
    page.get_by_label("Quantity").fill("2")
    follow(page.locator(".product").get_by_role("button", name="Add to cart"))
    page.get_by_text("is in your cart.").wait_for()
    page.goto("/products/P2/")
    follow(page.locator(".product").get_by_role("button", name="Add to cart"))
    page.goto("/cart/")
    page.get_by_label("Quantity of").first.fill("5")
    follow(page.get_by_role("button", name="Update quantities"))
    assert page.get_by_text("6 pieces").count() == 1
    follow(page.get_by_role("button", name="Remove").last)
    assert page.get_by_text("5 pieces").count() == 1
    picture(page, "cart-no-script")
    follow(page.get_by_role("button", name="Place order"))
    page.get_by_text("Your order is placed").wait_for()
    follow(page.get_by_role("button", name="5 out of 5"))
    page.get_by_text("You rated").wait_for()
    assert Purchase.objects.get(customer=gardener, order__isnull=False).rating == 5
    context.close()


def test_every_page_of_a_customer_reads_well(page, gardener):
    sign_in(page, gardener)
    put_in_cart(page, "P1")
    put_in_cart(page, "P4")
    order = uuid.uuid4()
    for key in ("P6", "P9"):
        Purchase.objects.create(customer=gardener, product=Product.objects.get(key=key), order=order, amount=20)
    for name, address in (
        ("home", "/"),
        ("products", "/products/"),
        ("product", "/products/P1/"),
        ("product-bought", "/products/P6/"),
        ("cart", "/cart/"),
        ("orders", "/orders/"),
        ("order-of-two", f"/orders/{order}/"),
        ("welcome", "/welcome/"),
        ("account", "/account/"),
        ("password", "/accounts/password/change/"),
        ("email", "/accounts/email/"),
        ("logout", "/accounts/logout/"),
        ("tokens", "/account/tokens/"),
        ("second-factor", "/accounts/2fa/"),
        ("passkeys", "/accounts/2fa/webauthn/"),
    ):
        assert page.goto(address).status == 200
        looks_right(page, name)
    assert page.goto("/orders/1/").status == 404
    looks_right(page, "404")
    Customer.objects.update(personalisation=False)
    page.goto("/")
    looks_right(page, "home-opted-out")


@pytest.mark.parametrize("language", ["de", "fr"])
def test_longer_words_of_another_language_fit(page, stocked, language):
    page.context.set_extra_http_headers({"Accept-Language": language})
    for name, address in (("home", "/"), ("product", "/products/P1/"), ("products", "/products/"), ("cart", "/cart/")):
        page.goto(address)
        assert page.locator("html").get_attribute("lang") == language
        looks_right(page, f"{name}-{language}")
        cut = """cards => cards.flatMap(card => [...card.querySelectorAll('.button')].filter(button => {
            const inner = button.getBoundingClientRect(), outer = card.getBoundingClientRect()
            return inner.right > outer.right || inner.left < outer.left || button.scrollWidth > button.clientWidth + 1
        }).map(button => button.innerText))"""
        assert page.locator(".card").evaluate_all(cut) == []


def test_every_page_of_a_visitor_reads_well(page, stocked):
    """And before there is a model."""
    for name, address in (
        ("visitor-home-no-model", "/"),
        ("visitor-product", "/products/P1/"),
        ("visitor-cart-empty", "/cart/"),
        ("signup", "/accounts/signup/"),
        ("login", "/accounts/login/"),
        ("password-reset", "/accounts/password/reset/"),
        ("password-reset-sent", "/accounts/password/reset/done/"),
        ("password-reset-old-link", "/accounts/password/reset/key/1-old/"),
        ("password-reset-over", "/accounts/password/reset/key/done/"),
        ("confirm-old-link", "/accounts/confirm-email/old/"),
        ("confirm-sent", "/accounts/confirm-email/"),
        ("switched-off", "/accounts/inactive/"),
    ):
        assert page.goto(address).status == 200
        looks_right(page, name)
    put_in_cart(page, "P1")
    page.goto("/cart/")
    looks_right(page, "visitor-cart")
    page.goto("/accounts/signup/")
    page.get_by_label("Username").fill("a b")
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_label("Password (again)").fill("other")
    follow(page.get_by_role("main").get_by_role("button", name="Sign up"))
    page.locator(".errorlist").first.wait_for()
    looks_right(page, "signup-wrong")
    CartItem.objects.all().delete()
    Purchase.objects.all().delete()
    Product.objects.all().delete()
    page.goto("/")
    page.get_by_text("The shelves are empty").wait_for()
    looks_right(page, "visitor-home-empty")


def test_pages_of_refusal_read_well(page, db, settings):
    settings.ROOT_URLCONF = "tests.browser.refusals"
    for name in ("400", "403", "413", "429", "500"):
        page.goto(f"/refused/{name}/")
        assert page.get_by_role("link", name="Go home").count() == 1
        looks_right(page, name)
    page.goto("/accounts/login/")
    page.context.clear_cookies()
    page.get_by_label("Username or email").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    follow(page.get_by_role("main").get_by_role("button", name="Sign in"))
    page.get_by_text("Please send that again").wait_for()
    looks_right(page, "403-csrf")
    cache.clear()
    for _ in range(6):
        page.goto("/accounts/login/")
        page.get_by_label("Username or email").fill("ada")
        page.get_by_label("Password").fill("wrong")
        follow(page.get_by_role("main").get_by_role("button", name="Sign in"))
    looks_right(page, "login-refused")
