"""Any table of purchases, customers or products, by a map of its columns."""

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from catalog.models import Product
from customers.models import Customer, Purchase

pytestmark = pytest.mark.django_db


def table(path: Path, *rows: str) -> Path:
    """Cells parted by spaces; the first row is the header and `-` an empty cell."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["" if cell == "-" else cell for cell in row.split()] for row in rows])
    return path


def mapped(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--map", pair)]


SALES = mapped("household=customer", "sku=product", "at=time")


# --- three runs make a shop -------------------------------------------------------------------------------------------


def test_a_shop_in_three_files_is_imported_by_three_runs(run, tmp_path):
    sales = table(
        tmp_path / "sales.csv",
        "household basket sku units paid at",
        "h1 100 milk 2 3.98 2017-01-28T19:06:53",
        "h1 100 bread 1 2.50 2017-01-28T19:06:53",
        "h2 101 milk 1 1.99 2017-02-01T08:00:00",
    )
    people = table(tmp_path / "people.csv", "household age income", "h1 45-54 35-49K", "h3 65+ -")
    goods = table(tmp_path / "goods.csv", "sku department maker price", "milk DAIRY National 1.99", "tea DRINKS - 0")

    told = run("import_purchases", sales, *SALES, *mapped("basket=external_id", "units=quantity", "paid=amount"))
    assert "Customers: 2 new, 0 changed.\nProducts:  2 new, 0 changed.\nPurchases: 3 new" in told
    told = run("import_purchases", people, *mapped("household=customer", "age=customer.age", "income=customer.income"))
    assert "Customers: 1 new, 1 changed.\nProducts:  0 new, 0 changed.\nPurchases: 0 new" in told
    told = run(
        "import_purchases",
        goods,
        *mapped("sku=product", "department=product.category", "maker=product.brand", "price=product.price"),
    )
    assert "Customers: 0 new, 0 changed.\nProducts:  1 new, 1 changed.\nPurchases: 0 new" in told

    h1 = Customer.objects.get(key="h1")
    assert (h1.age, h1.income) == (50, "35-49K")
    milk = Product.objects.get(key="milk")
    assert (milk.name, milk.category, milk.brand, milk.price) == (
        "National DAIRY",
        "DAIRY",
        "National",
        Decimal("1.99"),
    )
    assert Product.objects.get(key="bread").name == "bread"
    first = Purchase.objects.get(customer=h1, product=milk)
    assert (first.quantity, first.amount) == (2, Decimal("3.98"))
    assert first.time == datetime(2017, 1, 28, 19, 6, 53, tzinfo=UTC)
    assert Customer.objects.get(key="h3").age == 65
    assert Product.objects.get(key="tea").price == 0


def test_the_order_of_the_three_runs_makes_no_difference(run, world, tmp_path):
    sales = table(tmp_path / "sales.csv", "household sku at", "h1 milk 2017-01-28", "h2 tea 2017-01-29")
    people = table(tmp_path / "people.csv", "household age", "h1 30", "h3 40")
    goods = table(tmp_path / "goods.csv", "sku title", "milk Milk", "jam Jam")
    runs = [
        (sales, SALES),
        (people, mapped("household=customer", "age=customer.age")),
        (goods, mapped("sku=product", "title=product.name")),
    ]

    def told_by_key() -> tuple:
        return (
            list(Customer.objects.order_by("key").values_list("key", "age")),
            list(Product.objects.order_by("key").values_list("key", "name")),
            list(Purchase.objects.order_by("time").values_list("customer__key", "product__key", "time")),
        )

    for file, words in runs:
        run("import_purchases", file, *words)
    forwards = told_by_key()
    for model in (Purchase, Customer, Product):
        model.objects.all().delete()
    for file, words in reversed(runs):
        run("import_purchases", file, *words)
    assert told_by_key() == forwards
    assert forwards[0] == [("h1", 30), ("h2", None), ("h3", 40)]
    assert forwards[1] == [("jam", "Jam"), ("milk", "Milk"), ("tea", "tea")]


def test_a_second_run_of_each_changes_nothing(run, world, tmp_path):
    rows = [f"h{n % 70} p{n % 90} 2017-01-{1 + n % 28:02}T10:00:00 {1 + n % 3}" for n in range(4500)]
    sales = table(tmp_path / "sales.csv", "household sku at units", *rows)
    people = table(tmp_path / "people.csv", "household age", *(f"h{n} {20 + n}" for n in range(70)))
    goods = table(tmp_path / "goods.csv", "sku title price", *(f"p{n} Thing-{n} {n}.50" for n in range(90)))
    runs = [
        (sales, *SALES, *mapped("units=quantity")),
        (people, *mapped("household=customer", "age=customer.age")),
        (goods, *mapped("sku=product", "title=product.name", "price=product.price")),
    ]
    for words in runs:
        run("import_purchases", *words)
    assert Purchase.objects.count() == 4500
    before = world()
    for words in runs:
        told = run("import_purchases", *words)
        assert "Customers: 0 new, 0 changed.\nProducts:  0 new, 0 changed.\nPurchases: 0 new" in told
    assert world() == before


def test_a_table_of_customers_that_names_one_twice_ends_with_the_last_and_a_second_run_changes_nothing(
    run, world, tmp_path
):
    people = table(tmp_path / "people.csv", "household age", "h1 30", "h2 50", "h1 31")
    words = (people, *mapped("household=customer", "age=customer.age"))
    run("import_purchases", *words)
    assert Customer.objects.get(key="h1").age == 31
    before = world()
    assert "0 changed" in run("import_purchases", *words)
    assert world() == before


def test_an_empty_cell_takes_nothing_away(run, tmp_path):
    Customer.objects.create(key="h1", age=44, income="High", personalisation=False)
    people = table(tmp_path / "people.csv", "household age income", "h1 - Low")
    run("import_purchases", people, *mapped("household=customer", "age=customer.age", "income=customer.income"))

    h1 = Customer.objects.get()
    assert (h1.age, h1.income) == (44, "Low")
    assert h1.personalisation is False, "an import gives nobody's consent"


def test_a_purchases_row_does_not_overwrite_what_is_known_of_a_product(run, tmp_path):
    Product.objects.create(key="milk", name="Fresh milk", price=Decimal("1.99"))
    sales = table(tmp_path / "sales.csv", "household sku at title each kind", "h milk 2017-01-28 MLK 1.50 Dairy")
    words = mapped("title=product.name", "each=price", "kind=product.category")
    run("import_purchases", sales, *SALES, *words)

    milk = Product.objects.get()
    assert (milk.name, milk.price, milk.category) == ("Fresh milk", Decimal("1.99"), "Dairy")
    assert Purchase.objects.get().amount == Decimal("1.50")


# --- rows -------------------------------------------------------------------------------------------------------------


def test_cancelled_and_non_positive_rows_are_told_and_left_out(run, tmp_path):
    sales = table(
        tmp_path / "sales.csv",
        "invoice household sku units each paid state at",
        "536365 17850.0 85123A 6 2.55 - - 2010-12-01T08:26",
        "C536379 14527.0 D 1 27.50 - - 2010-12-01T09:41",
        "536380 14527 22139 -1 4.25 - - 2010-12-01T09:41",
        "536381 14527 22139 0 4.25 - - 2010-12-01T09:41",
        "536382 14527 22139 2 0 - - 2010-12-01T09:41",
        "536383 14527 22139 2 - -8.50 - 2010-12-01T09:41",
        "536384 14527 22139 2 4.25 - Canceled 2010-12-01T09:41",
        "536385 - 22139 2 4.25 - - 2010-12-01T09:41",
    )
    words = mapped("invoice=external_id", "units=quantity", "each=price", "paid=amount", "state=order_status")
    told = run("import_purchases", sales, *SALES, *words)

    assert "sales.csv line 3: invoice is C536379: cancelled" in told
    assert "sales.csv line 4: units is -1: cancelled, returned or nothing bought" in told
    assert "sales.csv line 5: units is 0: cancelled, returned or nothing bought" in told
    assert "sales.csv line 6: each is 0: a purchase costs more than nothing" in told
    assert "sales.csv line 7: paid is -8.50, less than nothing" in told
    assert "sales.csv line 8: state is Canceled: cancelled" in told
    assert "sales.csv line 9: household is empty" in told
    assert "8 rows read, 7 left out" in told
    purchase = Purchase.objects.get()
    assert (purchase.customer.key, purchase.product.key) == ("17850", "85123A")
    assert (purchase.quantity, purchase.amount, purchase.product.price) == (6, Decimal("15.30"), Decimal("2.55"))


def test_the_lines_of_one_invoice_are_told_apart_and_its_repeats_are_told(run, tmp_path):
    sales = table(
        tmp_path / "sales.csv",
        "invoice household sku units at",
        "1 ada milk 1 2010-12-01",
        "1 ada milk 2 2010-12-01",
        "1 ada tea 1 2010-12-01",
        "1 ada milk 1 2010-12-01",
    )
    told = run("import_purchases", sales, *SALES, *mapped("invoice=external_id", "units=quantity"))
    assert "sales.csv line 5: the same purchase as line 2" in told
    assert Purchase.objects.count() == 3


def test_without_a_number_two_equal_rows_are_two_purchases_and_stay_two(run, tmp_path):
    sales = table(tmp_path / "sales.csv", "household sku at", "ada milk 2010-12-01", "ada milk 2010-12-01")
    for _ in range(2):
        run("import_purchases", sales, *SALES)
        assert Purchase.objects.count() == 2


@pytest.mark.parametrize("column", ["household", "sku", "basket"])
def test_a_key_that_a_spreadsheet_rounded_is_no_key(run, tmp_path, column):
    rows = [{"household": "h1", "sku": "1e5", "basket": "12E4"}, {"household": "h1", "sku": "milk", "basket": "7"}]
    rows[1][column] = "4.00638E+12"
    lines = [" ".join([*row.values(), "2024-01-05"]) for row in rows]
    sales = table(tmp_path / "sales.csv", "household sku basket at", *lines)
    told = run("import_purchases", sales, *SALES, *mapped("basket=external_id"))
    assert f"line 3: {column} is 4.00638E+12: a spreadsheet rounded this number" in told
    assert Purchase.objects.get().product.key == "1e5"


def test_goods_sold_by_weight_count_as_whole_ones(run, tmp_path):
    sales = table(tmp_path / "sales.csv", "household sku at units", "a cheese 2010-12-01 0.25", "a ham 2010-12-01 1.2")
    run("import_purchases", sales, *SALES, *mapped("units=quantity"))
    assert list(Purchase.objects.order_by("id").values_list("quantity", flat=True)) == [1, 2]


@pytest.mark.parametrize(
    ("cell", "number"), [("1,234.50", "1234.50"), ("$12", "12"), ("12,5", "12.5"), ("€ 3.999", "4.00"), ("1e2", "100")]
)
def test_amounts_as_people_write_them(run, tmp_path, cell, number):
    path = tmp_path / "sales.csv"
    path.write_text(f'household;sku;at;paid\nada;milk;2010-12-01;"{cell}"\n')
    run("import_purchases", path, *SALES, *mapped("paid=amount"))
    assert Purchase.objects.get().amount == Decimal(number)


@pytest.mark.parametrize(
    ("cell", "age"), [("45-54", 50), ("65+", 65), ("19 to 24", 22), ("under 18", 18), ("37.0", 37), ("nan", None)]
)
def test_an_age_may_be_a_range(run, tmp_path, cell, age):
    path = tmp_path / "people.csv"
    path.write_text(f"household,age,city\nada,{cell},London\n")
    run("import_purchases", path, *mapped("household=customer", "age=customer.age", "city=customer.city"))
    assert Customer.objects.get().age == age


@pytest.mark.parametrize(
    ("cell", "words", "meant"),
    [
        ("8/3/2023", [], datetime(2023, 8, 3)),
        ("8/3/2023", ["--day-first"], datetime(2023, 3, 8)),
        ("25/3/2023 2:05 PM", [], datetime(2023, 3, 25, 14, 5)),
        ("8.3.23 12:00 am", [], datetime(2023, 3, 8)),
        ("1700000000", [], datetime(2023, 11, 14, 22, 13, 20)),
        ("1700000000000", [], datetime(2023, 11, 14, 22, 13, 20)),
        ("2023-11-14T22:13:20+02:00", [], datetime(2023, 11, 14, 20, 13, 20)),
        ("2023-11-14T22:13:20Z", [], datetime(2023, 11, 14, 22, 13, 20)),
        ("20231114", [], datetime(2023, 11, 14)),
        ("14-Nov-99", [], datetime(1999, 11, 14)),
    ],
)
def test_times_as_shops_write_them(run, tmp_path, cell, words, meant):
    path = tmp_path / "sales.csv"
    path.write_text(f"household,sku,at\nada,milk,{cell}\n")
    run("import_purchases", path, *SALES, *words)
    assert Purchase.objects.get().time == meant.replace(tzinfo=UTC)


@pytest.mark.parametrize("cell", ["24:61", "2/30/2023", "2023-13-01", "tomorrow", "12", "2023-01-01 25:00", "9" * 30])
def test_what_is_no_time_is_told(run, tmp_path, cell):
    path = tmp_path / "sales.csv"
    path.write_text(f"household,sku,at\nada,milk,{cell}\nada,milk,2023-01-01\n")
    told = run("import_purchases", path, *SALES)
    assert f"sales.csv line 2: at is '{cell}', which is not a date this importer knows" in told
    assert Purchase.objects.count() == 1


# --- parquet ----------------------------------------------------------------------------------------------------------


def test_parquet_is_told_by_its_first_bytes_and_keeps_its_types(run, tmp_path):
    """A key with gaps is a float there, a time a timestamp, an amount a decimal."""
    columns = {
        "household": pa.array([12347.0, 9007199254740992.0 * 4, None], pa.float64()),
        "sku": pa.array([b"milk", b"tea", b"tea"], pa.binary()),
        "at": pa.array([datetime(2023, 1, 2, 3, 4, 5), datetime(2023, 1, 2), datetime(2023, 1, 2)], pa.timestamp("ns")),
        "paid": pa.array([Decimal("3.98"), None, None], pa.decimal128(10, 2)),
        "stars": pa.array([4.5, None, None], pa.float32()),
    }
    path = tmp_path / "sales.data"
    pq.write_table(pa.table(columns), path)

    told = run("import_purchases", path, *SALES, *mapped("paid=amount", "stars=rating"))

    assert "sales.data line 3: household is empty" in told
    first, second = Purchase.objects.order_by("id")
    assert (first.customer.key, first.product.key) == ("12347", "milk")
    assert first.time == datetime(2023, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (first.amount, first.rating) == (Decimal("3.98"), Decimal("4.5"))
    assert (second.customer.key, second.amount, second.rating) == ("36028797018963968", None, None)
    assert "Purchases: 0 new, 2 there already." in run("import_purchases", path, *SALES, *mapped("paid=amount"))


def test_a_nul_in_a_parquet_file_is_a_bad_row(run, tmp_path):
    path = tmp_path / "sales.parquet"
    pq.write_table(pa.table({"household": ["a\0", "b"], "sku": ["x", "y"], "at": ["2023-01-01"] * 2}), path)
    assert "sales.parquet line 1: a cell holds a NUL character" in run("import_purchases", path, *SALES)
    assert Customer.objects.get().key == "b"


def test_a_parquet_file_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "sales.parquet"
    pq.write_table(pa.table({"household": ["a"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CommandError, match="begins like a parquet file but cannot be read"):
        call_command("import_purchases", str(path), *SALES)


# --- the map ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (["household"], "--map 'household' is not COLUMN=FIELD."),
        (["home=customer"], "has no column 'home'. It has: household, sku, at, age, price."),
        (["household=buyer"], "There is no field 'buyer'. There are: customer, product, time, quantity, price,"),
        (["household=customer", "sku=customer"], "The field customer is mapped twice, from household and from sku."),
        (
            ["household=customer", "sku=product"],
            "Purchases need customer, product and time; nothing is mapped to time.",
        ),
        (["household=customer", "at=time"], "Purchases need customer, product and time; nothing is mapped to product."),
        (["price=price"], "nothing is mapped to customer, product, time."),
        (["age=customer.age"], "Nothing is mapped to customer or product, so no row says whom or what it is about."),
        (["household=customer"], "Only customer is mapped. Map some customer.* fields, or what else makes a purchase."),
        (["sku=product", "age=customer.age"], "customer.age is mapped, but nothing is mapped to customer."),
    ],
)
def test_a_map_that_makes_no_sense_is_one_clear_sentence(tmp_path, pairs, sentence):
    path = table(tmp_path / "sales.csv", "household sku at age price", "ada milk 2023-01-01 30 1")
    with pytest.raises(CommandError) as caught:
        call_command("import_purchases", str(path), *mapped(*pairs))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Customer.objects.exists()


def test_a_column_may_have_an_equals_sign_in_its_name(run, tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text("a=b,sku,at\nada,milk,2023-01-01\n")
    run("import_purchases", path, *mapped("a=b=customer", "sku=product", "at=time"))
    assert Customer.objects.get().key == "ada"


def test_one_column_may_say_two_things(run, tmp_path):
    path = table(tmp_path / "sales.csv", "household sku at", "ada milk 2023-01-01")
    run("import_purchases", path, *SALES, *mapped("sku=product.name"))
    assert Product.objects.get().name == "milk"
