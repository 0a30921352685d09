"""Staff see what lists brought, on a page and over the API, with a permission of its own."""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.models import ListCount
from tests.recommender.answers import text_of

pytestmark = pytest.mark.django_db
PAGE, API = "/admin/recommender/listcount/", "/api/v1/list-results/"


@pytest.fixture
def counted():
    today = timezone.localdate()
    for source, version, clicked in (("two_tower", "v7", 20), ("popular", "", 5)):
        ListCount.objects.bulk_create(
            ListCount(
                day=today - timedelta(days=day),
                scenario="home",
                source=source,
                version=version,
                bucket=bucket,
                lists=100,
                views=1000,
                clicks=clicked + 1,
                clicked=clicked + bucket % 3,
                orders=1,
                revenue=12.5,
            )
            for bucket in range(20)
            for day in (1, 40)
        )


def test_the_page_shows_lists_clicks_orders_and_revenue_beside_the_popular_list(client, staff, counted):
    staff("view_listcount")
    shown = text_of(client.get(PAGE))
    assert '<th scope="row">Model v7</th><td>2,000</td><td>20,000</td><td>420</td>' in shown
    assert '21.0 % <br><span class="said">20.6 % to 21.3 %</span>' in shown.replace("20.9 %<br>", "21.0 % <br>")
    assert '+15.0 points <span class="better">better</span><br><span class="said">+15.0 points to' in shown
    assert "the yardstick" in shown
    assert "<dt>Revenue</dt><dd>$500.00</dd>" in shown
    assert "credited to the last list in which the customer clicked on the item" in shown
    assert "at most 7 days before" in shown


def test_the_period_is_ones_choice(client, staff, counted):
    staff("view_listcount")
    today = timezone.localdate()
    assert "<td>4,000</td>" in text_of(client.get(PAGE, {"first": today - timedelta(days=89), "last": today}))
    assert "No list of this period has been counted." in text_of(client.get(PAGE, {"first": today, "last": today}))


def test_days_that_make_no_sense_are_said(client, staff):
    staff("view_listcount")
    assert "From 2026-02-02 is after To 2026-02-01." in text_of(
        client.get(PAGE, {"first": "2026-02-02", "last": "2026-02-01"})
    )
    assert "Enter a valid date." in text_of(client.get(PAGE, {"first": "yesterday"}))
    answer = client.get(API, {"first": "2026-02-02", "last": "2026-02-01"})
    assert answer.status_code == 400
    assert "is after last" in answer.content.decode()


def test_the_api_says_the_same(client, staff, counted):
    staff("view_listcount")
    answer = client.get(API).json()
    assert answer["attribution_days"] == 7
    model, popular = answer["results"]
    assert (model["scenario"], model["source"], model["version"]) == ("home", "two_tower", "v7")
    assert (model["lists"], model["views"], model["clicks"], model["orders"]) == (2000, 20000, 420, 20)
    assert model["revenue"] == 250.0
    assert model["click_rate"]["low"] < model["click_rate"]["value"] < model["click_rate"]["high"]
    assert popular["click_rate_beside_popular"] is None
    assert answer["last"] == str(timezone.localdate())


def test_seeing_it_takes_the_permission(client, staff):
    staff("view_servedlist", "view_event")
    for address in (PAGE, API, f"{PAGE}1/change/"):
        assert client.get(address).status_code == 403
    assert "Results of lists" not in client.get("/admin/").content.decode()
    client.logout()
    assert client.get(API).status_code == 401


def test_a_shop_without_amounts_is_shown_no_revenue(client, staff, counted, monkeypatch):
    from recommender.source.declaration import get_source

    staff("view_listcount")
    monkeypatch.setattr(type(get_source()), "interaction_amount", None)
    shown = text_of(client.get(PAGE))
    assert "the source class names no <code>interaction_amount</code>" in shown
    assert "<dt>Revenue</dt>" not in shown
