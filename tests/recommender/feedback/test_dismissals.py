"""Not interested: what somebody dismissed is in none of their lists, whichever door they come through."""

import pytest
from django.contrib.auth.models import Permission, User
from django.template import Context, Template
from knox.models import AuthToken
from rest_framework.test import APIClient

from catalog.models import Product
from customers.models import Customer
from recommender import serving
from recommender.errors import RecommendationError
from recommender.feedback import dismissals
from recommender.models import Dismissal, Event
from tests.recommender import lists
from tests.shop import PRODUCTS


def keys(answer) -> list[str]:
    return [item.item for item in answer.items]


@pytest.fixture
def ada(trained):
    """The planted customer C2, who can sign in."""
    user = User.objects.create_user("ada", password="correct-horse-9")
    Customer.objects.filter(key="C2").update(user=user)
    return user


@pytest.fixture
def ada_here(client, ada):
    client.force_login(ada)
    return client


@pytest.mark.parametrize("learnable", [True, False], ids=["personal", "opted out"])
def test_no_list_of_a_customer_holds_what_they_dismissed(trained, learnable):
    Customer.objects.filter(key="C2").update(personalisation=learnable)
    for key in ("P0", "P4", "P5"):
        Event.objects.create(kind="view", item=key, customer="C2")
    doors = [
        lambda n: serving.recommend(customer="C2", count=n),
        lambda n: lists.cart(["P1"], n, customer="C2"),
        lambda n: lists.popular(n, customer="C2"),
        lambda n: lists.trending(n, customer="C2"),
        lambda n: lists.similar("P1", n, customer="C2"),
        lambda n: lists.bought_together("P1", n, customer="C2"),
        lambda n: lists.also_viewed("P1", n, customer="C2"),
        lambda n: lists.recently_viewed((), n, customer="C2"),
        lambda n: lists.because_you_bought("C2", n),
    ]
    for door in doors:
        before = keys(door(100))
        for key in before[:2]:
            dismissals.dismiss(customer="C2", item=key)
        assert keys(door(100)) == before[2:]
        Dismissal.objects.all().delete()


def test_another_customer_is_shown_it_all_the_same(trained):
    first = keys(serving.recommend(customer="C6", count=1))[0]
    dismissals.dismiss(customer="C2", item=first)
    assert keys(serving.recommend(customer="C6", count=1)) == [first]


def test_said_twice_it_is_kept_once_and_taken_back_once(trained):
    for _ in range(2):
        dismissals.dismiss(customer="C2", item="P1")
    assert dismissals.dismissals_of_customer("C2") == ["P1"]
    assert dismissals.undo_dismissal(customer="C2", item="P1") is True
    assert dismissals.undo_dismissal(customer="C2", item="P1") is False
    assert dismissals.dismissals_of_customer("C2") == []


def test_nobody_dismisses_what_is_not_there(trained):
    with pytest.raises(RecommendationError, match="There is no item 'P999'"):
        dismissals.dismiss(customer="C2", item="P999")
    with pytest.raises(RecommendationError, match="There is no customer 'nobody'"):
        dismissals.dismiss(customer="nobody", item="P1")


# --- pages ------------------------------------------------------------------------------------------------------------


def test_the_button_on_a_card_works_without_a_script(ada_here):
    page = ada_here.get("/").content.decode()
    first = page.split('data-recommendation="')[1].split("/products/")[1].split("/")[0]
    address = f"/recommendations/{first}/not-interested/"
    assert f'action="{address}"' in page
    done = ada_here.post(address, {"next": "/?from=card"}, follow=True)
    assert done.redirect_chain == [("/?from=card", 302)]
    after = done.content.decode()
    assert "will not be shown to you again" in after
    assert f"/products/{first}/" not in after
    assert Product.objects.get(key=first).name in ada_here.get("/recommendations/not-interested/").content.decode()
    ada_here.post(f"/recommendations/{first}/take-back/")
    assert f"/products/{first}/" in ada_here.get("/").content.decode()


def test_htmx_gets_a_line_that_takes_it_back(ada_here):
    line = ada_here.post("/recommendations/P1/not-interested/", {"next": "/"}, headers={"HX-Request": "true"})
    assert line.status_code == 200
    assert b"<html" not in line.content
    assert b'hx-post="/recommendations/P1/take-back/"' in line.content
    back = ada_here.post("/recommendations/P1/take-back/", {"next": "/"}, headers={"HX-Request": "true"})
    assert back.headers["HX-Redirect"] == "/"
    assert not Dismissal.objects.exists()


def test_a_visitors_session_remembers_and_every_tag_follows(client, trained):
    tags = [
        "{% recommendations count=60 %}",
        "{% popular_items count=60 %}",
        "{% trending_items count=60 %}",
        '{% similar_items item="P1" count=60 %}',
        '{% bought_together item="P1" count=60 %}',
        '{% goes_with_cart items="P1"|make_list count=60 %}',
    ]
    client.post("/recommendations/P5/not-interested/")
    request = client.get("/recommendations/not-interested/").wsgi_request
    for tag in tags:
        html = Template("{% load recommendations %}" + tag).render(Context({"request": request, "user": request.user}))
        assert "/products/P5/" not in html, tag
    assert not Dismissal.objects.exists(), "a visitor is no customer"


def test_what_a_visitor_dismissed_comes_along_when_they_sign_in(client, ada):
    client.post("/recommendations/P5/not-interested/")
    client.post("/accounts/login/", {"login": "ada", "password": "correct-horse-9"})
    assert dismissals.dismissals_of_customer("C2") == ["P5"]
    assert "recommender_dismissed" not in client.session


def test_what_a_visitor_dismissed_comes_along_when_they_sign_up(client, trained):
    client.post("/recommendations/P5/not-interested/")
    told = {"username": "eve", "password1": "correct-horse-9", "password2": "correct-horse-9", "gender": "F"}
    client.post("/accounts/signup/", told)
    assert dismissals.dismissals_of_customer(Customer.objects.get(user__username="eve").key) == ["P5"]


def test_a_link_dismisses_nothing_and_a_form_needs_its_token(ada):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    assert strict.get("/recommendations/P1/not-interested/").status_code == 405
    assert strict.post("/recommendations/P1/not-interested/").status_code == 403
    assert not Dismissal.objects.exists()


def test_what_is_not_there_cannot_be_dismissed_and_nobody_is_sent_to_another_site(ada_here):
    assert ada_here.post("/recommendations/P999/not-interested/").status_code == 404
    assert ada_here.post("/recommendations/P1/not-interested/", {"next": "https://evil.example/"}).url == "/"


def test_the_list_of_what_one_dismissed_comes_in_pages_and_keeps_what_is_gone(ada_here):
    assert "You have turned nothing down" in ada_here.get("/recommendations/not-interested/").content.decode()
    Dismissal.objects.bulk_create(Dismissal(customer="C2", item=f"P{n}") for n in range(PRODUCTS))
    Dismissal.objects.create(customer="C2", item="withdrawn")
    first = ada_here.get("/recommendations/not-interested/").content.decode()
    assert "withdrawn" in first
    assert "?page=2" in first


# --- API --------------------------------------------------------------------------------------------------------------


def test_the_api_dismisses_lists_and_takes_back(ada):
    client = APIClient()
    client.force_login(ada)
    assert client.post("/api/v1/dismissals/", {"item": "P5"}).status_code == 201
    assert client.get("/api/v1/dismissals/").json() == [{"item": "P5"}]
    listed = client.post("/api/v1/recommendations/", {"count": 100}).json()["items"]
    assert "P5" not in {row["item"] for row in listed}
    for address in ("popular/", "trending/"):
        rows = client.get(f"/api/v1/recommendations/{address}?count=100").json()["items"]
        assert "P5" not in {row["item"] for row in rows}
    assert client.delete("/api/v1/dismissals/P5/").status_code == 204
    assert client.delete("/api/v1/dismissals/P5/").status_code == 404
    assert client.get("/api/v1/dismissals/").json() == []


def test_the_api_lets_nobody_dismiss_for_another_but_an_api_key(ada):
    client = APIClient()
    assert client.post("/api/v1/dismissals/", {"customer": "C2", "item": "P5"}).status_code == 401
    client.force_login(User.objects.create_user("bob"))
    assert client.post("/api/v1/dismissals/", {"customer": "C2", "item": "P5"}).status_code == 403
    assert client.get("/api/v1/dismissals/?customer=C2").status_code == 403
    assert client.get("/api/v1/products/P1/similar/?customer=C2").status_code == 403
    crm = User.objects.create_user("crm")
    crm.user_permissions.add(Permission.objects.get(codename="recommend_for_anyone"))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {AuthToken.objects.create(crm)[1]}")
    assert client.post("/api/v1/dismissals/", {"customer": "C2", "item": "P5"}).status_code == 201
    assert dismissals.dismissals_of_customer("C2") == ["P5"]
    refused = client.post("/api/v1/dismissals/", {"customer": "C2", "item": "P999"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "item")
    for address in ("recommendations/popular/", "recommendations/trending/", "products/P1/similar/"):
        everybodys, theirs = (
            {row["item"] for row in client.get(f"/api/v1/{address}?count=100{whose}").json()["items"]}
            for whose in ("", "&customer=C2")
        )
        assert "P5" in everybodys - theirs, address
    nobody = client.post("/api/v1/dismissals/", {"item": "P5"})
    assert (nobody.status_code, nobody.json()["errors"][0]["field"]) == (400, "customer")
    assert client.delete("/api/v1/dismissals/P5/?customer=C2").status_code == 204


def test_a_visitor_dismisses_for_their_visit_through_the_api(trained):
    client = APIClient()
    assert client.post("/api/v1/dismissals/", {"item": "P5"}).status_code == 201
    assert client.get("/api/v1/dismissals/").json() == [{"item": "P5"}]
    rows = client.get("/api/v1/recommendations/popular/?count=100").json()["items"]
    assert "P5" not in {row["item"] for row in rows}
