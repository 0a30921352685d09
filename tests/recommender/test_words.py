"""Sentences that are written in one language and read in another."""

import json
import pickle
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from django.utils.translation import override
from structlog.testing import capture_logs

from recommender.engine.config import TrainConfig
from recommender.engine.data.encoders import as_number, as_text
from recommender.engine.data.left_out import EFFECTS, LeftOut
from recommender.engine.errors import EngineError
from recommender.engine_words import TABLES, engine_words, left_out_words
from recommender.errors import TrainingError
from recommender.words import Words, capitalized, counted, fill, in_words, joined, shown_column, written

RUN = Words("Run {run} is {state}; one run at a time.", run=1234, state=Words("queued"))


def test_a_sentence_is_english_text_wherever_a_plain_one_is_wanted():
    with override("de"):
        assert RUN == "Run 1234 is queued; one run at a time."
        assert str(TrainingError(RUN)) == RUN
        assert json.dumps({"error": RUN}) == '{"error": "Run 1234 is queued; one run at a time."}'


def test_a_sentence_that_was_stored_is_read_in_the_language_of_its_reader():
    stored = Words.from_json(json.loads(json.dumps(RUN.to_json())))
    assert stored == RUN
    with override("de"):
        german = in_words(stored)
    assert german != RUN
    assert "1234" in german
    assert in_words(stored) == RUN


def test_an_error_says_its_sentence_in_the_language_of_its_reader():
    with override("de"):
        assert in_words(TrainingError(RUN)) == RUN.translated() != str(RUN)


def test_a_sentence_travels_between_processes():
    copy = pickle.loads(pickle.dumps(RUN))  # noqa: S301 (its own)
    assert copy == RUN
    assert copy.to_json() == RUN.to_json()


@pytest.mark.parametrize(
    ("value", "spec", "english", "german", "french"),
    [
        (1234567, "n", "1,234,567", "1.234.567", "1\xa0234\xa0567"),
        (1234, "", "1234", "1234", "1234"),
        (0.108, "score", ".108", "0,108", "0,108"),
        (-0.012, "+score", "-.012", "-0,012", "-0,012"),
        (0.0651, "+score", "+.065", "+0,065", "+0,065"),
        (1.0, "score", "1.000", "1,000", "1,000"),
        (12.345, "+.2f", "+12.35", "+12,35", "+12,35"),
        (2.5, "g", "2.5", "2,5", "2,5"),
        (date(2026, 11, 30), "date", "2026-11-30", "30.11.2026", "30/11/2026"),
        (datetime(2026, 11, 30, 7, 5, tzinfo=UTC), "time", "2026-11-30 07:05", "30.11.2026 07:05", "30/11/2026 07:05"),
        (None, "score", "–", "–", "–"),
        (float("nan"), "score", "nan", "nan", "nan"),
    ],
)
def test_numbers_and_dates_are_written_as_the_language_does(value, spec, english, german, french):
    for language, text in (("en", english), ("de", german), ("fr", french)):
        with override(language):
            assert written(value, spec) == text


def test_a_share_has_a_space_before_the_sign_where_the_language_wants_one():
    assert written(0.1234, "percent1") == "12.3%"
    with override("de"):
        assert written(0.1234, "percent1") == "12,3\xa0%"
    with override("fr"):
        assert written(0.12, "percent") == "12\xa0%"


def test_sentences_are_joined_counted_and_capitalized():
    one = counted("{count:n} row is left out", "{count:n} rows are left out", 1)
    many = counted("{count:n} row is left out", "{count:n} rows are left out", 1_000)
    assert joined([one, many], "; ") == "1 row is left out; 1,000 rows are left out"
    assert capitalized(Words("it is worse.")) == "It is worse."
    assert Words.from_json(many.to_json()) == many


def test_braces_in_a_value_are_text():
    assert Words("There is no item {key!r}.", key="{x}") == "There is no item '{x}'."
    assert fill("{a}", a="{b}") == "{b}"


def test_a_sentence_of_the_engine_is_known_with_its_numbers():
    words = engine_words("epoch 3, loss 0.250, validation NDCG@10 0.1234")
    assert isinstance(words, Words)
    with override("de"):
        assert "0,1234" in in_words(words)
    assert engine_words("something else 3.5") == "something else 3.5"


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("count", [1, 12_000])
def test_what_was_left_out_is_said_as_the_engine_says_it(effect, count):
    for table in TABLES:
        part = LeftOut(table, "the key", "stands there again further down", effect, count, ("row 5", "row 9"))
        english = {"users": "customers"}.get(table, table)
        assert left_out_words(part) == part.sentence().replace(table, english, 1)


def test_what_the_engine_refuses_is_known_by_its_own_sentences():
    """A sentence that is changed in the engine is changed in its template as well."""
    for settings in (
        {"epochs": 0},
        {"loss": "none"},
        {"minutes": 0.0},
        {"learning_rate": 7.0},
        {"seed": -1},
        {"no": 1},
    ):
        with pytest.raises(EngineError) as refused:
            TrainConfig.from_dict(settings)
        assert isinstance(engine_words(refused.value), Words), str(refused.value)
    for read, value in ((as_text, ["a"]), (as_number, "old"), (as_number, float("inf"))):
        with pytest.raises(EngineError) as refused:
            read("age", value)
        assert isinstance(engine_words(refused.value), Words), str(refused.value)


def test_a_long_value_in_a_request_costs_no_more_than_reading_it():
    """A refusal quotes the value shortened, and its sentence is read once from left to right."""
    for unit in (" is ", ": ", "; it must be ", " is not between "):
        for value in ([unit * 4_000], {"a": unit * 4_000}, [[unit * 400] * 9] * 9, [unit] * 9_000):
            with pytest.raises(EngineError) as refused:
                as_text("gender", value)
            assert len(str(refused.value)) < 2_000
            assert isinstance(engine_words(refused.value), Words)


def test_a_refusal_quotes_a_short_value_whole():
    with pytest.raises(EngineError, match=r"^gender: \['a', 'b'\] is not text\.$"):
        as_text("gender", ["a", "b"])


def test_a_sentence_of_the_engine_is_read_in_as_many_steps_as_it_has_places():
    steps = []

    class Counted(str):
        def find(self, *arguments):
            steps.append(arguments)
            return str.find(self, *arguments)

    assert isinstance(engine_words(Counted("gender: " + " is " * 4_000 + " is not text.")), Words)
    assert len(steps) < 100


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_is_stored_and_read_again(number):
    words = engine_words(f"epoch 3, loss {number}")
    assert isinstance(words, Words)
    saved = json.dumps(words.to_json(), allow_nan=False)
    assert Words.from_json(json.loads(saved)) == words
    assert engine_words(f"{number} purchases of 3 items") == f"{number} purchases of 3 items"


@pytest.mark.parametrize(
    "value",
    [
        ["a"],
        {"a": 1},
        (1, None),
        Decimal("1.10"),
        uuid.UUID(int=7),
        date(2026, 11, 30),
        True,
        datetime(2026, 11, 30, 7, 5, tzinfo=UTC),
        "it's",
        None,
        0.1,
        Words("Run {run}", run=1),
    ],
    ids=str,
)
def test_a_value_of_any_kind_reads_the_same_after_it_was_stored(value):
    for message in ("{value!r} x", "{value} x"):
        words = Words(message, value=value)
        stored = Words.from_json(json.loads(json.dumps(words.to_json(), allow_nan=False)))
        assert stored == words
        with override("de"):
            assert stored.translated() == words.translated()


@pytest.mark.parametrize("value", [Decimal("1234.5"), np.float32(0.1), np.float32("nan"), np.int64(1234)], ids=repr)
def test_a_number_of_any_type_is_a_number_after_it_was_stored(value):
    words = Words("{value:.2f} {value}", value=value)
    assert Words.from_json(json.loads(json.dumps(words.to_json()))) == words


@pytest.mark.parametrize(
    ("value", "german"), [(1e-05, "1e-05"), (1.5e-05, "1,5e-05"), (-2.5e20, "-2,5e+20"), (0.001, "0,001")]
)
def test_a_number_with_an_exponent_has_the_comma_where_it_belongs(value, german):
    with override("de"):
        assert written(value, "g") == german


@pytest.mark.parametrize(("language", "day"), [("en", "2026-06-30 23:00"), ("de", "30.06.2026 23:00")])
def test_a_moment_is_of_the_same_day_in_every_language(settings, language, day):
    settings.TIME_ZONE = "America/New_York"
    moment = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
    with override(language):
        assert Words("{moment:time}", moment=moment).translated() == day
        assert written(moment, "date") == day.split()[0]
    assert Words("{moment:time}", moment=moment) == "2026-06-30 23:00"


@pytest.mark.parametrize("german", ["Lauf {lauf}", "Lauf {0}", "Lauf {run", "Lauf {run.nummer}"])
def test_a_hosts_translation_with_wrong_places_shows_the_english_text(monkeypatch, german):
    monkeypatch.setattr("recommender.words.gettext", lambda message: german)
    with override("de"), capture_logs() as logs:
        assert [RUN.translated(), RUN.translated()] == [str(RUN), str(RUN)]
    assert [entry["event"] for entry in logs] == ["translation_does_not_fit"]
    assert fill(german, run=7) == german


@pytest.mark.parametrize("parts", [{"template": "x"}, {"message": "{time}", "values": {}}, ["x"], "x", {"message": 3}])
def test_parts_that_another_version_stored_show_the_english_text(parts):
    row = SimpleNamespace(error="Plain English", error_parts=parts)
    with override("de"):
        assert shown_column(row, "error") == "Plain English"
