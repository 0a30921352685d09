"""A query that is compiled once gives the rows that its queryset would give."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections

from customers.models import Customer, Purchase
from recommender.models import ServedList
from recommender.source.compiled_query import CompiledQuery
from tests import shop


def test_the_rows_are_those_of_the_queryset_for_any_values(stocked):
    columns = ("customer__key", "product__key", "time", "amount", "rating")
    newest_first = Purchase.objects.order_by("-time", "pk").values_list(*columns)
    query = CompiledQuery(lambda keys: newest_first.filter(customer__key__in=keys, quantity__gte=1))
    for keys in (["C0"], ["C7"], ["C1", "C2"], ["C2", "C1"], ["nobody"]):
        assert query.rows(keys) == list(newest_first.filter(customer__key__in=keys))
    Purchase.objects.filter(customer__key="C0").delete()
    assert query.rows(["C0"]) == []


def test_a_query_is_compiled_once_for_each_number_of_values(db, django_assert_num_queries):
    compiled = []

    def build(keys):
        compiled.append(len(keys))
        return Customer.objects.filter(key__in=keys).values_list("pk")

    query = CompiledQuery(build)
    with django_assert_num_queries(4):
        for keys in (["a"], ["b"], ["a", "b"], ["c"]):
            query.rows(keys)
    assert compiled == [1, 2]


def test_the_connection_that_is_asked_is_the_present_one(db, monkeypatch):
    """Within an event loop, and after it, a thread has another one than before."""
    query = CompiledQuery(lambda keys: Customer.objects.filter(key__in=keys).values_list("pk"))
    query.rows(["a"])
    another = connection.copy()
    monkeypatch.setattr(another, "cursor", lambda: pytest.fail("asked here"))
    before = connections["default"]
    connections["default"] = another
    try:
        with pytest.raises(pytest.fail.Exception, match="asked here"):
            query.rows(["a"])
    finally:
        connections["default"] = before
    assert query.rows(["a"]) == []


def test_values_that_databases_store_in_their_own_way_are_found(db):
    shown = [ServedList.objects.create(id=uuid.uuid4()).pk for _ in range(3)]
    by_key = CompiledQuery(lambda keys: ServedList.objects.filter(pk__in=keys).values_list("pk"), ServedList._meta.pk)
    assert {pk for (pk,) in by_key.rows(shown[:2])} == set(shown[:2])
    assert by_key.rows([str(shown[2])]) == [(shown[2],)]


@pytest.mark.parametrize("days", [0, 3])
def test_a_moment_is_a_value_like_any_other(stocked, days):
    since = shop.START + timedelta(days=days)
    later = CompiledQuery(lambda moments: Purchase.objects.filter(time__gte=moments[0]).values_list("pk"))
    assert len(later.rows([since])) == Purchase.objects.filter(time__gte=since).count() > 0
    assert later.rows([datetime(2100, 1, 1, tzinfo=UTC)]) == []
