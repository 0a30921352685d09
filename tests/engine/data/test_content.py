import json
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender.engine.data import content
from recommender.engine.data.content import TEXT, ContentEncoder, Terms, terms_of_word, words_of
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.encoders import Encoders
from recommender.engine.data.left_out import VALUE
from recommender.engine.data.schema import Schema
from recommender.engine.data.tables import from_frame, read_snapshot
from recommender.engine.errors import ProfileError, SnapshotError
from recommender.engine.training.writing import save_artifacts
from tests import planted


def test_a_word_is_itself_and_its_parts_and_a_part_is_no_word():
    assert words_of("Red Tins, 2 tins") == ["red", "tins", "2", "tins"]
    terms = terms_of_word("tins")
    assert terms[0] == "tins"
    assert {"#<ti", "#tin", "#ins", "#ns>", "#<tins"} <= set(terms)
    assert "tin" not in terms


def test_terms_weigh_by_tf_idf_with_sublinear_tf_and_length_one():
    documents = [["red", "tin", "tin"], ["red", "box"], ["blue", "tin"], ["blue", "box"]]
    terms = Terms.fit(documents, width=10, ngrams=False)
    assert terms.values == ("blue", "box", "red", "tin")
    idf = math.log(5 / 3) + 1  # each term is in two of four
    first = np.array([0, 0, idf, (1 + math.log(2)) * idf])
    np.testing.assert_allclose(terms.encode(documents[:1])[0], first / np.linalg.norm(first), rtol=1e-6)


def test_many_terms_are_reduced_and_keep_alike_texts_near(monkeypatch):
    names = [f"{colour} {thing} {n}" for n in range(40) for colour in ("red", "blue") for thing in ("tins", "boxes")]
    for most in (len(names), 100):  # terms of all, and of every second
        monkeypatch.setattr(content, "MOST_FITTED", most)
        terms = Terms.fit([words_of(name) for name in names], width=8, ngrams=True)
        assert terms.width == 8
        tin, misspelt, box = terms.encode([words_of(text) for text in ("red tins", "redd tinns", "blue boxes")])
        assert tin @ misspelt > 2 * abs(tin @ box)
        assert not terms.encode([[], ["ö"]]).any()


def test_a_reduction_keeps_the_directions_in_which_documents_differ_most():
    rng = np.random.default_rng(0)
    documents = [[f"w{n}" for n in rng.choice(30, 6) + 30 * (row % 2)] for row in range(200)]
    terms = Terms.fit(documents, width=5, ngrams=False)
    whole = Terms.fit(documents, width=60, ngrams=False).encode(documents)
    _, _, right = np.linalg.svd(whole, full_matrices=False)
    expected = whole @ right[:5].T
    found = terms.encode(documents)
    near = (found / np.linalg.norm(found, axis=1, keepdims=True)) @ found.T
    wanted = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(near, wanted @ wanted.T, atol=0.05)  # it is randomised


def test_texts_without_spaces_are_sampled_for_every_sentence_is_a_new_word(monkeypatch):
    documents = [[chr(0x4E00 + n) * 30 + "red" * (n % 2)] for n in range(40)]  # every second one is of something red
    assert "#red" in Terms.fit(documents, width=8, ngrams=True).values
    monkeypatch.setattr("recommender.engine.data.content.MOST_CHARACTERS", 700)
    assert "#red" not in Terms.fit(documents, width=8, ngrams=True).values


def test_parquet_and_csv_say_the_same_of_items(tmp_path):
    parquet = planted.described(tmp_path / "parquet", users=30)
    tables = read_snapshot(parquet)
    items = pq.read_table(parquet / "items.parquet").to_pydict()
    csv = tmp_path / "csv"
    csv.mkdir()
    for name in ("users.parquet", "interactions.parquet", "schema.json"):
        (csv / name).write_bytes((parquet / name).read_bytes())

    def cell(value):
        joined = "|".join(map(str, value)) if isinstance(value, list) else value
        return "" if joined is None else str(joined)

    rows = [",".join(items), *(",".join(map(cell, row)) for row in zip(*items.values(), strict=True))]
    (csv / "items.csv").write_text("\n".join(rows) + "\n")
    read = read_snapshot(csv)
    assert read.items["name"].tolist() == tables.items["name"].tolist()
    assert [*map(tuple, read.items["tags"])] == [*map(tuple, tables.items["tags"])]
    np.testing.assert_allclose(read.items["price"], tables.items["price"])
    np.testing.assert_allclose(read.items["picture"], tables.items["picture"], rtol=1e-6)
    assert np.isnan(tables.items["picture"]).any(1).sum() == sum(cell is None for cell in items["picture"]) > 0
    assert (
        tables.fingerprint() != replace(tables, items=tables.items | {"price": tables.items["price"] + 1}).fingerprint()
    )


def shop_of(folder, column, values, **schema):
    rows = [("u", f"i{n}", 100.0 + n) for n in range(len(values))]
    items = {"item": [f"i{n}" for n in range(len(values))], column: values}
    return planted.write_shop(folder, rows, items=items, **schema)


def test_a_vector_of_another_length_is_left_out_and_names_field_row_and_value(tmp_path):
    vectors = [[1.0, 2.0], [3.0, 4.0], [5.0], [1.0, math.nan], None]
    tables = read_snapshot(shop_of(tmp_path, "look", vectors, item_vector="look"))
    assert np.isfinite(tables.items["look"]).all(1).tolist() == [True, True, False, False, False]
    (lost,) = tables.left_out
    assert (lost.column, lost.count, lost.effect) == ("look", 2, VALUE)
    assert "look does not hold 2 finite numbers (in CSV with | between them)" in lost.sentence()
    assert "row 3: '[5.0]'" in lost.sentence()


@pytest.mark.parametrize(
    ("values", "schema", "sentence"),
    [
        ([1.5, 2.5], {"item_vector": "look"}, "'look' holds double values, not lists of numbers"),
        ([["a"], ["b"]], {"item_vector": "look"}, "'look' holds list<.*> values, not lists of numbers"),
        ([[["a"]], [["b"]]], {"item_multi": ["look"]}, "'look' holds list<.*> values, not lists of texts"),
        ([["a"], ["b"]], {"item_numerical": ["look"]}, "'look' is numerical, but holds list"),
        ([["a"], ["b"]], {"item_text": ["look"]}, "'look' holds list<.*> values, not text"),
        (["a", "b"], {"item_text": ["look"], "item_multi": ["look"]}, "Item features named twice: look"),
        (["a", "b"], {"item_text": ["look", "look"]}, "Item features named twice: look"),
        (["a", "b"], {"item_vector": ["look"]}, r"item_vector must be the name of one column, not \['look'\]"),
        (["a", "b"], {"item_text": "look"}, "item_text must be a list of column names, not 'look'"),
        (["a", "b"], {"item_text": ["name"]}, "items lacks the columns name"),
    ],
)
def test_a_wrong_column_is_one_clear_sentence(tmp_path, values, schema, sentence):
    with pytest.raises(SnapshotError, match=sentence):
        read_snapshot(shop_of(tmp_path, "look", values, **schema))


@pytest.mark.parametrize("cells", [[[], []], [None, None], [[], None]])
def test_where_no_item_has_a_vector_or_a_tag_all_are_missing(tmp_path, cells):
    folder = shop_of(tmp_path, "look", pa.array(cells), item_vector="look")
    assert read_snapshot(folder).items["look"].shape == (2, 0)
    folder = shop_of(tmp_path, "look", pa.array(cells), item_multi=["look"])
    assert read_snapshot(folder).items["look"].tolist() == [(), ()]


def test_a_price_that_is_no_number_is_left_out_and_names_its_row(tmp_path):
    tables = read_snapshot(shop_of(tmp_path, "price", ["1.5", "2", "free", "3"], item_numerical=["price"]))
    assert "price is not a number" in tables.left_out[0].sentence()
    assert "row 3: 'free'" in tables.left_out[0].sentence()
    assert np.isnan(tables.items["price"]).tolist() == [False, False, True, False]


def test_other_keys_of_the_schema_are_the_shops_own_and_a_name_may_be_category_and_text():
    schema = Schema.from_dict({"item_categorical": ["name"], "item_text": ["name"], "colour": 3})
    assert schema.item_fields == ("name",)
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_a_flat_frame_has_content_too():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"u": ["a", "b"], "i": ["x", "y"], "t": [1e9, 1e9 + 1]})
    frame["tags"], frame["name"], frame["price"] = [["red"], ["red", "blue"]], ["tin", "box"], [1.0, None]
    content = {"item_multi": ["tags"], "item_text": ["name"], "item_numerical": ["price"]}
    tables = from_frame(frame, user="u", item="i", time="t", **content)
    assert [*map(tuple, tables.items["tags"])] == [("red",), ("red", "blue")]
    assert tables.items["name"].tolist() == ["tin", "box"]
    assert np.isnan(tables.items["price"][1])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TwoTowerDataset.build(read_snapshot(planted.described(tmp_path_factory.mktemp("d"), users=40)))


def test_what_is_missing_is_zero_and_what_is_there_is_of_one_size(data):
    encoder, columns = data.encoders.content, data.tables.items
    text = data.item_content[:, encoder.parts[TEXT]]
    assert ((columns["name"] == "") == ~text.any(1)).all()
    assert not data.item_content[:, encoder.parts["picture"]][np.isnan(columns["picture"]).any(1)].any()
    assert set(encoder.parts) == {"numbers", "text", "tags", "picture"}
    lengths = np.linalg.norm(data.item_content[:, encoder.parts["tags"]], axis=1)
    assert np.allclose(lengths[lengths > 0], 1, atol=1e-6)
    described = data.encoders.item_columns([{}])
    assert not encoder.encode(described, 1).any()


def test_saved_encoders_make_the_same_of_an_item(data, tmp_path):
    many = ContentEncoder.fit(data.tables.schema, data.tables.items, width=3)  # fewer columns than terms
    encoders = replace(data.encoders, content=many)
    data = replace(data, encoders=encoders, item_content=many.encode(data.tables.items, data.n_items))

    class Model:
        class config:
            max_history = 5

        reads = 5

    save_artifacts(data, Model, tmp_path / "artifacts.json")
    read = Encoders.read(tmp_path / "artifacts.json")
    np.testing.assert_array_equal(read.content.encode(data.tables.items, data.n_items), data.item_content)
    item = {"name": "red walnut table", "price": "12.5", "tags": ["A", "sale"], "picture": [1, 0, 0, 0]}
    of_one = read.item_columns([item])
    assert read.content.encode(of_one, 1).any(0).sum() >= 6
    with pytest.raises(ProfileError, match="picture: 2 numbers are given; the model learned from vectors of 4"):
        read.item_columns([item | {"picture": [1, 0]}])


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("price", "cheap", "price: 'cheap' is not a number"),
        ("tags", 7, "tags: 7 is not a list of texts"),
        ("picture", "1|2", "picture: '1|2' is not a list of numbers"),
        ("picture", [1, None, 2, 3], "picture: a number of the list is missing"),
        ("name", ["a"], "is not text"),
    ],
)
def test_a_wrong_value_of_an_item_names_its_field(data, field, value, sentence):
    with pytest.raises(ProfileError, match=sentence.replace("|", r"\|")):
        data.encoders.item_columns([{field: value}])


def test_terms_that_keep_a_column_each_need_no_file_as_in_earlier_bundles(data, tmp_path):
    encoder, tables = data.encoders.content, data.tables
    assert all(terms.width == len(terms.values) for terms in encoder.terms.values())
    read = ContentEncoder.from_dict(tables.schema, encoder.to_dict(), tmp_path / "artifacts.json")
    np.testing.assert_array_equal(read.encode(tables.items, data.n_items), data.item_content)


def test_artifacts_of_a_bundle_without_content_are_read(data, tmp_path):
    saved = {"encoders": replace(data.encoders, content=ContentEncoder()).to_dict()}
    del saved["encoders"]["content"]
    for name in planted.CONTENT:
        del saved["encoders"]["schema"][name]
    (tmp_path / "artifacts.json").write_text(json.dumps(saved))
    read = Encoders.read(tmp_path / "artifacts.json")
    assert read.content.width == 0
    assert read.content.encode({}, 3).shape == (3, 0)


def test_a_list_column_of_numbers_is_read_as_texts(tmp_path):
    tables = read_snapshot(shop_of(tmp_path, "tags", pa.array([[1, 2], [2, 2], None]), item_multi=["tags"]))
    assert [*map(tuple, tables.items["tags"])] == [("1", "2"), ("2",), ()]
