"""Two tenants in one project: nothing of the one is at any door of the other."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.http import Http404
from django.template import Context, Template
from django.utils import timezone
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender import feedback, views
from recommender.errors import RecommendationError
from recommender.feedback.counts import count_recent_lists
from recommender.feedback.results import list_results
from recommender.models import Dismissal, Event, ServedList
from recommender.serving import KINDS, interested_customers, make_list, predict_rating, recommend, recommend_many, why
from recommender.serving import live as serving
from recommender.serving.kinds.kind import Attempt, Candidates, ListKind
from recommender.serving.request import ListRequest
from recommender.source import get_source, is_learnable, within
from recommender.source.checks import problems_of
from tests import shop
from tests.recommender import tenants
from tests.recommender.tenants import HARBOUR, OLDTOWN, customers_of, items_of, other

ALL = shop.PRODUCTS  # more than either tenant has
DOORS = "/api/v1/"


def use(settings, name):
    settings.RECOMMENDER_SOURCE = f"tests.recommender.tenants.{name}"
    get_source.cache_clear()
    serving.forget_live_state()


@pytest.fixture
def two(settings, request):
    """Two tenants, with the source and the state that the test asks for."""
    request.getfixturevalue("stocked")
    tenants.move_in()
    use(settings, "TenantSource")
    yield
    get_source.cache_clear()
    serving.forget_live_state()


@pytest.fixture
def live(two, promote):
    promote("v1")
    assert serving.live_model() is not None


@pytest.fixture(params=["no model", "a model"])
def either(request, two):
    """Before any model, and with one."""
    if request.param == "a model":
        request.getfixturevalue("promote")("v1")


@pytest.fixture
def client_of():
    """Whoever visits a tenant's site, signed in as a customer where one is named."""

    def visit(tenant, customer=None):
        client = APIClient(headers={"X-Tenant": tenant})
        if customer is not None:
            user = User.objects.create_user(f"user of {customer}")
            Customer.objects.filter(key=customer).update(user=user)
            client.force_login(user)
        return client

    return visit


def listed(answer) -> set[str]:
    """Everything of the shop that an answer names."""
    body = answer.to_dict() if hasattr(answer, "to_dict") else answer.json()
    reasons = [reason for item in body["items"] for reason in item["reasons"]]
    return {item["item"] for item in body["items"]} | {reason["item"] for reason in reasons if "item" in reason}


def is_of(answer, tenant, at_least=1) -> None:
    """That an answer names something, and nothing of another tenant."""
    named = listed(answer)
    assert named <= set(items_of(tenant)), named
    assert len(named) >= at_least


def about(kind, tenant):
    """What a kind of list is about, of a tenant."""
    if kind.takes == "item":
        return items_of(tenant)[0]
    return items_of(tenant)[:2] if kind.takes == "session_items" else None


# --- lists of every kind ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tenant", [HARBOUR, OLDTOWN])
@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_list_of_any_kind_holds_nothing_of_another_tenant(either, kind, tenant):
    """A new kind is asked here, too. Whoever asks, and however many items: all of the tenant's, not of the shop's."""
    theirs = customers_of(tenant)[0]
    for customer in (theirs, None):
        if customer is None and kind.takes == "customer":
            continue
        named = {"customer": customer} if kind.takes != "customer" else {}
        subject = customer if kind.takes == "customer" else about(kind, tenant)
        answer = make_list(kind.name, subject, ALL, scope=tenant, **named)
        assert listed(answer) <= set(items_of(tenant))
        if kind.name not in ("buy_again", "because_you_bought"):  # empty where nothing is due or a model is missing
            assert answer.items


def test_a_list_is_as_long_as_the_tenants_catalog(either):
    for tenant in (HARBOUR, OLDTOWN):
        answer = make_list("popular", None, ALL, scope=tenant)
        assert sorted(item.item for item in answer.items) == sorted(items_of(tenant))


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.takes == "item"], ids=lambda kind: kind.name)
def test_what_is_like_another_tenants_item_is_not_said(either, kind):
    with pytest.raises(RecommendationError, match="There is no item"):
        make_list(kind.name, items_of(OLDTOWN)[0], scope=HARBOUR)


def test_another_tenants_items_in_a_cart_or_a_visit_count_for_nothing(live):
    foreign = items_of(OLDTOWN)[:3]
    alone = recommend(scope=HARBOUR, session_items=foreign, count=8)
    assert (alone.source, alone.fallback_reason) == ("popular", "anonymous")
    mixed = recommend(scope=HARBOUR, session_items=[*foreign, items_of(HARBOUR)[0]], count=8)
    same = recommend(scope=HARBOUR, session_items=[items_of(HARBOUR)[0]], count=8)
    assert [item.item for item in mixed.items] == [item.item for item in same.items]
    is_of(make_list("cart", [*foreign, items_of(HARBOUR)[0]], 8, scope=HARBOUR), HARBOUR)
    assert make_list("recently_viewed", foreign, scope=HARBOUR).items == ()


def test_another_tenants_customer_is_unknown(live):
    answer = recommend(customer=customers_of(OLDTOWN)[0], scope=HARBOUR)
    assert (answer.source, answer.fallback_reason) == ("popular", "unknown_customer")
    is_of(answer, HARBOUR)
    rating = predict_rating(customer=customers_of(OLDTOWN)[0], item=items_of(HARBOUR)[0], scope=HARBOUR)
    assert rating.fallback_reason == "unknown_customer"
    assert is_learnable(customers_of(OLDTOWN)[0], HARBOUR) is None


def test_a_customer_says_the_scope_where_nobody_else_does(live):
    for tenant in (HARBOUR, OLDTOWN):
        is_of(recommend(customer=customers_of(tenant)[0], count=ALL), tenant, at_least=8)
        assert predict_rating(customer=customers_of(tenant)[0], item=items_of(tenant)[0]).rating is not None
    with pytest.raises(RecommendationError) as error:
        predict_rating(customer=customers_of(HARBOUR)[0], item=items_of(OLDTOWN)[0])
    assert error.value.field == "item"


def test_a_list_for_nobody_of_no_scope_is_refused_rather_than_mixed(either):
    for ask in (
        lambda: recommend(),
        lambda: recommend(profile={"age": 30}),
        lambda: make_list("popular"),
        lambda: make_list("similar", items_of(HARBOUR)[0]),
        lambda: predict_rating(item=items_of(HARBOUR)[0]),
        lambda: interested_customers(items_of(HARBOUR)[0], 5),
        lambda: recommend(customer="nobody"),
    ):
        with pytest.raises(RecommendationError) as error:
            ask()
        assert error.value.field == "scope"


def test_a_scope_that_there_is_not_has_nothing(either):
    assert make_list("popular", scope="nowhere").items == ()
    assert recommend(profile={"age": 30}, scope="nowhere").items == ()


def test_lists_of_a_profile_are_of_the_tenant(live):
    for tenant in (HARBOUR, OLDTOWN):
        is_of(recommend(profile={"gender": "F", "age": 30}, count=ALL, scope=tenant), tenant, at_least=20)


def test_requests_of_several_tenants_are_answered_together(live):
    asked = [ListRequest(customer=customers_of(tenant)[n], count=12) for n in range(3) for tenant in (HARBOUR, OLDTOWN)]
    for answer, tenant in zip(recommend_many(asked), 3 * (HARBOUR, OLDTOWN), strict=True):
        is_of(answer, tenant)


def test_a_kind_that_forgets_scopes_lists_nothing_of_another_tenant(live, monkeypatch):
    class Forgetful(ListKind):
        name, source, path, tag, title, why = "forgetful", "popular", "forgetful/", "forgetful", "All", "It is there."

        def attempts(self, context):
            rows = np.arange(len(context.catalog))
            yield Attempt("popular", lambda reach: Candidates(rows[:reach], np.ones(len(rows))[:reach], len(rows)))

    monkeypatch.setitem(KINDS, "forgetful", Forgetful())
    assert listed(make_list("forgetful", None, ALL, scope=HARBOUR)) == set(items_of(HARBOUR))


def test_a_product_that_moved_to_another_tenant_is_gone_at_once(live):
    moved = make_list("popular", None, 1, scope=HARBOUR).items[0].item
    Product.objects.filter(key=moved).update(brand=OLDTOWN)  # no `updated`: the catalog in memory may not know
    assert moved not in listed(make_list("popular", None, ALL, scope=HARBOUR))
    assert moved in listed(make_list("popular", None, ALL, scope=OLDTOWN))


def test_a_new_product_is_of_its_tenant_alone(live):
    Product.objects.create(key="new", name="New", category=shop.CATEGORIES[0], brand=HARBOUR)
    assert make_list("similar", "new", scope=HARBOUR).items
    with pytest.raises(RecommendationError):
        make_list("similar", "new", scope=OLDTOWN)
    assert "new" in listed(make_list("popular", None, ALL, scope=HARBOUR))
    assert "new" not in listed(make_list("popular", None, ALL, scope=OLDTOWN))


def test_who_wants_an_item_is_said_of_the_tenants_customers_alone(live):
    stranger = Customer.objects.get(key=customers_of(OLDTOWN)[0])  # who would want it
    Purchase.objects.create(customer=stranger, product=Product.objects.get(key=items_of(HARBOUR)[1]))
    found = interested_customers(items_of(HARBOUR)[0], 100, scope=HARBOUR)
    assert {one.customer for one in found.customers} <= set(customers_of(HARBOUR))
    assert found.customers
    with pytest.raises(RecommendationError):
        interested_customers(items_of(HARBOUR)[0], 100, scope=OLDTOWN)


def test_reasons_name_nothing_that_was_bought_in_another_scope(live):
    """Where customers are of all markets and items of one, somebody buys in two."""
    customer = Customer.objects.get(key=customers_of(HARBOUR)[0])
    for key in items_of(OLDTOWN)[:6]:
        Purchase.objects.create(customer=customer, product=Product.objects.get(key=key))
    for kind in KINDS.values():
        subject = customer.key if kind.takes == "customer" else about(kind, HARBOUR)
        named = {} if kind.takes == "customer" else {"customer": customer.key}
        assert listed(make_list(kind.name, subject, ALL, scope=HARBOUR, **named)) <= set(items_of(HARBOUR))
    said = why(items_of(HARBOUR)[-1], customer=customer.key, scope=HARBOUR)
    assert {reason.item for reason, _ in said.evidence if reason.item} <= set(items_of(HARBOUR))


# --- the API ----------------------------------------------------------------------------------------------------------


def test_every_address_of_a_list_answers_with_the_tenants_own(live, client_of):
    for tenant in (HARBOUR, OLDTOWN):
        for customer in (None, customers_of(tenant)[0]):
            client = client_of(tenant, customer)
            for kind in KINDS.values():
                path = DOORS + kind.path.replace("<item_key:key>", items_of(tenant)[0])
                if kind.request_body or kind.is_cart:
                    body = {"count": ALL, **({"items": items_of(tenant)[:2]} if kind.is_cart else {})}
                    answer = client.post(path, body)
                else:
                    answer = client.get(path, {"count": ALL})
                assert answer.status_code == 200, (path, answer.content)
                assert listed(answer) <= set(items_of(tenant)), path


def test_another_tenants_keys_are_unknown_to_the_api(live, client_of, api_key):
    foreign, whose = items_of(OLDTOWN)[0], customers_of(OLDTOWN)[0]
    client = client_of(HARBOUR, customers_of(HARBOUR)[0])
    api_key.credentials(**api_key._credentials, HTTP_X_TENANT=HARBOUR)
    for address in ("similar", "bought-together", "also-viewed"):
        assert client.get(f"{DOORS}products/{foreign}/{address}/").status_code == 404
    assert api_key.get(f"{DOORS}products/{foreign}/customers/").status_code == 404
    assert client.post(f"{DOORS}ratings/", {"item": foreign}).status_code == 400
    assert client.post(f"{DOORS}events/", {"kind": "view", "item": foreign}).status_code == 400
    assert client.post(f"{DOORS}dismissals/", {"item": foreign}).status_code == 400
    here = {"item": items_of(HARBOUR)[0], "customer": whose}
    assert api_key.post(f"{DOORS}events/", {"kind": "view", **here}).status_code == 400
    assert api_key.post(f"{DOORS}dismissals/", here).status_code == 400
    assert api_key.get(f"{DOORS}dismissals/?customer={whose}").status_code == 400
    assert api_key.post(f"{DOORS}recommendations/", {"customer": whose}).json()["fallback_reason"] == "unknown_customer"
    assert not Event.objects.exists()
    assert not Dismissal.objects.exists()


def test_a_call_of_no_tenant_is_refused(live, api_key):
    for path, body in (("recommendations/", {"profile": {"age": 30}}), ("ratings/", {"item": "P1"})):
        answer = api_key.post(DOORS + path, body)
        assert answer.status_code == 400
        assert "scope" in answer.content.decode()
    assert api_key.get(f"{DOORS}recommendations/popular/").status_code == 400


def test_an_api_key_names_a_scope_only_where_the_source_allows_it(live, api_key, client_of, settings):
    api_key.credentials(**api_key._credentials, HTTP_X_TENANT=HARBOUR)
    asked = {"profile": {"age": 30}, "count": ALL, "scope": OLDTOWN}
    assert api_key.post(f"{DOORS}recommendations/", asked).status_code == 403
    use(settings, "OpenTenantSource")
    is_of(api_key.post(f"{DOORS}recommendations/", asked), OLDTOWN)
    is_of(api_key.get(f"{DOORS}recommendations/popular/?scope={OLDTOWN}"), OLDTOWN)
    is_of(api_key.get(f"{DOORS}recommendations/popular/"), HARBOUR)
    assert client_of(HARBOUR).get(f"{DOORS}recommendations/popular/?scope={OLDTOWN}").status_code == 403
    rows = [{"customer": customers_of(tenant)[0], "scope": tenant} for tenant in (HARBOUR, OLDTOWN)]
    results = api_key.post(f"{DOORS}recommendations/batch/", {"requests": rows}).json()["results"]
    for result, tenant in zip(results, (HARBOUR, OLDTOWN), strict=True):
        assert {item["item"] for item in result["answer"]["items"]} <= set(items_of(tenant))


def test_in_a_batch_a_scope_that_may_not_be_named_costs_the_others_nothing(live, api_key):
    api_key.credentials(**api_key._credentials, HTTP_X_TENANT=HARBOUR)
    rows = [{"customer": customers_of(HARBOUR)[0]}, {"customer": customers_of(OLDTOWN)[0], "scope": OLDTOWN}]
    first, second = api_key.post(f"{DOORS}recommendations/batch/", {"requests": rows}).json()["results"]
    assert first["answer"]["source"] == "two_tower"
    assert second["answer"] is None
    assert second["errors"][0]["field"] == "scope"


def test_without_scopes_the_api_knows_no_such_field(trained, api_key):
    assert api_key.post(f"{DOORS}recommendations/", {"customer": "C1", "scope": "x"}).status_code == 400
    assert api_key.get(f"{DOORS}recommendations/popular/?scope=x").status_code == 400
    with pytest.raises(RecommendationError, match="no scopes"):
        recommend(customer="C1", scope="x")


# --- what people do ---------------------------------------------------------------------------------------------------


def test_what_was_turned_down_or_looked_at_elsewhere_is_not_shown(live, client_of):
    """One browser that visits both sites under one address: what its session holds of the other is not told."""
    here, item = client_of(HARBOUR), items_of(HARBOUR)[0]
    assert here.post(f"{DOORS}dismissals/", {"item": item}).status_code == 201
    assert here.post(f"{DOORS}events/", {"kind": "view", "item": items_of(HARBOUR)[1]}).status_code == 201
    assert here.get(f"{DOORS}dismissals/").json() == [{"item": item}]
    there = {"headers": {"X-Tenant": OLDTOWN}}
    assert here.get(f"{DOORS}dismissals/", **there).json() == []
    page = here.get("/recommendations/not-interested/", **there).content.decode()
    assert Product.objects.get(key=item).name not in page
    assert here.get(f"{DOORS}recommendations/recently-viewed/", **there).json()["items"] == []
    assert len(here.get(f"{DOORS}recommendations/recently-viewed/").json()["items"]) == 1


def test_pages_know_nothing_of_another_tenants_items(live, client_of):
    client, foreign = client_of(HARBOUR), items_of(OLDTOWN)[0]
    assert client.get(f"/recommendations/{foreign}/why/?source=popular").status_code == 404
    assert client.post(f"/recommendations/{foreign}/not-interested/").status_code == 404
    mine = items_of(HARBOUR)[0]
    page = client.get(f"/recommendations/{mine}/why/?source=bought_together&of={foreign}")
    assert page.status_code == 200
    assert Product.objects.get(key=foreign).name not in page.content.decode()
    assert APIClient().get(f"/recommendations/{mine}/why/?source=popular").status_code == 404


def test_a_click_counts_for_a_list_of_the_same_tenant(live, client_of):
    client = client_of(HARBOUR)
    body = client.get(f"{DOORS}recommendations/popular/").json()
    served = ServedList.objects.get(pk=body["recommendation_id"])
    assert served.scope == HARBOUR
    item = body["items"][0]["item"]
    Product.objects.filter(key=item).update(brand=OLDTOWN)
    click = {"kind": "click", "item": item, "recommendation_id": body["recommendation_id"]}
    assert client.post(f"{DOORS}events/", click, headers={"X-Tenant": OLDTOWN}).status_code == 201
    assert Event.objects.get().recommendation is None


def test_results_are_counted_by_tenant(live, client_of, staff, client):
    for tenant, times in ((HARBOUR, 3), (OLDTOWN, 1)):
        for _ in range(times):
            client_of(tenant).get(f"{DOORS}recommendations/popular/")
    count_recent_lists()
    day = ServedList.objects.first().created.date()
    assert [row.lists for row in list_results(day, day)] == [4]
    assert [row.lists for row in list_results(day, day, HARBOUR)] == [3]
    assert [row.lists for row in list_results(day, day, OLDTOWN)] == [1]
    staff("view_listcount")
    told = client.get(f"{DOORS}list-results/", {"scope": OLDTOWN}).json()["results"]
    assert [row["lists"] for row in told] == [1]


def test_the_site_itself_records_in_the_scope_of_the_customer(live):
    mine, foreign = customers_of(HARBOUR)[0], items_of(OLDTOWN)[0]
    event, _ = feedback.record_event(kind="view", item=items_of(HARBOUR)[0], customer=mine)
    assert event.customer == mine
    feedback.dismiss(customer=mine, item=items_of(HARBOUR)[0])
    for refused in (
        lambda: feedback.record_event(kind="view", item=foreign, customer=mine),
        lambda: feedback.dismiss(customer=mine, item=foreign),
        lambda: feedback.record_event(kind="view", item=foreign, customer=mine, scope=OLDTOWN),
    ):
        with pytest.raises(RecommendationError):
            refused()
    with pytest.raises(RecommendationError, match="There is no customer"):
        feedback.dismiss(customer="nobody", item=foreign)


def test_who_signs_in_brings_along_what_they_did_at_this_tenant(live, client_of, django_user_model):
    client = client_of(HARBOUR)
    there = {"headers": {"X-Tenant": OLDTOWN}}
    client.post(f"{DOORS}events/", {"kind": "view", "item": items_of(HARBOUR)[0]})
    client.post(f"{DOORS}events/", {"kind": "view", "item": items_of(OLDTOWN)[0]}, **there)
    client.post(f"{DOORS}dismissals/", {"item": items_of(HARBOUR)[1]})
    client.post(f"{DOORS}dismissals/", {"item": items_of(OLDTOWN)[1]}, **there)
    user = django_user_model.objects.create_user("eva", password="a long one")
    Customer.objects.filter(key=customers_of(HARBOUR)[0]).update(user=user)
    sent = {"login": "eva", "password": "a long one"}
    assert client.post("/accounts/login/", sent, format="multipart").status_code == 302
    assert set(Event.objects.exclude(customer="").values_list("item", flat=True)) == {items_of(HARBOUR)[0]}
    assert set(Dismissal.objects.values_list("item", flat=True)) == {items_of(HARBOUR)[1]}


@pytest.mark.parametrize("done", ["events", "dismissals"])
def test_a_site_that_cannot_tell_the_tenant_of_a_login_still_lets_people_in(two, settings, django_user_model, done):
    use(settings, "AddressTenantSource")
    client = APIClient()
    sent = {"item": items_of(HARBOUR)[0]} | ({"kind": "view"} if done == "events" else {})
    assert client.post(f"{DOORS}{done}/", sent).status_code == 201
    user = django_user_model.objects.create_user("eva")
    Customer.objects.filter(key=customers_of(HARBOUR)[0]).update(user=user)
    with capture_logs() as logs:
        client.force_login(user)
    assert client.session["_auth_user_id"] == str(user.pk)
    (told,) = [entry for entry in logs if entry["event"] == "visit_not_carried_over"]
    assert told["exc_info"]


def test_who_signs_in_at_one_tenant_loses_nothing_that_they_turned_down_or_looked_at_at_another(live, client_of):
    client, there = client_of(HARBOUR), {"headers": {"X-Tenant": OLDTOWN}}
    theirs, seen = items_of(OLDTOWN)[1], items_of(OLDTOWN)[0]
    client.post(f"{DOORS}dismissals/", {"item": items_of(HARBOUR)[1]})
    client.post(f"{DOORS}dismissals/", {"item": theirs}, **there)
    client.post(f"{DOORS}events/", {"kind": "view", "item": items_of(HARBOUR)[0]})
    client.post(f"{DOORS}events/", {"kind": "view", "item": seen}, **there)
    user = User.objects.create_user("eva", password="a long one")
    mine = Customer.objects.get(key=customers_of(HARBOUR)[0])
    Customer.objects.filter(pk=mine.pk).update(user=user)
    sent = {"login": "eva", "password": "a long one"}
    assert client.post("/accounts/login/", sent, format="multipart").status_code == 302
    assert client.get(f"{DOORS}dismissals/").json() == [{"item": items_of(HARBOUR)[1]}]
    for customer_there in (None, customers_of(OLDTOWN)[0]):
        if customer_there:
            Customer.objects.filter(pk=mine.pk).update(user=None)
            Customer.objects.filter(key=customer_there).update(user=user)
        assert client.get(f"{DOORS}dismissals/", **there).json() == [{"item": theirs}]
        for address in ("recommendations/popular/", "recommendations/trending/"):
            assert theirs not in listed(client.get(f"{DOORS}{address}?count={ALL}", **there))
        assert theirs not in listed(client.post(f"{DOORS}recommendations/", {"count": ALL}, **there))
    assert client.session["recommender_viewed"] == [seen]
    client.post("/accounts/login/", sent, format="multipart", **there)
    request = type("Request", (), {"session": client.session, "user": user, "headers": {"X-Tenant": OLDTOWN}})()
    feedback.assign_visit(user, request)
    assert Event.objects.get(item=seen).customer == customers_of(OLDTOWN)[0]
    assert client.delete(f"{DOORS}dismissals/{theirs}/", **there).status_code == 204
    assert client.get(f"{DOORS}dismissals/", **there).json() == []


@pytest.mark.parametrize("scope", ["9" * 30, "-" + "9" * 30, "9" * 5000, "nul\x00", "\ud800", "007"])
def test_a_scope_that_no_database_holds_is_one_that_there_is_not(two, scope):
    """Of texts and of numbers, among customers and among what they bought."""
    for path in ("segment", "pk", "user", "purchases__quantity"):
        assert not within(Customer.objects.all(), path, scope).exists()
    assert not within(Purchase.objects.all(), "product", scope).exists()
    assert make_list("popular", scope=scope).items == ()


# --- what others do ---------------------------------------------------------------------------------------------------


def test_a_tenant_whose_customers_rated_nothing_has_no_ratings(two):
    Purchase.objects.filter(customer__segment=HARBOUR).update(rating=None)
    serving.forget_live_state()
    answer = predict_rating(item=items_of(HARBOUR)[0], scope=HARBOUR)
    assert (answer.rating, answer.fallback_reason) == (None, "nobody_rated")
    assert predict_rating(item=items_of(OLDTOWN)[0], scope=OLDTOWN).rating is not None


def test_how_another_tenants_customers_rate_moves_no_rating_here(two):
    before = predict_rating(item=items_of(HARBOUR)[0], scope=HARBOUR)
    Purchase.objects.filter(customer__segment=OLDTOWN).update(rating=1)
    serving.forget_live_state()
    assert predict_rating(item=items_of(HARBOUR)[0], scope=HARBOUR) == before


def of_three_items() -> dict[str, list[str]]:
    """Of each customer of Harbour some of three items. The first and the third are taken by the same people, the second
    by few of them and by everybody else; of Oldtown, everybody takes everything."""
    first, second, third = items_of(HARBOUR)[:3]
    taken = {}
    for number, customer in enumerate(customers_of(HARBOUR)):
        together, few = [first, third], [second] if number < 5 else []
        taken[customer] = [*together, *few] if number < len(customers_of(HARBOUR)) / 2 else [second]
    return taken | dict.fromkeys(customers_of(OLDTOWN), items_of(OLDTOWN))


def test_what_buyers_here_take_less_than_others_here_is_not_bought_together_whatever_other_tenants_sell(two):
    Purchase.objects.all().delete()
    item, customer = (dict(model.objects.values_list("key", "pk")) for model in (Product, Customer))
    Purchase.objects.bulk_create(
        Purchase(customer_id=customer[who], product_id=item[what], time=timezone.now())
        for who, taken in of_three_items().items()
        for what in taken
    )
    serving.forget_live_state()
    first, _, third = items_of(HARBOUR)[:3]
    answer = make_list("bought_together", first, scope=HARBOUR)
    assert (answer.source, [item.item for item in answer.items]) == ("bought_together", [third])


def test_what_viewers_here_look_at_less_than_others_here_is_not_viewed_together_whatever_other_tenants_show(two):
    cache.clear()
    Event.objects.bulk_create(
        Event(kind="view", item=what, customer=who, time=timezone.now())
        for who, taken in of_three_items().items()
        for what in taken
    )
    first, _, third = items_of(HARBOUR)[:3]
    answer = make_list("also_viewed", first, scope=HARBOUR)
    assert (answer.source, [item.item for item in answer.items]) == ("also_viewed", [third])


def test_a_list_costs_no_more_however_many_tenants_there_are(live, monkeypatch):
    """The query that asks what is for sale is compiled once, not once for each tenant."""
    from recommender.serving.rules import availability
    from recommender.source import compiled_query

    made, build = [], compiled_query._SQL

    def counted(*args):
        made.append(args)
        return build(*args)

    monkeypatch.setattr(compiled_query, "_SQL", counted)
    availability._available_items.cache_clear()
    catalog = serving.live_catalog()
    rows = np.arange(5)
    for number in range(200):
        assert len(availability.withdrawn(rows, catalog.of_scope(f"tenant {number}"))) == 5
    Product.objects.filter(pk__in=[catalog.pks[row] for row in rows[:2].tolist()]).update(brand="tenant 7")
    assert availability.withdrawn(rows, catalog.of_scope("tenant 7")).tolist() == rows[2:].tolist()
    assert len(made) == 1


# --- tags and commands ------------------------------------------------------------------------------------------------


@pytest.fixture
def show(rf):
    def render(tag, tenant, user=None, **context):
        request = rf.get("/", headers={"X-Tenant": tenant} if tenant else {})
        request.user, request.session = user or AnonymousUser(), SessionStore()
        page = Template("{% load recommendations %}" + tag)
        return page.render(Context({"request": request, **context}))

    return render


def names(keys) -> set[str]:
    return set(Product.objects.filter(key__in=keys).values_list("name", flat=True))


def test_tags_of_every_kind_show_the_tenants_own(live, show):
    for tenant in (HARBOUR, OLDTOWN):
        for kind in KINDS.values():
            subject = {"item": "item=item", "session_items": "items=items" if kind.is_cart else ""}.get(kind.takes, "")
            tag = f"{{% {kind.tag} for=customer {subject} count={ALL} %}}"
            mine = items_of(tenant)
            page = show(tag, tenant, customer=customers_of(tenant)[0], item=mine[0], items=mine[:2])
            assert not any(f"{name}<" in page for name in names(items_of(other(tenant)))), kind.name
    page = show("{% popular_items count=4 %}", HARBOUR)
    assert page.count("<article") == 4


def test_a_tag_for_a_customer_of_another_tenant_shows_what_is_popular_here(live, show):
    page = show("{% recommendations for=customer count=4 %}", HARBOUR, customer=customers_of(OLDTOWN)[0])
    assert page.count("<article") == 4
    assert not any(f"{name}<" in page for name in names(items_of(OLDTOWN)))
    assert show("{% similar_items item=item %}", HARBOUR, item=items_of(OLDTOWN)[0]).strip() == ""
    rating = "{% predicted_rating for=customer item=item as r %}{{ r }}"
    assert show(rating, HARBOUR, customer=customers_of(HARBOUR)[0], item=items_of(OLDTOWN)[0]) == "None"


def test_a_page_of_no_tenant_shows_no_list(live, show):
    assert show("{% popular_items count=4 %}", None).strip() == ""
    assert show("{% popular_items count=4 scope=branch %}", None, branch=HARBOUR).count("<article") == 4


@pytest.mark.parametrize("customer_scope", ["segment", None], ids=["customers of a scope", "customers of all"])
@pytest.mark.parametrize("whose", ["a visitor's", "a customer's", "a customer of no scope's"])
def test_pages_with_tags_are_shown_where_nobody_says_the_scope(two, show, monkeypatch, customer_scope, whose):
    monkeypatch.setattr(type(get_source()), "customer_scope", customer_scope)
    user = None
    if whose != "a visitor's":
        user = User.objects.create_user("eva")
        Customer.objects.filter(key=customers_of(HARBOUR)[0]).update(user=user)
    if whose == "a customer of no scope's":
        Customer.objects.filter(user=user).update(segment="")
    assert show("{% popular_items for=None %}", None, user, reader=user).strip() == ""
    says_it = whose == "a customer's" and customer_scope is not None  # the customer does, where nobody else does
    assert ("<article" in show("{% recommendations for=reader %}", None, user, reader=user)) is says_it
    show("{% buy_again for=reader %}", None, user, reader=user)
    assert show("{% list_for for=reader %}", None, user, reader=user).startswith("[")
    assert show("{% predicted_rating for=reader item='P1' as r %}{{ r }}", None, user, reader=user)
    assert show("{% remember_view item='P1' %}", None, user) == ""
    assert show("{% popular_items count=4 scope='harbour' %}", None, user).count("<article") == 4


def test_a_tag_leaves_out_what_the_reader_turned_down_in_the_scope_that_it_names(two, show):
    customer = Customer.objects.get(key=customers_of(HARBOUR)[0])
    user = User.objects.create_user("eva")
    Customer.objects.filter(pk=customer.pk).update(user=user)
    best = make_list("popular", None, 1, scope=HARBOUR).items[0].item
    feedback.dismiss(customer=customer.key, item=best)
    both = "{% popular_items for=None count=30 scope='oldtown' %}|{% popular_items for=None count=30 scope='harbour' %}"
    _, page = show(both, OLDTOWN, user).split("|")
    assert page.count("<article") == len(items_of(HARBOUR)) - 1
    keys = [
        show("{% list_for for=reader scope=s %}", None, user, reader=user, s=tenant) for tenant in (HARBOUR, OLDTOWN)
    ]
    assert [best in key for key in keys] == [True, False]


@pytest.mark.parametrize("signed_in", [False, True], ids=["a visitor", "a customer"])
@pytest.mark.parametrize("lacks", ["scope", "session"])
@pytest.mark.parametrize("page", ["why", "dismissed", "dismiss", "take_back", "forget_view"])
def test_each_page_answers_without_a_scope_and_without_sessions(two, rf, page, lacks, signed_in):
    item = items_of(HARBOUR)[0]
    ask = rf.get if page in ("why", "dismissed") else rf.post
    request = ask("/", headers={} if lacks == "scope" else {"X-Tenant": HARBOUR})
    request.user = AnonymousUser()
    if signed_in:
        request.user = User.objects.create_user("eva")
        Customer.objects.filter(key=customers_of(HARBOUR)[0]).update(user=request.user)
        Event.objects.create(kind="view", item=item, customer=customers_of(HARBOUR)[0], time=timezone.now())
    if lacks == "scope":
        request.session = SessionStore()
    try:
        status = getattr(views, page)(request, *([] if page == "dismissed" else [item])).status_code
    except Http404:
        status = 404
    if lacks == "scope":
        assert status == 404
        assert Event.objects.count() == signed_in, "nothing was erased for a page that there is not"
    else:
        nowhere = page in ("dismiss", "take_back") and not signed_in
        assert status == (404 if nowhere else 200 if page in ("why", "dismissed") else 302)


def test_fragments_of_two_tenants_have_two_keys(live, show):
    assert show("{% list_for as key %}{{ key }}", HARBOUR) != show("{% list_for as key %}{{ key }}", OLDTOWN)


def test_tags_take_the_filter_of_the_api(trained, show):
    for wanted in ({"category": ["Kitchen"]}, {"category": "Kitchen"}):
        page = show("{% popular_items count=30 filter=wanted %}", None, wanted=wanted)
        assert page.count("<article") == 12
        assert page.count("Kitchen thing") >= 12
    with pytest.raises(RecommendationError, match="nothing to filter by"):
        show("{% popular_items filter=wanted %}", None, wanted={"colour": "red"})


def test_the_commands_take_a_scope(live, capsys):
    call_command("recommend", "--kind", "popular", "--scope", HARBOUR, "--count", "40", "--json")
    assert {item["item"] for item in json.loads(capsys.readouterr().out)["items"]} == set(items_of(HARBOUR))
    with pytest.raises(CommandError, match="scope: Say which scope"):
        call_command("recommend", "--kind", "popular")
    with pytest.raises(CommandError, match="item: There is no item"):
        call_command("predict_rating", "--profile", "{}", "--item", items_of(OLDTOWN)[0], "--scope", HARBOUR)


# --- the source -------------------------------------------------------------------------------------------------------


def test_check_says_what_a_source_with_scopes_lacks():
    class OnlyCustomers(tenants.ShopSource):
        customer_scope = "segment"

    class NoRequest(tenants.ShopSource):
        item_scope = "brand"

    class Misspelt(tenants.TenantSource):
        item_scope = "brnd"

    class ToMany(tenants.TenantSource):
        item_scope = "purchases__shipping_method"
        customer_scope = "purchases"

    def told(source):
        return {(problem.id, problem.hint) for problem in problems_of(source())}

    assert told(OnlyCustomers) == {("recommender.E020", "Name the field of an item that holds its scope.")}
    assert [code for code, _ in told(NoRequest)] == ["recommender.E021"]
    assert told(Misspelt) == {("recommender.E005", "Did you mean brand?")}
    assert [code for code, _ in told(ToMany)] == ["recommender.E012"]  # a customer is of one
    assert told(tenants.TenantSource) == set()


def test_a_project_of_branches_shares_items_and_users_between_them():
    """A project of its own: a card of each branch for one user, media in one branch or in both, numbers for keys."""
    command, environment = [sys.executable, "-m", "tests.recommender.branches"], {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert ran.stdout.splitlines()[-1] == "every door was tried"
