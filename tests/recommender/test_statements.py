"""What PostgreSQL plans once for a connection is answered as ever, and nothing depends on its being there."""

import pytest
from django.db import ProgrammingError, connection, transaction
from django.db.models import Func, IntegerField
from django.db.models.expressions import RawSQL
from django.test.utils import CaptureQueriesContext

from catalog.models import Product
from customers.models import Customer
from recommender.serving import customers as people
from recommender.serving.prepared import Prepared, takes_several_statements
from tests.recommender import shop

pytestmark = [
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL is asked so"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(autouse=True)
def _a_new_connection():
    connection.close()
    yield
    connection.close()


def keys() -> Prepared:
    return Prepared(lambda wanted: Customer.objects.filter(key__in=wanted).order_by("key").values_list("key"))


def asked(ask) -> list[str]:
    """The first word of every query that it takes."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ask()
    return [query["sql"].split()[0] for query in queries]


def kept() -> int:
    """The statements that the connection's server keeps for us."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'recommender%%'")
        return cursor.fetchone()[0]


def test_postgresql_is_asked_for_several_things_in_one_trip():
    assert takes_several_statements(connection)


def test_exact_numbers_come_as_the_floats_nearest_to_them():
    Product.objects.create(key="P1", name="Thing", category="Books", price="1234567.89")
    prices = Prepared(lambda wanted: Product.objects.filter(key__in=wanted).values_list("price"))
    for _ in range(3):  # asked in full, prepared, asked by name
        ((price,),) = prices.rows(["P1"])
        assert (type(price), price) == (float, 1234567.89)


def test_a_query_is_planned_when_it_is_asked_for_again():
    prepared = keys()
    assert [asked(lambda: prepared.rows(["C1"])) for _ in range(3)] == [["SELECT"], ["PREPARE", "EXECUTE"], ["EXECUTE"]]


def test_many_customers_are_asked_for_in_full():
    prepared = keys()
    assert [asked(lambda: prepared.rows(["C1", "C2", "C3"])) for _ in range(3)] == [["SELECT"]] * 3


def test_the_answers_are_the_same_however_they_are_asked_for():
    shop.stock_the_shop()
    wanted = ["C0", "C7", "C12", "nobody", "it's", "100%s"]
    in_full = [people.find([key]) for key in wanted]
    connection.close()
    for _ in range(8):  # from the sixth time on PostgreSQL may have a plan for all values
        assert [people.find([key]) for key in wanted] == in_full
    assert kept() == 4


def test_all_that_a_list_asks_of_its_customer_is_planned_once():
    shop.stock_the_shop()
    people.find(["C1"])
    people.find(["C1"])
    with CaptureQueriesContext(connection) as trips:
        people.find(["C1"])
    assert [statement.split()[0] for trip in trips for statement in trip["sql"].split("; ")] == ["EXECUTE"] * 4


def test_what_changed_a_moment_ago_is_answered():
    shop.stock_the_shop()
    for _ in range(8):
        before = people.find(["C1"])["C1"]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM customers_purchase WHERE customer_id = %s", [before.pk])
    assert before.person.history
    assert not people.find(["C1"])["C1"].person.history


def test_a_new_connection_starts_anew():
    Customer.objects.create(key="C1")
    prepared = keys()
    for _ in range(3):
        prepared.rows(["C1"])
    connection.close()
    assert prepared.rows(["C1"]) == [("C1",)]
    assert kept() == 0
    assert [prepared.rows(["C1"]) for _ in range(2)] == [[("C1",)]] * 2
    assert kept() == 1


def test_nothing_is_kept_behind_a_pooler(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    prepared = keys()
    for _ in range(3):
        assert prepared.rows(["C1"]) == []
    assert kept() == 0


@pytest.mark.parametrize(
    "lose",
    [
        "DEALLOCATE ALL",
        # The first is what a pooler's other server says; this is a migration, after which a plan no longer fits.
        "ALTER TABLE customers_customer ALTER COLUMN key TYPE varchar(65)",
    ],
)
def test_a_statement_that_is_lost_costs_no_answer(lose):
    Customer.objects.create(key="C1")
    prepared = keys()
    for _ in range(3):
        prepared.rows(["C1"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(lose)
        assert asked(lambda: prepared.rows(["C1"])) == ["EXECUTE", "SELECT"]
        assert [asked(lambda: prepared.rows(["C1"])) for _ in range(2)] == [["SELECT"]] * 2
        assert prepared.rows(["C1"]) == [("C1",)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE customers_customer ALTER COLUMN key TYPE varchar(64)")


def test_another_one_with_the_name_is_the_same_statement():
    """As behind a pooler, where one server is asked by many."""
    Customer.objects.create(key="C1")
    for prepared in (keys(), keys()):
        for _ in range(3):
            assert prepared.rows(["C1"]) == [("C1",)]
    assert kept() == 1


def test_within_a_transaction_everything_is_asked_in_full():
    Customer.objects.create(key="C1")
    prepared = keys()
    for _ in range(3):
        prepared.rows(["C1"])
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        assert prepared.rows(["C1"]) == [("C1",)]


def test_a_query_that_cannot_be_prepared_is_asked_in_full():
    Customer.objects.create(key="C1", age=30)

    def older(ages):  # than a sum: of two unknowns PostgreSQL cannot tell how to add them
        total = Func(*ages, template="(%(expressions)s)", arg_joiner=" + ", output_field=IntegerField())
        return Customer.objects.filter(age__gt=total).values_list("key")

    prepared = Prepared(older)
    for _ in range(3):
        assert prepared.rows([10, 19]) == [("C1",)]
        assert prepared.rows([10, 20]) == []
    assert kept() == 0


def test_a_query_that_is_wrong_in_itself_says_so():
    prepared = Prepared(lambda keys: Customer.objects.filter(key__in=keys).values_list(RawSQL("no_such_column", ())))
    for _ in range(3):
        with pytest.raises(ProgrammingError, match="no_such_column"):
            prepared.rows(["C1"])
