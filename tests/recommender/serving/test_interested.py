"""Who wants an item: customers for a mailing."""

import pytest

from customers.models import Customer
from recommender.engine.errors import InferenceError
from recommender.errors import RecommendationError
from recommender.models import Dismissal
from recommender.serving import interested, interested_customers
from recommender.serving.catalog import PlacedModel
from tests import shop


def bought(customer: str) -> set[str]:
    return {row.product for row in shop.rows() if row.customer == customer}


def kind(customer: str) -> str:
    return shop.taste_of(int(customer[1:]))


def wanting(item: str, count: int = 100) -> list[str]:
    return [one.customer for one in interested_customers(item, count).customers]


def test_an_item_is_wanted_by_those_of_its_taste_who_have_not_bought_it(trained):
    expected = {f"C{c}" for c in range(shop.CUSTOMERS) if shop.taste_of(c) == "Books" and "P2" not in bought(f"C{c}")}

    found = interested_customers("P2", 100)

    customers = [one.customer for one in found.customers]
    assert set(customers[: len(expected)]) == expected
    assert len(set(customers)) == len(customers)
    assert not any("P2" in bought(customer) for customer in customers)
    scores = [one.score for one in found.customers]
    assert scores == sorted(scores, reverse=True)
    assert found.model_version
    assert wanting("P2", 3) == customers[:3]


def test_who_opted_out_or_dismissed_the_item_is_left_out(trained):
    first, second, third = wanting("P2", 3)
    Customer.objects.filter(key=first).update(personalisation=False)
    Dismissal.objects.create(customer=second, item="P2")

    assert wanting("P2", 1) == [third]
    assert not {first, second} & set(wanting("P2"))


def test_only_those_who_bought_last_are_asked_about_and_few_at_a_time(trained, monkeypatch):
    everybody = wanting("P2")
    monkeypatch.setattr(interested, "AT_ONCE", 7)
    assert wanting("P2") == everybody
    monkeypatch.setattr(interested, "MOST_CUSTOMERS", 20)
    assert len(wanting("P2")) <= 20


def test_the_key_of_no_item_is_refused_and_no_model_is_no_error(stocked):
    with pytest.raises(RecommendationError, match="no item"):
        interested_customers("nothing", 10)
    answer = interested_customers("P2", 10)
    assert (answer.customers, answer.fallback_reason, answer.model_version) == ((), "no_model", None)


def test_a_model_that_does_not_answer_is_said_to(stocked, promote, monkeypatch, caplog):
    promote("v1")
    assert interested_customers("P2", 1).customers

    def broken(*args):
        raise InferenceError("The model does not answer.")

    monkeypatch.setattr(PlacedModel, "encode", broken)
    answer = interested_customers("P2", 10)
    assert (answer.customers, answer.fallback_reason, answer.model_version) == ((), "model_failed", None)
    assert "model_failed" in caplog.text


def test_the_api_says_so_to_a_key_that_may_ask_for_anyone_and_to_nobody_else(trained, api_key, client):
    address = "/api/v1/products/P2/customers/"

    answer = api_key.get(address, {"count": 5})

    assert answer.status_code == 200
    assert [row["customer"] for row in answer.json()["items"]] == wanting("P2", 5)
    assert answer.json()["source"] == "two_tower"
    assert api_key.get(address, {"count": 1001}).status_code == 400
    assert api_key.get("/api/v1/products/nothing/customers/").status_code == 404
    assert client.get(address).status_code == 401
    assert shop.caller("view_customer").get(address).status_code == 403
