"""Sentences that are written in one language and read in another."""

import json
import pickle
from datetime import UTC, date, datetime

import pytest
from django.utils.translation import override

from recommender.engine.config import TrainConfig
from recommender.engine.data.encoders import as_number, as_text
from recommender.engine.data.left_out import EFFECTS, LeftOut
from recommender.engine.errors import EngineError
from recommender.engine_words import TABLES, engine_words, left_out_words
from recommender.errors import TrainingError
from recommender.words import Words, capitalized, counted, fill, in_words, joined, written

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
