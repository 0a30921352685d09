"""The retail CSV: thirty columns, dates in several formats, keys as floats, empty cells, repeats and bad rows."""

import csv
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Product
from customers.models import Customer, Purchase
from tests.customers.importing.retail_file import COLUMNS, generated, row, write

pytestmark = pytest.mark.django_db


def test_one_row_becomes_a_customer_a_product_and_a_purchase(run, tmp_path):
    told = run("import_retail", write(tmp_path / "retail.csv", [row()]))

    customer, product, purchase = Customer.objects.get(), Product.objects.get(), Purchase.objects.get()
    assert (customer.key, customer.name, customer.age, customer.gender) == ("37249", "Michelle Harrington", 21, "Male")
    assert (customer.country, customer.state, customer.city) == ("Germany", "Berlin", "Dortmund")
    assert (customer.income, customer.segment) == ("Low", "Regular")
    assert product.key == "clothing-nike-shorts-cycling-shorts"
    assert (product.name, product.category, product.brand, product.type) == (
        "Cycling shorts",
        "Clothing",
        "Nike",
        "Shorts",
    )
    assert (purchase.customer, purchase.product) == (customer, product)
    assert purchase.time == datetime(2023, 9, 18, 22, 3, 55, tzinfo=UTC)
    assert (purchase.quantity, purchase.amount, purchase.rating) == (3, Decimal("324.09"), Decimal(5))
    assert (purchase.feedback, purchase.shipping_method) == ("Excellent", "Same-Day")
    assert (purchase.payment_method, purchase.order_status) == ("Debit Card", "Shipped")
    assert "1 rows read, 0 left out" in told


def test_email_phone_address_and_zipcode_are_stored_nowhere(run, world, tmp_path):
    run("import_retail", write(tmp_path / "retail.csv", [row()]))

    everything = repr(world())
    assert "Michelle Harrington" in everything
    for secret in ("m@example.com", "1414786801", "3959 Amanda Burgs", "77985"):
        assert secret not in everything


@pytest.mark.parametrize(
    ("day", "month", "clock", "meant"),
    [
        ("9/18/2023", "September", "22:03:55", datetime(2023, 9, 18, 22, 3, 55)),
        ("8/3/2023", "August", "", datetime(2023, 8, 3)),
        ("8/3/2023", "March", "", datetime(2023, 3, 8)),  # the month's own cell decides
        ("8/3/2023", "", "", datetime(2023, 8, 3)),  # without it slashes put the month first
        ("03-08-23", "August", "4:05:06", datetime(2023, 8, 3, 4, 5, 6)),
        ("08-03-23", "August", "4:05:06", datetime(2023, 8, 3, 4, 5, 6)),
        ("8/3/2023", "9" * 5000, "", datetime(2023, 8, 3)),
        ("2023-08-03", "August", "4:05:06", datetime(2023, 8, 3, 4, 5, 6)),
        ("2023-08-03 04:05:06", "August", "22:00:00", datetime(2023, 8, 3, 4, 5, 6)),  # the date has its own time
        ("2023/8/3", "August", "4:05:06 PM", datetime(2023, 8, 3, 16, 5, 6)),
        ("3 Aug 2023", "August", "4:05", datetime(2023, 8, 3, 4, 5)),
        ("August 3, 2023", "August", "nan", datetime(2023, 8, 3)),
    ],
)
def test_a_date_is_read_in_the_format_it_comes_in(run, tmp_path, day, month, clock, meant):
    run("import_retail", write(tmp_path / "retail.csv", [row(Date=day, Month=month, Time=clock)]))
    assert Purchase.objects.get().time == meant.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"Customer_ID": ""}, "Customer_ID is empty"),
        ({"Customer_ID": "nan"}, "Customer_ID is empty"),
        ({"Date": ""}, "Date is empty"),
        ({"Date": "2/31/2023", "Month": "February"}, "Date is '2/31/2023 22:03:55', which is not a date"),
        ({"Date": "soon"}, "Date is 'soon 22:03:55', which is not a date"),
        ({"Date": "9/18/0203"}, "Date is '9/18/0203 22:03:55', before 1970"),
        ({"Age": "old"}, "Age is 'old', which is neither a number nor a range"),
        ({"Age": "212"}, "Age is 212; it goes from 1 to 120"),
        ({"Age": "1e999999999"}, "Age is 1E+999999999; it goes from 1 to 120"),
        ({"Total_Purchases": "-2.0"}, "Total_Purchases is -2.0: cancelled, returned or nothing bought"),
        ({"Total_Purchases": "0"}, "Total_Purchases is 0: cancelled"),
        (
            {"Total_Purchases": "9" * 50},
            "Total_Purchases is 9999999999999999999999999999999999999999, which is too many",
        ),
        ({"Total_Purchases": "many"}, "Total_Purchases is 'many', which is not a number"),
        ({"Total_Amount": "-3.50"}, "Total_Amount is -3.50, less than nothing"),
        ({"Total_Amount": "0"}, "Total_Amount is 0: a purchase costs more than nothing"),
        ({"Total_Amount": "inf"}, "Total_Amount is 'inf', which is not a number"),
        ({"Ratings": "7"}, "Ratings is 7; ratings go from 0 to 5"),
        ({"Order_Status": "Cancelled"}, "Order_Status is Cancelled: cancelled"),
        ({"Country": "x" * 101}, "Country has 101 characters, at most 100 fit"),
        ({"Customer_ID": "7" * 65}, "Customer_ID has 65 characters, at most 64 fit"),
        ({"Name": "zero\0byte"}, "a cell holds a NUL character"),
        (
            dict.fromkeys(("Product_Category", "Product_Brand", "Product_Type", "products"), ""),
            "Product_Category, Product_Brand, Product_Type and products are all empty",
        ),
    ],
)
def test_a_bad_row_is_told_by_line_and_reason_and_the_good_ones_are_kept(run, tmp_path, fault, reason):
    rows = [row(Transaction_ID="1"), row(Transaction_ID="2", **fault), row(Transaction_ID="3")]
    told = run("import_retail", write(tmp_path / "retail.csv", rows))

    assert f"retail.csv line 3: {reason}" in told
    assert "3 rows read, 1 left out" in told
    assert Purchase.objects.count() == 2


def test_a_row_with_too_few_or_too_many_cells_is_told(run, tmp_path):
    path = write(tmp_path / "retail.csv", [row()])
    path.write_text(path.read_text() + "1,2,3\n" + "x," * 30 + "x\n")
    told = run("import_retail", path)

    assert "retail.csv line 3: 3 cells where the header has 30" in told
    assert "retail.csv line 4: 31 cells where the header has 30" in told
    assert Purchase.objects.count() == 1


def test_lines_are_counted_as_an_editor_counts_them(run, tmp_path):
    """A quoted cell may hold line ends; the row is called by the line it begins on."""
    rows = [row(Transaction_ID="1", Address="Flat 2\n3 Long Road\nUpstairs"), row(Transaction_ID="2", Customer_ID="")]
    assert "retail.csv line 5: Customer_ID is empty" in run("import_retail", write(tmp_path / "retail.csv", rows))


def test_a_quote_that_is_never_closed_is_told_with_the_lines_it_swallowed(run, tmp_path):
    path = write(tmp_path / "retail.csv", [row(Transaction_ID="1")])
    path.write_text(path.read_text() + '2,"37249\n' + "3,37249\n" * 10)
    assert "line 3: 2 cells where the header has 30, and a quote keeps it open to line 13" in run("import_retail", path)


def test_what_is_not_known_is_left_empty(run, tmp_path):
    """Empty cells cost a row nothing but themselves, where they are not who, what and when."""
    nothing = ("Name", "Age", "Gender", "Income", "City", "Ratings", "Feedback", "Total_Amount", "Total_Purchases")
    run("import_retail", write(tmp_path / "retail.csv", [row(**dict.fromkeys(nothing, ""))]))

    customer, purchase = Customer.objects.get(), Purchase.objects.get()
    assert (customer.name, customer.age, customer.gender, customer.income, customer.city) == ("", None, "", "", "")
    assert (purchase.rating, purchase.feedback, purchase.amount, purchase.quantity) == (None, "", None, 1)


def test_a_product_without_a_name_is_called_by_its_brand_and_type(run, tmp_path):
    run("import_retail", write(tmp_path / "retail.csv", [row(products="")]))
    product = Product.objects.get()
    assert (product.key, product.name) == ("clothing-nike-shorts", "Nike Shorts")


def test_products_that_differ_in_signs_only_are_different_products(run, tmp_path):
    rows = [row(Transaction_ID=n, products=name) for n, name in enumerate(("C", "C++", "C#", "🎧", "🎁", "x" * 200))]
    run("import_retail", write(tmp_path / "retail.csv", rows))
    assert sorted(Product.objects.values_list("name", flat=True)) == ["C", "C#", "C++", "x" * 200, "🎁", "🎧"]


def test_a_transaction_told_twice_is_stored_once_and_the_repeat_is_told(run, tmp_path):
    rows = [row(Transaction_ID="7.0"), row(Transaction_ID="8.0"), row(Transaction_ID="7.0"), row(Transaction_ID="7")]
    told = run("import_retail", write(tmp_path / "retail.csv", rows))

    assert "retail.csv line 4: the same purchase as line 2" in told
    assert "retail.csv line 5: the same purchase as line 2" in told
    assert Purchase.objects.count() == 2


def test_one_transaction_number_on_two_peoples_purchases_is_two_purchases(run, tmp_path):
    """In the real file numbers are drawn at random, and some are drawn twice."""
    rows = [row(Transaction_ID="7", Customer_ID="1"), row(Transaction_ID="7", Customer_ID="2")]
    assert "0 left out" in run("import_retail", write(tmp_path / "retail.csv", rows))
    assert Purchase.objects.count() == 2


def test_a_later_export_with_a_new_status_and_rating_does_not_double_a_purchase(run, tmp_path):
    run("import_retail", write(tmp_path / "monday.csv", [row(Order_Status="Pending", Ratings="", Feedback="")]))
    told = run("import_retail", write(tmp_path / "friday.csv", [row(Order_Status="Delivered", Ratings="4")]))

    assert "Purchases: 0 new, 1 there already." in told
    assert Purchase.objects.get().order_status == "Pending"  # what is stored stays as it is


def test_the_profile_is_that_of_the_latest_purchase_in_whatever_order_the_file_is(run, tmp_path):
    rows = [
        row(Transaction_ID="1", Date="5/1/2023", Month="May", Income="Medium"),
        row(Transaction_ID="2", Date="7/1/2023", Month="July", Income="High"),
        row(Transaction_ID="3", Date="3/1/2023", Month="March", Income="Low"),
    ]
    run("import_retail", write(tmp_path / "one.csv", rows))
    assert Customer.objects.get().income == "High"

    run("import_retail", write(tmp_path / "two.csv", [row(Transaction_ID="4", Date="4/1/2023", Income="Low")]))
    assert Customer.objects.get().income == "High"


def test_a_generated_file_with_every_fault_is_imported_but_for_its_bad_rows(run, world, tmp_path):
    rows = list(generated(3000, customers=200, seed=5))
    expected = {}  # by line
    for place in range(100, 3000, 100):
        expected[place + 2] = {
            0: ("Customer_ID", "", "Customer_ID is empty"),
            1: ("Date", "", "Date is empty"),
            2: ("Date", "13/13/2023", "Date is '13/13/2023"),
            3: ("Total_Purchases", "-1.0", "Total_Purchases is -1.0"),
            4: ("Order_Status", "Cancelled", "Order_Status is Cancelled"),
            5: ("Ratings", "six", "Ratings is 'six'"),
        }.get(place // 100 % 7)
        if expected[place + 2]:
            column, cell, _ = expected[place + 2]
            rows[place][column] = cell
        else:
            rows[place] = dict(rows[place - 50])
            expected[place + 2] = ("", "", f"the same purchase as line {place - 48}")
    path, errors = write(tmp_path / "retail.csv", rows), tmp_path / "errors.csv"

    told = run("import_retail", path, "--errors", errors)

    with errors.open() as file:
        reported = {int(line["line"]): line["reason"] for line in csv.DictReader(file)}
    assert reported.keys() == expected.keys()
    for line, (_, _, reason) in expected.items():
        assert reported[line].startswith(reason)
    assert "3,000 rows read, 29 left out" in told
    assert f"... and 9 more rows left out. All are in {errors}." in told
    assert Purchase.objects.count() == 2971
    assert Customer.objects.count() == 200
    days = Purchase.objects.dates("time", "day")
    assert datetime(2023, 3, 1).date() <= min(days) <= max(days) < datetime(2024, 2, 29).date()
    assert not Customer.objects.filter(key__contains=".").exists()

    before = world()
    again = run("import_retail", path)
    assert "Customers: 0 new, 0 changed." in again
    assert "Products:  0 new, 0 changed." in again
    assert "Purchases: 0 new, 2,971 there already." in again
    assert world() == before


def test_the_rows_of_a_broken_off_import_are_completed_by_the_next(run, world, tmp_path):
    rows = list(generated(2500, customers=50, seed=1))
    run("import_retail", write(tmp_path / "half.csv", rows[:1200]))
    run("import_retail", write(tmp_path / "whole.csv", rows))
    assert Purchase.objects.count() == 2500


def test_the_sample_of_25_columns_is_accepted(run, tmp_path):
    """Email, Phone, Address, Time and products are missing there; and the order of columns means nothing."""
    columns = [c for c in COLUMNS if c not in ("Email", "Phone", "Address", "Time", "products")][::-1]
    path = tmp_path / "sample.csv"
    path.write_text(",".join(columns) + "\n" + ",".join(row()[column] for column in columns) + "\n")
    run("import_retail", path)
    assert Purchase.objects.get().time == datetime(2023, 9, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    "how",
    [
        {"lineterminator": "\r\n"},
        {"lineterminator": "\r"},
        {"encoding": "utf-8-sig"},
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"delimiter": ";", "lineterminator": "\r\n", "encoding": "utf-8-sig"},
    ],
)
def test_line_ends_byte_order_marks_and_separators_make_no_difference(run, tmp_path, how):
    rows = [row(Name="Zoë 🙂 Müller", Transaction_ID="1"), row(Customer_ID="", Transaction_ID="2")]
    told = run("import_retail", write(tmp_path / "retail.csv", rows, **how))

    assert "retail.csv line 3: Customer_ID is empty" in told
    assert Customer.objects.get().name == "Zoë 🙂 Müller"
    assert Purchase.objects.get().order_status == "Shipped"


def test_another_encoding_is_read_when_it_is_named(run, tmp_path):
    path = write(tmp_path / "retail.csv", [row(Name="Zoë Müller")], encoding="cp1252")
    run("import_retail", path, "--encoding", "cp1252")
    assert Customer.objects.get().name == "Zoë Müller"


# --- a wrong file is one clear sentence -------------------------------------------------------------------------------


def refused(*args: object) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("import_retail", *map(str, args))
    assert not Customer.objects.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    assert refused(tmp_path / "none.csv") == f"There is no file {tmp_path / 'none.csv'}."


def test_a_folder_is_no_file(tmp_path):
    assert refused(tmp_path) == f"{tmp_path} is a folder, not a file."


@pytest.mark.parametrize("nothing", [b"", b"\n\n", b"   ", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_told(tmp_path, nothing):
    path = tmp_path / "retail.csv"
    path.write_bytes(nothing)
    assert refused(path) == f"{path} is empty."


def test_a_pipe_cannot_be_read_twice():
    assert refused("/dev/null") == "/dev/null is no regular file, and an import reads its file twice."


@pytest.mark.parametrize(
    "bytes_", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"PK\x03\x04\x14\0\x06\0\x08", b"SQLite format 3\0"]
)
def test_a_picture_a_spreadsheet_or_a_database_is_not_a_csv_file(tmp_path, bytes_):
    path = tmp_path / "retail.csv"
    path.write_bytes(bytes_ + bytes(range(256)) * 20)
    assert refused(path) == f"{path} is not a CSV file: it is not text."


def test_prose_is_not_a_csv_file(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir\nthe file follows by post.\n")
    assert refused(path) == f"{path} is not a CSV file with a header: its first line is 'Dear Sir'."


def test_wrong_columns_are_named_beside_those_that_are_there(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("Transaction_ID,Customer,Date,Product_Category\n1,2,3,4\n")
    assert refused(path) == (
        f"{path} is not the retail CSV: it has no column Customer_ID, Product_Brand, Product_Type."
        " It has: Transaction_ID, Customer, Date, Product_Category."
    )


def test_what_a_file_says_does_not_move_the_cursor_of_a_terminal(run, tmp_path):
    told = run("import_retail", write(tmp_path / "retail.csv", [row(), row(Order_Status="Cancelled\x1b[2J\nby us")]))
    assert "retail.csv line 3: Order_Status is Cancelled�[2J�by us: cancelled\n" in told


def test_a_column_that_is_there_twice_is_told(tmp_path):
    path = tmp_path / "retail.csv"
    path.write_text(",".join([*COLUMNS, "Date"]) + "\n")
    assert refused(path) == f"{path} has two columns called 'Date'."


def test_a_wrong_encoding_is_told_before_anything_is_stored(tmp_path):
    path = tmp_path / "retail.csv"
    rows = [row(Transaction_ID=n) for n in range(20_000)]
    write(path, [*rows, row(Name="Zoë")], encoding="latin-1")
    assert refused(path) == (
        f"{path} is not written in utf-8: byte 0xeb near line 20002 is not. Give --encoding, latin-1 or cp1252 perhaps."
    )


def test_utf_16_is_recognised(run, tmp_path):
    path = write(tmp_path / "retail.csv", [row(Name="Zoë")], encoding="utf-16")
    assert refused(path) == f"{path} is written in UTF-16. Give --encoding utf-16."
    run("import_retail", path, "--encoding", "utf-16")
    assert Customer.objects.get().name == "Zoë"


@pytest.mark.parametrize("name", ["utf-9", "rot13", "hex"])
def test_an_encoding_that_does_not_exist_is_told(tmp_path, name):
    path = write(tmp_path / "retail.csv", [row()])
    told = refused(path, "--encoding", name)
    assert told == f"There is no encoding called '{name}'; utf-8, latin-1 and cp1252 are usual ones."


def test_a_file_of_nothing_but_bad_rows_is_refused(tmp_path):
    path = write(tmp_path / "retail.csv", [row(Customer_ID=""), row(Date="")])
    assert refused(path) == "Not one of 2 rows could be imported. line 2: Customer_ID is empty."


def test_utf_16_without_its_mark_is_told(tmp_path):
    path = write(tmp_path / "retail.csv", [row()])
    told = refused(path, "--encoding", "utf-16")
    assert told == f"{path} is not written in utf-16: UTF-16 stream does not start with BOM."


def test_an_errors_file_that_cannot_be_written_is_told_before_anything_is_read(tmp_path):
    path, errors = write(tmp_path / "retail.csv", [row()]), tmp_path / "no" / "errors.csv"
    assert (
        refused(path, "--errors", errors) == f"The errors file {errors} cannot be written: No such file or directory."
    )
