"""Who did nothing since training is found by all that the user tower reads of them, and by nothing less."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from recommender.engine.bundle.inference import Event, Inference, Person
from recommender.engine.bundle.user_vectors import UserVectors
from recommender.engine.data.tables import read_snapshot
from tests.engine.conftest import person_of

SOMEBODY = Person({"gender": "F", "age": 31.0}, [Event("i1", 1.7e9, 4.0), Event("i2", 1.8e9)], 2)


@pytest.fixture(scope="module")
def inference(bundle):
    return Inference.open(bundle)


def same_inputs(inference, person: Person) -> bool:
    """Whether the user tower reads the same of this person as of SOMEBODY."""
    ours, theirs = (vars(inference.inputs([one])) for one in (SOMEBODY, person))
    return all(np.array_equal(ours[name], theirs[name], equal_nan=True) for name in ours)


def test_every_user_of_the_snapshot_is_found_with_the_vectors_that_the_tower_gives(snapshot, inference):
    users = read_snapshot(snapshot).user_keys.tolist()
    for user in users:
        person = person_of(snapshot, user)
        stored, made = inference.stored(inference.signature(person)), inference.encode_users([person])
        np.testing.assert_allclose(stored.rank, made.rank, atol=1e-5)
        np.testing.assert_allclose(stored.rate, made.rate, atol=1e-5)


def test_who_bought_one_thing_more_is_not_found(snapshot, inference):
    person = person_of(snapshot, "u7")
    more = replace(person, history=[*person.history, Event("i9", person.history[-1].time + 60)], purchases=None)
    assert inference.stored(inference.signature(more)) is None


def test_only_what_serves_has_vectors_of_users(snapshot, bundle):
    judged = Inference.open(bundle, "judged")
    assert judged.stored(judged.signature(person_of(snapshot, "u7"))) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(SOMEBODY, profile={"gender": "M", "age": 31.0}),
        replace(SOMEBODY, profile={"gender": "F", "age": 32.0}),
        replace(SOMEBODY, profile={"gender": "F"}),
        replace(SOMEBODY, purchases=3),
        replace(SOMEBODY, history=SOMEBODY.history[:1]),
        replace(SOMEBODY, history=SOMEBODY.history[::-1]),
        *(
            replace(SOMEBODY, history=[SOMEBODY.history[0]._replace(**told), SOMEBODY.history[1]])
            for told in ({"item": "i3"}, {"time": 1.7e9 + 9e7}, {"rating": 5.0}, {"rating": None})
        ),
    ],
)
def test_whoever_differs_in_anything_that_is_read_is_somebody_else(inference, other):
    assert inference.signature(other) != inference.signature(SOMEBODY)
    assert not same_inputs(inference, other)


@pytest.mark.parametrize(
    "same",
    [
        replace(SOMEBODY, profile={"age": 31, "gender": "F", "shoe_size": 40}),
        replace(SOMEBODY, purchases=None),
        replace(SOMEBODY, history=[SOMEBODY.history[0]._replace(quantity=2.0), SOMEBODY.history[1]]),
        replace(SOMEBODY, history=[SOMEBODY.history[0], Event("nowhere", 1.75e9), SOMEBODY.history[1]]),
        replace(SOMEBODY, history=[event._replace(time=event.time + 3600) for event in SOMEBODY.history]),
    ],
)
def test_what_is_not_read_makes_no_difference(inference, same):
    assert inference.signature(same) == inference.signature(SOMEBODY)
    assert same_inputs(inference, same)


def test_time_that_passed_around_an_item_unknown_here_is_read_as_one(inference):
    """Half an hour and half an hour are less than what is read as an hour, or more, though each is read alike."""

    def somebody(hours: float) -> Person:
        return Person({}, [Event("i1", 0), Event("nowhere", 3600 * hours), Event("i2", 7200 * hours)])

    more, less = somebody(0.6), somebody(0.4)
    assert inference.signature(more) != inference.signature(less)
    everything = inference.row_of | {"nowhere": len(inference.row_of)}
    assert inference.signature(more, everything) == inference.signature(less, everything)


def test_of_a_long_history_what_the_tower_reads_is_enough(inference):
    reads = inference.max_history
    events = [Event(f"i{n % 50}", 1.7e9 + 1e5 * n, float(n % 6)) for n in range(reads + 5)]
    whole, read = Person({}, events), Person({}, events[-reads - 1 :], len(events))
    without_the_one_before = Person({}, events[-reads:], len(events))
    assert inference.signature(whole) == inference.signature(read)
    assert inference.signature(whole) != inference.signature(without_the_one_before)
    np.testing.assert_array_equal(inference.encode_users([whole]).rank, inference.encode_users([read]).rank)


def test_people_of_whom_nothing_differs_are_kept_once(inference, tmp_path):
    people = [Person({"gender": "F"}), SOMEBODY, Person({"gender": "F"})]
    UserVectors.of([inference.signature(person) for person in people], inference.encode_users(people)).save(tmp_path)
    users = UserVectors.open(tmp_path)
    assert len(users) == 2
    for person in people:
        found = users.find(inference.signature(person))
        np.testing.assert_allclose(found.rank, inference.encode_users([person]).rank, atol=1e-5)
    assert users.find(0) is None
    assert users.find(2**64 - 1) is None


def test_a_model_without_users_is_a_model(inference, tmp_path):
    UserVectors.of([], inference.encode_users([])).save(tmp_path)
    assert UserVectors.open(tmp_path).find(7) is None
    assert UserVectors.open(tmp_path / "elsewhere") is None


def test_of_many_users_those_who_bought_last_are_kept(snapshot, bundle, tmp_path, monkeypatch):
    from recommender.engine.data.dataset import TwoTowerDataset
    from recommender.engine.training import writing as saving

    tables = read_snapshot(snapshot)
    saved = shutil.copytree(bundle, tmp_path / "bundle")
    inference = Inference.open(saved)
    monkeypatch.setattr(saving, "MOST_USERS", 5)
    saving.save_users(TwoTowerDataset.build(tables, encoders=inference.encoders), saved)
    users = UserVectors.open(saved / "model")
    last = {user: tables.time[tables.user == row].max() for row, user in enumerate(tables.user_keys.tolist())}
    latest = sorted(last, key=last.__getitem__)[-5:]
    found = [user for user in last if users.find(inference.signature(person_of(snapshot, user))) is not None]
    assert sorted(found) == sorted(latest)
