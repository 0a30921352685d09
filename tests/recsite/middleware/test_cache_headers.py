"""Nobody gets what was made for somebody else, whatever cache lies in between."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.template import Context, Template

from customers.models import Customer
from recommender.models import ServedList

PERSONAL = ["/", "/products/", "/products/P1/", "/cart/", "/orders/", "/account/", "/welcome/", "/accounts/signup/"]


@pytest.fixture
def two_customers(trained):
    return [
        Customer.objects.filter(key=key).update(user=User.objects.create_user(key)) and Customer.objects.get(key=key)
        for key in ("C0", "C2")
    ]


@pytest.mark.parametrize("address", PERSONAL)
def test_no_shared_cache_keeps_a_page(stocked, client, address):
    user = User.objects.create_user("ada")
    for signed_in in (False, True):
        if signed_in:
            client.force_login(user)
        answer = client.get(address)
        assert "private" in answer.headers["Cache-Control"], address
        assert "no-cache" in answer.headers["Cache-Control"]
        assert "Cookie" in answer.headers["Vary"]


def test_no_shared_cache_keeps_an_answer_of_the_api_nor_an_error(stocked, client):
    for answer in (
        client.post("/api/v1/recommendations/", {}, content_type="application/json"),
        client.get("/api/v1/recommendations/recently-viewed/"),
        client.get("/no-such-page/"),
    ):
        assert "private" in answer.headers["Cache-Control"]


def test_what_a_view_says_itself_holds(client, db):
    assert "no-store" in client.get("/health/live").headers["Cache-Control"]


def test_two_customers_on_one_computer_see_their_own_lists(two_customers, client):
    seen = []
    for customer in (*two_customers, *two_customers):
        client.force_login(customer.user)
        page = client.get("/").content.decode()
        lists = ServedList.objects.filter(pk__in=re.findall(r'data-recommendation="([^"]+)"', page))
        assert set(lists.values_list("customer", flat=True)) == {customer.key}
        seen.append([each.items for each in lists.filter(scenario="home")])
        client.logout()
        assert ">Popular now</h2>" in client.get("/").content.decode()
    assert seen[0] == seen[2] != seen[1] == seen[3]


def test_a_fragment_is_kept_apart_by_whom_it_is_for(two_customers, rf):
    """As docs/plugging_in.md says to do it."""
    page = Template(
        "{% load cache recommendations %}{% list_for for=customer as whose %}"
        "{% cache 60 for_you whose %}{% recommendations for=customer count=3 %}{% endcache %}"
    )

    def show(customer):
        return page.render(Context({"customer": customer}))

    cache.clear()
    first, second = two_customers
    kept = show(first)
    assert show(second) != kept
    assert show(first) == kept, "from the cache: a new list would have a new id"
    Customer.objects.filter(pk=first.pk).update(personalisation=False)
    assert "personalisation is off" in show(first), "consent taken back holds at once"
