"""One bad row stops no training: it is left out, counted, and named; and what does not fit together is told."""

import json
import time
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recommender.engine.data.columns import read_keys
from recommender.engine.data.encoders import as_text
from recommender.engine.data.left_out import BARE, ONCE, ROW, UNLISTED, VALUE
from recommender.engine.data.tables import from_frame, read_snapshot
from recommender.engine.errors import SnapshotError
from tests import planted

DAY = 86_400.0
USERS = {"user": ["a", "b", "c"], "age": [30.0, 40.0, 50.0]}
ITEMS = {"item": ["x", "y", "z"], "kind": ["K", "L", "M"]}
GOOD = {"user": [*"aabbccabc"], "item": [*"xyyzzxzxy"], "time": [1e9 + DAY * n for n in range(9)]}
FEATURES = {"user_numerical": ["age"], "item_categorical": ["kind"]}


def with_rows(**more):
    """The good interactions and, after row 9, some more; columns that the good ones lack are missing there."""
    added = len(more["user"])
    return {name: [*GOOD.get(name, [None] * 9), *more.get(name, [None] * added)] for name in {**GOOD, **more}}


def read(folder, interactions, users=USERS, items=ITEMS, **schema):
    return read_snapshot(planted.write_snapshot(folder, users, items, interactions, **{**FEATURES, **schema}))


def told(tables):
    return {(part.table, part.column, part.effect): part for part in tables.left_out}


def write_csv(folder, schema=None, **tables):
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "schema.json").write_text(json.dumps(schema or {}))
    return folder


# --- rows and values that cannot be used ------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["user", "item"])
def test_a_line_without_a_product_or_a_customer_is_left_out_and_named(tmp_path, column):
    rows = with_rows(user=["a", "b"], item=["x", "y"], time=[2e9 / 2, 1e9])
    rows[column] = [*rows[column][:9], None, None]
    tables = read(tmp_path, rows)
    assert len(tables) == 9
    part = told(tables)["interactions", column, ROW]
    assert (part.count, part.examples) == (2, ("row 10", "row 11"))
    assert part.sentence() == f"interactions: 2 rows are left out, because {column} is missing (row 10, row 11)."


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (-1.0, "is before 1970"),
        (-62135596800.0, "is before 1970"),
        (253402300799.0, "is more than a day ahead"),
        (7452777600.0, "is more than a day ahead"),
        (float("inf"), "is neither a timestamp nor Unix seconds"),
        (float("-inf"), "is neither a timestamp nor Unix seconds"),
        (float("nan"), "is missing"),
        (None, "is missing"),
    ],
)
def test_a_moment_that_cannot_be_true_is_left_out(tmp_path, moment, reason):
    tables = read(tmp_path, with_rows(user=["a"], item=["y"], time=[moment]))
    part = told(tables)["interactions", "time", ROW]
    assert (len(tables), part.count, part.reason) == (9, 1, reason)
    assert part.examples[0].startswith("row 10")


def test_a_moment_up_to_a_day_ahead_is_kept(tmp_path):
    tables = read(tmp_path, with_rows(user=["a", "b"], item=["x", "x"], time=[time.time() + DAY - 60, 0.0]))
    assert len(tables) == 11
    assert tables.left_out == ()


@pytest.mark.parametrize(
    "moment", ["0001-01-01", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "13/05/2024", "soon", "12:30"]
)
def test_one_wrong_time_in_a_csv_stops_no_training(tmp_path, moment):
    good = "".join(f"{u},{i},2024-01-0{n + 1}T10:00:00Z\n" for n, (u, i) in enumerate(zip("aabb", "xyyx", strict=True)))
    folder = write_csv(
        tmp_path,
        users="user\na\nb\n",
        items="item\nx\ny\n",
        interactions=f"user,item,time\n{good}a,x,{moment}\n",
    )
    tables = read_snapshot(folder)
    assert len(tables) == 4
    assert told(tables)["interactions", "time", ROW].examples == (f"row 5: {moment!r}",)


def test_times_of_a_csv_may_be_seconds_dates_or_moments_with_a_zone(tmp_path):
    times = ["1704103200", "2024-01-02", "2024-01-03T12:00:00+02:00", "2024-01-04 10:00:00.5"]
    interactions = "".join(["user,item,time\n", *(f"a,x,{moment}\n" for moment in times)])
    folder = write_csv(tmp_path, users="user\na\n", items="item\nx\n", interactions=interactions)
    assert (np.diff(read_snapshot(folder).time) / 3600).tolist() == [14.0, 34.0, 24 + 0.5 / 3600]


def test_unix_milliseconds_are_told_as_such(tmp_path):
    rows = {**GOOD, "time": [moment * 1000 for moment in GOOD["time"]]}
    with pytest.raises(SnapshotError, match=r"9 cannot be used.*it looks like milliseconds"):
        read(tmp_path, rows)


@pytest.mark.parametrize("amount", [float("inf"), float("-inf"), 1e308, -1e308])
def test_an_amount_that_is_no_amount_is_missing_and_the_purchase_stays(tmp_path, amount):
    amounts = [1.0] * 9 + [amount, amount]
    rows = with_rows(user=["a", "a"], item=["x", "y"], time=[1.1e9, 1.2e9]) | {"amount": amounts}
    spent = {"spent": {"take": "sum", "column": "amount"}}
    tables = read(tmp_path, rows, user_numerical=["age", "spent"], derived=spent)
    assert len(tables) == 11
    assert np.nansum(tables.values["amount"]) == 9
    part = told(tables)["interactions", "amount", VALUE]
    assert part.count == 2
    assert part.examples[0] == f"row 10: {str(amount)!r}"


def test_a_profile_with_an_infinite_age_keeps_its_other_fields(tmp_path):
    users = {"user": [*"abc"], "age": [30.0, float("inf"), 50.0], "city": [*"PQR"]}
    tables = read(tmp_path, GOOD, users=users, user_categorical=["city"])
    assert np.isnan(tables.users["age"][1])
    assert tables.users["city"].tolist() == [*"PQR"]
    assert told(tables)["users", "age", VALUE].count == 1


def test_text_among_numbers_is_missing_and_named(tmp_path):
    interactions = "user,item,time,rating\na,x,1e9,5\na,y,1.1e9,five\nb,x,1e9,\nb,y,1e9,N/A\n"
    tables = read_snapshot(write_csv(tmp_path, users="user\na\nb\n", items="item\nx\ny\n", interactions=interactions))
    assert np.isfinite(tables.rating).sum() == 1
    assert told(tables)["interactions", "rating", VALUE].examples == ("row 2: 'five'",)


def test_keys_that_stand_twice_are_told_and_the_last_row_counts(tmp_path):
    tables = read(
        tmp_path,
        GOOD,
        users={"user": ["a", "b", "c", "a"], "age": [1.0, 40.0, 50.0, 31.0]},
        items={"item": ["x", "y", "z", "x", None], "kind": ["old", "L", "M", "K", "none"]},
    )
    assert dict(zip(tables.user_keys, tables.users["age"], strict=True)) == {"a": 31, "b": 40, "c": 50}
    assert dict(zip(tables.item_keys, tables.items["kind"], strict=True)) == {"x": "K", "y": "L", "z": "M"}
    assert [part.sentence() for part in tables.left_out] == [
        "users: 1 row is left out, because the key stands there again further down (row 1: 'a').",
        "items: 1 row is left out, because the key is missing (row 5).",
        "items: 1 row is left out, because the key stands there again further down (row 1: 'x').",
    ]


def test_a_training_fails_only_where_more_is_lost_than_kept(tmp_path):
    lines = with_rows(user=["a"] * 9, item=[None] * 9, time=[1e9] * 9)
    assert len(read(tmp_path / "half", lines)) == 9
    lines = with_rows(user=["a"] * 10, item=[None] * 10, time=[1e9] * 10)
    with pytest.raises(SnapshotError, match=r"Of 19 rows in interactions, 10 cannot be used.*item is missing \(row 10"):
        read(tmp_path / "more", lines)


CSV = {"users": "user\na\nb\n", "items": "item\nx\ny\n", "interactions": "user,item,time\n"}
LINES = "".join(f"{u},{i},{10**9 + n * 86_400}\n" for n, (u, i) in enumerate(zip("aabb", "xyyx", strict=True)))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a,x,1000000000,,", "5 where there are 3"),
        ("a,x", "2 where there are 3"),
        ('"a,x,1000000000', "1 where there are 3"),
    ],
)
def test_one_torn_line_of_a_csv_stops_no_training(tmp_path, line, words):
    tables = read_snapshot(write_csv(tmp_path, **{**CSV, "interactions": f"{CSV['interactions']}{LINES}{line}\n"}))
    assert len(tables) == 4
    assert [part.sentence() for part in tables.left_out] == [
        f"interactions: 1 row is left out, because the line has too few or too many cells (row 5: {words})."
    ]


def test_rows_after_a_torn_line_keep_their_numbers(tmp_path):
    text = f"{CSV['interactions']}a,x\n{LINES}b\n,y,1000000000\n"
    tables = read_snapshot(write_csv(tmp_path, **{**CSV, "interactions": text}))
    assert [part.examples for part in tables.left_out] == [
        ("row 1: 2 where there are 3", "row 6: 1 where there are 3"),
        ("row 7",),
    ]


def test_a_csv_of_which_most_lines_are_torn_is_refused(tmp_path):
    torn = "a,x\n" * 5
    with pytest.raises(SnapshotError, match=r"Of 9 rows in interactions, 5 cannot be used"):
        read_snapshot(write_csv(tmp_path, **{**CSV, "interactions": f"{CSV['interactions']}{LINES}{torn}"}))


def test_what_an_open_quote_swallows_is_counted(tmp_path):
    text = f'{CSV["interactions"]}{LINES}"a,x,1000000000\n{LINES}'
    with pytest.raises(SnapshotError, match=r"Of 9 rows in interactions, 5 cannot be used"):
        read_snapshot(write_csv(tmp_path, **{**CSV, "interactions": text}))


def test_an_open_quote_in_a_large_csv_swallows_nothing_unsaid(tmp_path):
    half = "".join(f"a,x,{10**9 + n}\n" for n in range(140_000))
    text = f'{CSV["interactions"]}{half}"b,y,1000000000\n{half}'
    with pytest.raises(SnapshotError, match="a quote is opened and not closed"):
        read_snapshot(write_csv(tmp_path, **{**CSV, "interactions": text}))


def test_cells_of_a_large_csv_may_hold_line_ends(tmp_path):
    lines = "".join(f'a,"x\n1",{10**9 + n}\n' for n in range(100_000))
    files = {**CSV, "items": 'item\n"x\n1"\ny\n', "interactions": f"{CSV['interactions']}{lines}"}
    assert len(read_snapshot(write_csv(tmp_path, **files))) == 100_000


def test_two_columns_of_one_name_are_told(tmp_path):
    files = {**CSV, "interactions": "user,item,time,time\na,x,1000000000,1000000000\n"}
    with pytest.raises(SnapshotError, match="interactions has two columns called 'time'"):
        read_snapshot(write_csv(tmp_path, **files))


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s"), pa.timestamp("us", tz="UTC"), pa.date32(), pa.timestamp("ms", tz="UTC")], ids=str
)
def test_a_day_that_no_calendar_has_is_missing_and_named(tmp_path, kind):
    whole = pa.int32() if kind == pa.date32() else pa.int64()
    far = 2**30 if kind == pa.date32() else 2**50 if kind.unit == "s" else 2**60
    items = {"item": ["x", "y", "z"], "kind": pa.array([0, far, None], whole).cast(kind)}
    tables = read(tmp_path, GOOD, items=items)
    assert tables.items["kind"][1:].tolist() == ["", ""]
    part = told(tables)["items", "kind", VALUE]
    assert (part.count, part.reason) == (1, "is outside the years 1 to 9999")
    assert part.examples[0].startswith("row 2: ")


def test_a_time_that_no_calendar_has_stops_no_training(tmp_path):
    rows = with_rows(user=["a"], item=["x"], time=[0])
    for unit, far in (("s", 2**45), ("ms", 2**62)):
        times = [*(int(moment) * (1000 if unit == "ms" else 1) for moment in GOOD["time"]), far]
        rows["time"] = pa.array(times, pa.int64()).cast(pa.timestamp(unit))
        assert told(read(tmp_path / unit, rows))["interactions", "time", ROW].reason == "is more than a day ahead"


@pytest.mark.parametrize("flag", [{"a": 1}, ["a"], b"yes"], ids=str)
def test_a_flag_of_another_kind_is_told_by_its_column(tmp_path, flag):
    with pytest.raises(SnapshotError, match="items: the column 'sold' holds"):
        read(tmp_path, GOOD, items={**ITEMS, "sold": pa.array([flag] * 3)}, item_available="sold")


def test_a_flat_frame_leaves_its_broken_rows_out(tmp_path):
    frame = pd.DataFrame(
        {"who": ["a", "a", None, "b"], "what": ["x", "y", "x", "x"], "when": [1e9, 9e12, 1e9, 1e9], "age": [1, 2, 3, 4]}
    )
    tables = from_frame(frame, user="who", item="what", time="when", user_numerical=["age"])
    assert dict(zip(tables.user_keys, tables.users["age"], strict=True)) == {"a": 1, "b": 4}
    assert {(part.column, part.count) for part in tables.left_out} == {("user", 1), ("time", 1)}


FRAME = {"who": [*"aabb"], "what": [*"xyxy"], "when": [1e9, 1e9, 1e9, 1e9], "age": [1, 2, 3, 4], "kind": [*"KLKL"]}


def flat(**columns):
    frame = pd.DataFrame({**FRAME, **columns})
    columns = {"user": "who", "item": "what", "time": "when"}
    return from_frame(frame, **columns, user_numerical=["age"], item_categorical=["kind"])


@pytest.mark.parametrize(
    ("column", "cells", "reason"),
    [
        ("age", [1, "old", 3, 4], "is not a number"),
        ("age", [Decimal("1.5"), 2.5, "old", 4], "is not a number"),
        ("kind", ["K", ["L"], "K", "L"], "cannot be read"),
        ("kind", ["K", {"a": 1}, 7, None], "cannot be read"),
    ],
)
def test_one_cell_of_another_kind_in_a_flat_frame_is_told_and_the_rest_is_read(column, cells, reason):
    (part,) = flat(**{column: cells}).left_out
    assert (part.column, part.reason, part.effect, part.count) == (column, reason, VALUE, 1)
    assert part.examples[0].startswith(
        f"row {1 + next(n for n, c in enumerate(cells) if c in ('old', ['L'], {'a': 1}))}"
    )


@pytest.mark.parametrize(
    ("cells", "keys"),
    [
        ([1, "a", 2.0, "a"], {"1", "a", "2"}),
        ([10**20, 10**20 + 1, 5, None], {"1" + 20 * "0", "1" + 19 * "0" + "1", "5"}),
        ([Decimal("1.0"), 1.0, 2, pd.NA], {"1", "2"}),
    ],
)
def test_keys_of_several_kinds_in_a_flat_frame_are_read_as_their_texts(cells, keys):
    assert set(flat(who=cells).user_keys) == keys


def test_times_of_several_kinds_in_a_flat_frame_are_read_one_by_one():
    day = date(2024, 1, 5)
    times = [pd.Timestamp(day), datetime(2024, 1, 5, tzinfo=UTC), day, "2024-01-05"]
    assert len(set(flat(when=times).time)) == 1


def test_a_column_of_a_frame_that_nobody_reads_stops_no_training():
    assert len(flat(note=[1, "x", None, [2]])) == 4


def test_two_columns_of_one_name_in_a_frame_are_told():
    frame = pd.DataFrame(FRAME)
    frame.columns = ["who", "what", "when", "who", "kind"]
    with pytest.raises(SnapshotError, match="two columns called 'who'"):
        from_frame(frame, user="who", item="what", time="when")


# --- identical rows ---------------------------------------------------------------------------------------------------


def test_the_same_purchase_stored_twice_counts_once(tmp_path):
    once = read(tmp_path / "once", GOOD)
    twice = read(tmp_path / "twice", {name: [*column, *column] for name, column in GOOD.items()})
    assert twice.fingerprint() == once.fingerprint()
    part = told(twice)["interactions", "user, item and time", ONCE]
    assert (part.count, part.examples[0]) == (9, "row 1")


def test_two_lines_of_a_product_in_one_order_are_one_event_with_the_money_of_both(tmp_path):
    rows = {
        "user": ["a", "a", "a", "b"],
        "item": ["x", "y", "x", "x"],
        "time": [1e9, 1e9, 1e9, 1e9],
        "rating": [4.0, None, None, 2.0],
        "amount": [10.0, None, 5.0, 1.0],
        "status": ["sent", "sent", "back", "sent"],
    }
    derived = {"spent": {"take": "sum", "column": "amount"}, "status": {"take": "latest", "column": "status"}}
    tables = read(tmp_path, rows, user_numerical=["age", "spent"], user_categorical=["status"], derived=derived)
    assert tables.item_keys[tables.item].tolist() == ["y", "x", "x"]
    np.testing.assert_array_equal(tables.values["amount"], [np.nan, 15.0, 1.0])
    np.testing.assert_array_equal(tables.rating, np.array([np.nan, 4.0, 2.0], np.float32))
    assert tables.values["status"].tolist() == ["sent", "back", "sent"]


# --- words and numbers as text ----------------------------------------------------------------------------------------


def test_words_that_programs_use_for_missing_are_values_in_text(tmp_path):
    folder = write_csv(
        tmp_path,
        {"user_categorical": ["country"], "item_categorical": ["kind"]},
        users="user,country\nnull,NA\nb,None\nc,nan\nd,\n",
        items="item,kind\nNA,N/A\nnan,null\n",
        interactions="user,item,time\nnull,NA,1e9\nb,nan,1e9\nc,NA,1e9\nd,nan,1e9\n",
    )
    tables = read_snapshot(folder)
    assert tables.users["country"].tolist() == ["NA", "None", "nan", ""]
    assert tables.items["kind"].tolist() == ["N/A", "null"]
    assert (tables.user_keys.tolist(), tables.item_keys.tolist()) == (["null", "b", "c", "d"], ["NA", "nan"])
    assert tables.left_out == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1234567"),
        (1234567.0, "1234567"),
        (np.int64(1234567), "1234567"),
        (np.float64(1234567), "1234567"),
        (np.float32(0.1), "0.1"),
        (0.1, "0.1"),
        (1e22, "10000000000000000000000"),
        (1.5e-7, "0.00000015"),
        (-0.0, "0"),
        (Decimal("1234567"), "1234567"),
        (Decimal("1234567.00"), "1234567"),
        (Decimal("1.234567E+6"), "1234567"),
        (Decimal("12345678901234567890123456789012.50"), "12345678901234567890123456789012.5"),
        (Decimal("NaN"), ""),
        (float("nan"), ""),
        (float("inf"), ""),
        (True, "True"),
        (np.bool_(False), "False"),
        (None, ""),
        (date(2024, 1, 5), "2024-01-05"),
        (datetime(2024, 1, 5, 10, tzinfo=UTC), "2024-01-05 10:00:00+00:00"),
        ("007", "007"),
        ("1.0", "1.0"),
    ],
)
def test_a_number_has_one_text_with_all_of_its_digits(value, text):
    assert as_text("zip", value) == text


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1234567, 1234568, None], pa.int64()),
        pa.array([1234567, 1234568, None], pa.float64()),
        pa.array([Decimal("1234567.00"), Decimal("1234568.00"), None], pa.decimal128(12, 2)),
        pa.array(["1234567", "1234568", None], pa.string()),
        pa.array(["1234567", "1234568", None]).dictionary_encode(),
    ],
    ids=str,
)
def test_a_whole_number_category_is_the_same_text_whatever_column_holds_it(tmp_path, column):
    tables = read(
        tmp_path, GOOD, users={"user": [*"abc"], "code": column}, user_categorical=["code"], user_numerical=[]
    )
    assert tables.users["code"].tolist() == ["1234567", "1234568", ""]


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (["1234567.0", "1234568.0", ""], ["1234567", "1234568", ""]),  # as gaps make of whole numbers
        (["1.234567e+06", "1234568.0", ""], ["1234567", "1234568", ""]),
        (["1234567.00", "12.50", ""], ["1234567", "12.5", ""]),  # as a column of decimals is written
        (["007", "12.0", ""], ["007", "12.0", ""]),
        (["1.10", "1.9", ""], ["1.10", "1.9", ""]),  # versions
        (["1234567", "12", ""], ["1234567", "12", ""]),
        (["12E4", "2E7", ""], ["12E4", "2E7", ""]),
    ],
)
def test_a_csv_column_of_floats_reads_as_the_numbers_it_was_written_from(tmp_path, cells, texts):
    folder = write_csv(
        tmp_path,
        {"user_categorical": ["code"]},
        users="user,code\n" + "".join(f"{user},{cell}\n" for user, cell in zip("abc", cells, strict=True)),
        items="item\nx\n",
        interactions="user,item,time\na,x,1000000000\nb,x,1000000000\n",
    )
    assert read_snapshot(folder).users["code"].tolist() == texts


def test_keys_of_a_column_with_gaps_are_the_keys_of_the_other_tables(tmp_path):
    rows = with_rows(user=["a"], item=["x"], time=[1e9])
    rows["item"] = pa.array([12345, 12346, 12347] * 3 + [None], pa.float64())
    items = {"item": pa.array([12345, 12346, 12347], pa.int64()), "kind": ["K", "L", "M"]}
    tables = read(tmp_path, rows, items=items)
    assert tables.item_keys.tolist() == ["12345", "12346", "12347"]
    assert list(told(tables)) == [("interactions", "item", ROW)]


def test_who_is_asked_for_from_a_file_is_found_by_the_same_keys(tmp_path):
    (tmp_path / "who.csv").write_text('user\n12345.0\n12346.0\n""\n')
    assert read_keys(tmp_path / "who.csv") == ["12345", "12346"]


# --- keys that do not meet --------------------------------------------------------------------------------------------


def test_an_item_without_a_row_in_items_teaches_and_is_never_listed(tmp_path):
    rows = with_rows(user=["a", "b", "c"], item=["X ", "x", "007"], time=[1e9, 1.1e9, 1.1e9])
    items = {"item": ["x", "y", "z", "7"], "kind": ["K", "L", "M", "N"]}
    tables = read(tmp_path, rows, items=items)
    assert dict(zip(tables.item_keys, tables.available, strict=True)) == {
        "x": True, "y": True, "z": True, "7": True, "X ": False, "007": False,
    }  # fmt: skip
    part = told(tables)["interactions", "item", UNLISTED]
    assert (part.count, part.examples) == (2, ("'X ' resembles 'x' in items", "'007' resembles '7' in items"))


def test_a_user_without_a_row_in_users_is_told(tmp_path):
    tables = read(tmp_path, with_rows(user=["A", "new"], item=["x", "x"], time=[1e9, 1e9]))
    part = told(tables)["interactions", "user", BARE]
    assert (part.count, part.examples) == (2, ("'A' resembles 'a' in users", "'new'"))


@pytest.mark.parametrize("written", [str.upper, " {}".format, "00{}".format], ids=["case", "space", "zeros"])
@pytest.mark.parametrize("column", ["user", "item"])
def test_where_keys_are_written_otherwise_nothing_is_learned_that_no_list_would_say(tmp_path, column, written):
    keys = ["1x", "2y", "3z"]
    rows = {**GOOD, column: [*map(written, keys * 2), *keys]}
    users, items = (
        {**table, name: keys} if name == column else table for name, table in (("user", USERS), ("item", ITEMS))
    )
    with pytest.raises(
        SnapshotError, match=f"The keys of the tables do not fit together: in 6 of 9 interactions, the {column}"
    ):
        read(tmp_path, rows, users=users, items=items)


def test_a_shop_that_sells_most_of_what_it_sold_no_more_is_learned_from(tmp_path):
    rows = {**GOOD, "item": [*"xopqrstuv"]}
    assert told(read(tmp_path, rows))["interactions", "item", UNLISTED].count == 8


def test_where_the_table_of_items_is_empty_what_was_bought_is_listed(tmp_path):
    items = {"item": pa.array([], pa.string()), "kind": pa.array([], pa.string())}
    tables = read(tmp_path, GOOD, items=items)
    assert tables.available.all()
    assert tables.left_out == ()
