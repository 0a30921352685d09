"""Lists of what was bought before, in a shop whose customers come back for their staples."""

import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.bundle.standalone import StandaloneRecommender
from recommender.models import ModelVersion, Promotion
from recommender.serving import live as serving
from recommender.serving import make_list, recommend
from recommender.source.declaration import get_source
from recommender.training.export import export_snapshot
from tests.conftest import QUICK
from tests.recommender.serving.test_standalone import same_list

EVERY = timedelta(days=14)
LAST = 20  # days since the last order of everybody


@pytest.fixture
def staples(db, settings, tmp_path):
    """Forty customers with six orders two weeks apart: two staples of their own and one thing that they never buy
    again. The model that learned from them is live; the standalone that was opened from it is given back."""
    from recommender.engine.training.pipeline import build_bundle

    products = {f"S{n}": Product.objects.create(key=f"S{n}", name=f"Staple {n}") for n in range(8)}
    products |= {f"N{n}": Product.objects.create(key=f"N{n}", name=f"Novelty {n}") for n in range(24)}
    begin = timezone.now() - timedelta(days=LAST) - 5 * EVERY
    for c in range(40):
        customer = Customer.objects.create(key=f"C{c}", name=f"Customer {c}")
        for n in range(6):
            for key in (f"S{c % 8}", f"S{(c + 3) % 8}", f"N{(5 * c + n) % 24}"):
                time = begin + n * EVERY + timedelta(minutes=c)
                Purchase.objects.create(customer=customer, product=products[key], time=time)
    settings.BUNDLE_ROOT = tmp_path / "bundles"
    export_snapshot(source=get_source(), folder=tmp_path / "snapshot")
    build_bundle(tmp_path / "snapshot", settings.BUNDLE_ROOT / "v1", config=QUICK)
    Promotion.objects.create(version=ModelVersion.objects.create(name="v1"))
    serving.forget_live_state()
    return StandaloneRecommender.from_bundle(settings.BUNDLE_ROOT / "v1")


def keys(answer):
    return [listed.item for listed in answer.items]


def test_with_purchases_included_the_staples_come_first_as_in_the_standalone(staples):
    for customer in ("C0", "C7", "C22"):
        c = int(customer[1:])
        listed = recommend(customer=customer, count=20, exclude_purchased=False)
        assert set(keys(listed)[:2]) == {f"S{c % 8}", f"S{(c + 3) % 8}"}
        same_list(listed, staples.recommend_for_user(customer, top_k=20, exclude_purchased=False))
        hidden = recommend(customer=customer, count=20)
        assert not set(keys(hidden)) & set(keys(listed)[:2])


def test_pages_of_such_a_list_repeat_nothing(staples):
    whole = recommend(customer="C0", count=12, exclude_purchased=False)
    first = recommend(customer="C0", count=6, exclude_purchased=False)
    second = recommend(customer="C0", count=6, exclude_purchased=False, page_token=first.next_page_token)
    assert keys(first) + keys(second) == keys(whole)


def test_what_is_due_says_which_model_said_so(staples):
    assert make_list("buy_again", "C0").model_version == "v1"


def test_what_is_due_is_listed_until_it_is_bought_again(staples):
    due = make_list("buy_again", "C0")
    assert due.source == "buy_again"
    assert set(keys(due)[:2]) == {"S0", "S3"}
    assert set(keys(due)) <= {*(f"S{n}" for n in range(8)), *(f"N{n}" for n in range(24))}

    Purchase.objects.create(customer=Customer.objects.get(key="C0"), product=Product.objects.get(key="S0"))
    assert "S0" not in keys(make_list("buy_again", "C0")), "bought a moment ago"
    Product.objects.filter(key="S3").update(active=False)
    serving.forget_live_state()
    assert "S3" not in keys(make_list("buy_again", "C0"))


def test_a_list_of_what_is_due_holds_nothing_else(staples):
    for request, why in (({"about": "nobody"}, "unknown_customer"), ({"about": "new"}, "nothing_due")):
        if why == "nothing_due":
            Customer.objects.create(key="new")
        answer = make_list("buy_again", **request)
        assert (answer.items, answer.fallback_reason) == ((), why)
    Customer.objects.filter(key="C0").update(personalisation=False)
    answer = make_list("buy_again", "C0")
    assert (answer.items, answer.fallback_reason) == ((), "opted_out")


def test_before_any_model_nothing_is_due(stocked):
    answer = make_list("buy_again", "C0")
    assert (answer.items, answer.fallback_reason) == ((), "no_model")


def test_where_nobody_buys_anything_twice_the_list_is_empty_and_the_page_shows_nothing_of_it(trained, client):
    answer = make_list("buy_again", "C0")
    assert (answer.items, answer.fallback_reason) == ((), "nothing_due")
    from django.contrib.auth.models import User

    user = User.objects.create_user("ada")
    Customer.objects.filter(key="C0").update(user=user)
    client.force_login(user)
    assert "Buy again" not in client.get("/").content.decode()


def test_the_page_of_a_customer_shows_what_is_due(staples, client):
    from django.contrib.auth.models import User

    user = User.objects.create_user("ada")
    Customer.objects.filter(key="C0").update(user=user)
    assert "Buy again" not in client.get("/").content.decode(), "nothing for a stranger"
    client.force_login(user)
    page = client.get("/").content.decode()
    shown = page[page.index("Buy again") :]
    assert "Staple 0" in shown
    address = re.search(r'/recommendations/S0/why/\?[^"]*buy_again[^"]*', shown)[0].replace("&amp;", "&")
    assert "may need it again" in client.get(address).content.decode()


def test_the_command_and_the_api_list_what_is_due(staples, api_key, capsys):
    answer = api_key.get("/api/v1/recommendations/buy-again/", {"customer": "C0", "count": 2}).json()
    assert {listed["item"] for listed in answer["items"]} == {"S0", "S3"}
    assert answer["source"] == "buy_again"
    call_command("recommend", "--kind", "buy_again", "--customer", "C0")
    assert "S0" in capsys.readouterr().out
