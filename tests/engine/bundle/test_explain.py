"""Reasons are true to the model: what is named is what the score hangs on, on data where the cause was planted."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from recommender.engine.bundle import explain
from recommender.engine.bundle.explain import MOST_EVIDENCE, Evidence, encode_with_ablations
from recommender.engine.bundle.inference import Inference, Interaction, Person
from recommender.engine.bundle.retrieval import Index
from recommender.engine.data.inputs import Vectors


@pytest.fixture(scope="module")
def inference(bundle):
    return Inference.open(bundle)


def who_bought(*items: str, **profile: object) -> Person:
    return Person(profile, [Interaction(item, 1.7e9 + 86_400 * n) for n, item in enumerate(items)])


def reasons(inference: Inference, person: Person, items: Vectors, settled: Sequence[str] = ()) -> list[list[Evidence]]:
    (encoded,) = encode_with_ablations(inference, [(person, settled)])
    return encoded.reasons(items)


def top(inference: Inference, person: Person, k: int) -> np.ndarray:
    """Rows of the k best items that the person did not buy."""
    mask = np.ones(len(inference.item_keys), dtype=bool)
    mask[[inference.row_of[e.item] for e in person.history]] = False
    return Index(inference.items.rank).top_k(inference.encode_users([person]).rank, k, mask=mask)[0][0]


def kind_of(inference: Inference, row: int) -> int:
    """Nobody mixes kinds here: i0, i4, i8 ... are of kind 0, i1, i5 ... of kind 1, and so on to 3."""
    return int(inference.item_keys[row][1:]) % 4


PLANTED = ["i0", "i20", "i41", "i3"]  # of other kinds than the rest of the history


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("planted", PLANTED)
def test_the_purchase_that_planted_an_item_is_named_wherever_it_stands(inference, planted, place):
    others = ["i2", "i6", "i10"]
    person = who_bought(*others[:place], planted, *others[place:])
    of_its_kind = [row for row in top(inference, person, 56) if kind_of(inference, row) == int(planted[1:]) % 4][:3]
    named = reasons(inference, person, inference.items[np.array(of_its_kind)])
    assert named == [[Evidence("because_you_bought", item=planted)]] * 3


@pytest.mark.parametrize("planted", PLANTED)
def test_without_the_purchase_that_is_named_the_item_is_out_of_the_list(inference, planted):
    listed = top(inference, who_bought("i2", planted), 9)
    with_it = np.array([row for row in listed if kind_of(inference, row) == int(planted[1:]) % 4])
    assert len(with_it) >= 3
    named = reasons(inference, who_bought("i2", planted), inference.items[with_it])
    assert named == [[Evidence("because_you_bought", item=planted)]] * len(with_it)
    assert not set(with_it) & set(top(inference, who_bought("i2"), 9))


@pytest.mark.parametrize(("gender", "kinds"), [("F", {0, 1}), ("M", {2, 3})])
def test_the_field_that_planted_an_item_is_named_and_without_it_the_item_is_gone(inference, gender, kinds):
    """Gender decides what people buy here, and age says nothing."""
    person = Person({"age": 41.0, "gender": gender})
    listed = top(inference, person, 5)
    assert {int(inference.item_keys[row][1:]) % 4 for row in listed} <= kinds
    named = reasons(inference, person, inference.items[listed])
    assert named == [[Evidence("because_of_your_profile", field="gender")]] * 5
    left = set(top(inference, Person({"age": 41.0}), 5)) & set(listed)
    assert len(left) <= 3


@pytest.mark.parametrize("person", [who_bought("i0", "i5", "i0", "i10", gender="F", age=30.0), who_bought("i3", "i8")])
def test_what_is_named_lowers_the_score_more_than_anything_else_would(inference, person):
    """Each piece of evidence taken away by hand, one person at a time."""
    listed = top(inference, person, 10)
    vectors = inference.items.rank[listed]

    def scores(someone: Person) -> np.ndarray:
        return (inference.encode_users([someone]).rank @ vectors.T)[0]

    drops = {}
    for item in {event.item for event in person.history}:
        history = [event for event in person.history if event.item != item]
        drops[Evidence("because_you_bought", item=item)] = scores(person) - scores(replace(person, history=history))
    for name in person.profile:
        profile = {n: v for n, v in person.profile.items() if n != name}
        drops[Evidence("because_of_your_profile", field=name)] = scores(person) - scores(
            replace(person, profile=profile)
        )
    for k, found in enumerate(reasons(inference, person, inference.items[listed])):
        strongest = max(drops, key=lambda reason, k=k: drops[reason][k])
        assert found == [strongest]


def test_what_has_no_evidence_has_no_reason(inference):
    listed = inference.items[np.arange(3)]
    assert reasons(inference, Person({}), listed) == [[], [], []]
    assert reasons(inference, Person({"gender": None, "age": ""}), listed) == [[], [], []]
    assert reasons(inference, Person({"gender": "F"}), listed, settled=["gender"]) == [[], [], []]


def test_a_purchase_taken_away_is_taken_from_the_count_too(inference, monkeypatch):
    """Of somebody who bought more than is read, the person says how many there are."""
    seen = []
    spy = replace(who_bought("i0", "i0", "i2"), purchases=300)
    original = inference.inputs

    def spying(people, *args):
        seen.extend(people)
        return original(people, *args)

    monkeypatch.setattr(inference, "inputs", spying)
    reasons(inference, spy, inference.items[np.arange(2)])
    assert [person.purchases for person in seen] == [300, 299, 298]


def test_many_people_are_weighed_as_each_would_be_alone(inference, monkeypatch):
    people = [who_bought("i0", "i5", gender="F"), Person({}), who_bought("i3"), Person({"gender": "M", "age": 30.0})]
    listed = inference.items[np.arange(8)]
    monkeypatch.setattr(explain, "AT_ONCE", 3)
    together = [
        encoded.reasons(listed) for encoded in encode_with_ablations(inference, [(person, ()) for person in people])
    ]
    monkeypatch.undo()
    assert together == [reasons(inference, person, listed) for person in people]


def test_of_a_long_history_the_latest_purchases_are_weighed(inference):
    person = who_bought(*[f"i{n}" for n in range(40)], gender="F")
    (encoded,) = encode_with_ablations(inference, [(person, ())])
    latest = [f"i{n}" for n in range(39, 39 - MOST_EVIDENCE + 1, -1)]
    assert [piece.item for piece in encoded.evidence] == [*latest, None]


@pytest.mark.parametrize(
    "person",
    [
        who_bought("i0", "i5", "i0", "i10", "i5", gender="F", age=30.0),
        who_bought(*[f"i{n}" for n in range(40)], gender="M"),
        who_bought(*[f"i{n % 60}" for n in range(130)]),  # more than a list is made from: the window moves, too
        who_bought("i3"),
    ],
)
def test_what_is_read_once_for_all_pieces_of_evidence_changes_no_vector(inference, person):
    (encoded,) = encode_with_ablations(inference, [(person, ())])
    assert encoded.evidence
    for reason, vector in zip(encoded.evidence, encoded.without, strict=True):
        history = [event for event in person.history if event.item != reason.item]
        profile = {name: value for name, value in person.profile.items() if name != reason.field}
        alone = inference.encode_users([Person(profile, history)]).rank[0]
        np.testing.assert_allclose(vector, alone, atol=1e-5)
    whole = inference.encode_users([person])
    np.testing.assert_allclose(encoded.user.rank, whole.rank, atol=1e-5)
    np.testing.assert_allclose(encoded.user.rate, whole.rate, atol=1e-5)
