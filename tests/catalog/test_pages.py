"""The shop's window, as a visitor sees it."""

import pytest
from django.urls import reverse

from catalog.models import Product
from catalog.templatetags.catalog import hue, initial, money, stars
from customers.models import Customer, Purchase
from recommender.models import Event

pytestmark = pytest.mark.django_db


def shelf(*names, **fields):
    return [Product.objects.create(key=f"K{n}", name=name, **fields) for n, name in enumerate(names)]


def names_on(response):
    return [product.name for product in response.context["page"]]


def test_home_opens_on_an_empty_shop(client):
    response = client.get("/")
    assert response.status_code == 200
    assert "Sign up" in response.content.decode()
    assert "The shelves are empty" in response.content.decode()


def test_an_empty_shop_says_so_and_shows_staff_the_way(client, admin_client):
    assert "The shelves are empty" in client.get("/products/").content.decode()
    assert "Add or import some" in admin_client.get("/products/").content.decode()


def test_search_finds_products_that_hold_every_word_in_any_field(client):
    shelf("Trail shoe", "Rain jacket", brand="Stride")
    Product.objects.create(key="X", name="Trail mix", brand="Nutty", category="Food")
    assert names_on(client.get("/products/?q=trail")) == ["Trail mix", "Trail shoe"]
    assert names_on(client.get("/products/?q=stride+trail")) == ["Trail shoe"]
    assert names_on(client.get("/products/?q=food")) == ["Trail mix"]


def test_search_finds_a_product_by_its_whole_key(client):
    Product.objects.create(key="SKU/77", name="Lamp")
    assert names_on(client.get("/products/", {"q": "SKU/77"})) == ["Lamp"]


def test_filters_narrow_and_brands_follow_the_category(client):
    Product.objects.create(key="1", name="Shoe", category="Running", brand="Stride")
    Product.objects.create(key="2", name="Pan", category="Kitchen", brand="Nord")
    response = client.get("/products/?category=Kitchen")
    assert names_on(response) == ["Pan"]
    assert [choice.value for choice in response.context["brands"]] == ["Nord"]
    assert {choice.value for choice in response.context["categories"]} == {"Kitchen", "Running"}


def test_a_search_without_results_offers_ways_out(client):
    shelf("Shoe", "Boot", category="Running", brand="Stride")
    page = client.get("/products/?q=zebra&brand=Stride&min_price=5&ordering=price").content.decode()
    assert "Nothing fits" in page
    page = client.get("/products/?q=shoe&brand=Stride&min_price=5").content.decode()
    assert '<a href="/products/?q=shoe&amp;brand=Stride">Without the price</a>: 1 product<' in page
    assert "Without the words" not in page, "that would find nothing, either"
    page = client.get("/products/?q=stirde").content.decode()
    assert 'Did you mean <a href="/products/?q=Stride">Stride</a>?' in page


def test_products_are_found_by_price_and_by_what_people_gave_them(client):
    cheap, dear, unrated = shelf("Cheap", "Dear", "Unrated")
    for product, price, ratings in ((cheap, 5, [2, 3]), (dear, 50, [4, 5, None]), (unrated, 20, [None])):
        Product.objects.filter(pk=product.pk).update(price=price)
        for n, rating in enumerate(ratings):
            customer = Customer.objects.get_or_create(key=f"c{n}")[0]
            Purchase.objects.create(customer=customer, product=product, rating=rating)
    assert names_on(client.get("/products/?min_price=10&max_price=30")) == ["Unrated"]
    assert names_on(client.get("/products/?min_rating=4")) == ["Dear"]
    assert names_on(client.get("/products/?min_rating=2.5")) == ["Cheap", "Dear"]
    assert names_on(client.get("/products/?ordering=-rating")) == ["Dear", "Unrated", "Cheap"]
    page = client.get("/products/?min_rating=4").content.decode()
    assert 'aria-label="4.5 out of 5"' in page
    assert '<option value="4" selected>' in page
    page = client.get("/products/?min_rating=4.50").content.decode()
    assert '<option value="4.5" selected>4.5 and up</option>' in page


def test_one_high_rating_does_not_lead_the_best_rated(client):
    once, often = shelf("Once", "Often")
    people = Customer.objects.bulk_create(Customer(key=f"c{n}") for n in range(20))
    Purchase.objects.create(customer=people[0], product=once, rating=5)
    Purchase.objects.bulk_create(Purchase(customer=customer, product=often, rating="4.5") for customer in people)
    assert names_on(client.get("/products/?ordering=-rating")) == ["Often", "Once"]


def test_a_senseless_filter_is_said_and_left_out(client):
    shelf("Shoe")
    response = client.get("/products/?min_price=cheap&ordering=nonsense&page=ninety")
    assert response.status_code == 200
    assert "Lowest price: Enter a number." in response.content.decode()
    assert names_on(response) == ["Shoe"]


@pytest.mark.parametrize("field", ["q", "category", "brand"])
def test_a_null_character_in_the_address_is_no_server_error(client, field):
    shelf("Shoe")
    assert client.get("/products/", {field: "a\x00b"}).status_code == 200


def test_pages_keep_the_search(client):
    shelf(*[f"Shoe {n:02}" for n in range(30)], category="Running")
    first = client.get("/products/?category=Running")
    assert len(names_on(first)) == 24
    assert "?category=Running&amp;page=2" in first.content.decode()
    assert len(names_on(client.get("/products/?category=Running&page=2"))) == 6


def test_equal_prices_do_not_put_a_product_on_two_pages(client):
    shelf(*[f"Shoe {n:02}" for n in range(30)], price=5)
    seen = [name for page in (1, 2) for name in names_on(client.get(f"/products/?ordering=price&page={page}"))]
    assert len(set(seen)) == 30


def test_the_list_does_not_ask_the_database_once_a_product(client, django_assert_max_num_queries):
    shelf(*[f"Shoe {n:02}" for n in range(24)], category="Running", brand="Stride")
    with django_assert_max_num_queries(6):  # ratings among them
        client.get("/products/")


@pytest.mark.parametrize(
    "key", ["plain", "with space", "a/b/c", "50% & more?#x", "naïve-名前", "/leading", "trailing/"]
)
def test_a_product_page_opens_whatever_its_key(client, key):
    product = Product.objects.create(key=key, name="Thing")
    response = client.get(product.get_absolute_url())
    assert response.status_code == 200
    assert response.context["product"] == product


def test_a_product_page_tells_price_description_and_what_others_thought(client):
    product = Product.objects.create(key="P", name="Lamp", price="1234.5", description="Made of brass.")
    for n, rating in enumerate([4, 5, None]):
        Purchase.objects.create(customer=Customer.objects.create(key=f"C{n}"), product=product, rating=rating)
    page = client.get(product.get_absolute_url()).content.decode()
    assert "$1,234.50" in page
    assert "Made of brass." in page
    assert "from 2 ratings" in page
    assert 'aria-label="4.5 out of 5"' in page


def test_a_product_page_is_on_record_as_looked_at(client):
    product = Product.objects.create(key="P", name="Lamp")
    client.get(product.get_absolute_url())
    view = Event.objects.get()
    assert (view.kind, view.item, view.customer) == ("view", "P", "")
    assert view.session == client.session.session_key


def test_a_product_nobody_rated_says_so(client):
    page = client.get(Product.objects.create(key="P", name="Lamp").get_absolute_url()).content.decode()
    assert "Nobody has rated it yet" in page


def test_a_withdrawn_product_is_not_found_anywhere(client):
    product = Product.objects.create(key="P", name="Lamp", active=False)
    assert client.get(product.get_absolute_url()).status_code == 404
    assert names_on(client.get("/products/")) == []


def test_product_names_are_text_not_markup(client):
    shelf("<script>alert(1)</script>", category="<b>x</b>")
    page = client.get("/products/").content.decode()
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page


def test_the_not_found_page_leads_back(client):
    response = client.get("/no-such-page/")
    assert response.status_code == 404
    assert reverse("products") in response.content.decode()


def test_pages_load_nothing_from_elsewhere(client):
    shelf("Shoe")
    for address in ("/", "/products/", "/products/K0/", "/accounts/login/", "/accounts/signup/"):
        page = client.get(address).content.decode()
        assert "//cdn" not in page
        assert 'src="http' not in page
        assert 'href="http' not in page


def test_prices_stars_and_tiles():
    assert money(None) == ""
    assert money(0) == "$0.00"
    assert stars(None) is None
    assert stars(3.7) == ("3.7 out of 5", ["full", "full", "full", "half", "none"])
    assert stars(5).shapes == ["full"] * 5
    assert initial("“éclair”") == "É"
    assert initial("...") == "?"
    assert hue("Books") == hue("Books")
