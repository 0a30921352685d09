"""Whoever asks again is known by all that the towers were told of them, and by nothing less."""

from dataclasses import replace

import numpy as np
import pytest

from catalog.models import Product
from catalog.services import update_product
from customers.services import create_customer
from recommender import serving
from recommender.engine.errors import InferenceError
from recommender.engine.explain import Reason, Weighed
from recommender.engine.inference import Event, Person
from recommender.engine.inputs import Vectors
from recommender.recommendations import recommend
from recommender.remembered import Remembered

SOMEBODY = Person({"gender": "F", "age": 31.0}, [Event("P1", 1.7e9, 4.0, 1.0, {"total": 3.5}), Event("P2", 1.8e9)], 2)


def made() -> Weighed:
    row = np.zeros((1, 4), np.float32)
    return Weighed(Vectors(row, row, row), [Reason("because_you_bought", item="P1")], row)


class Towers:
    """Counts how often they are asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Weighed:
        self.asked += 1
        return made()


def test_the_same_person_is_made_once():
    remembered, towers = Remembered(), Towers()
    first = remembered.weighed(SOMEBODY, (), towers)
    again = replace(SOMEBODY, profile=dict(SOMEBODY.profile), history=list(SOMEBODY.history))
    assert remembered.weighed(again, [], towers) is first
    assert towers.asked == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(SOMEBODY, profile={"gender": "M", "age": 31.0}),
        replace(SOMEBODY, profile={"gender": "F", "age": 32.0}),
        replace(SOMEBODY, profile={"gender": "F"}),
        replace(SOMEBODY, purchases=3),
        replace(SOMEBODY, purchases=None),
        replace(SOMEBODY, history=SOMEBODY.history[:1]),
        replace(SOMEBODY, history=SOMEBODY.history[::-1]),
        *(
            replace(SOMEBODY, history=[SOMEBODY.history[0]._replace(**told), SOMEBODY.history[1]])
            for told in (
                {"item": "P3"},
                {"time": 1.7e9 + 1},
                {"rating": 5.0},
                {"rating": None},
                {"quantity": 2.0},
                {"values": {"total": 3.6}},
                {"values": {}},
            )
        ),
    ],
)
def test_whoever_differs_in_anything_is_somebody_else(other):
    remembered, towers = Remembered(), Towers()
    remembered.weighed(SOMEBODY, (), towers)
    remembered.weighed(other, (), towers)
    assert towers.asked == 2


@pytest.mark.parametrize("settled", [None, ("age",)])
def test_with_other_evidence_the_same_person_is_made_anew(settled):
    remembered, towers = Remembered(), Towers()
    remembered.weighed(SOMEBODY, (), towers)
    remembered.weighed(SOMEBODY, settled, towers)
    assert towers.asked == 2


def test_those_who_asked_longest_ago_are_forgotten_first():
    remembered, towers = Remembered(most_bytes=2_500), Towers()
    people = [replace(SOMEBODY, purchases=n) for n in range(4)]
    for person in (people[0], people[1], people[2], people[0], people[3]):
        remembered.weighed(person, (), towers)
    assert (len(remembered), towers.asked) == (3, 4)
    remembered.weighed(people[0], (), towers)
    assert towers.asked == 4
    remembered.weighed(people[1], (), towers)
    assert towers.asked == 5


def test_a_model_that_fails_is_asked_again():
    remembered, towers = Remembered(), Towers()

    def fails() -> Weighed:
        raise InferenceError("The model does not answer.")

    with pytest.raises(InferenceError):
        remembered.weighed(SOMEBODY, (), fails)
    remembered.weighed(SOMEBODY, (), towers)
    assert (len(remembered), towers.asked) == (1, 1)


@pytest.fixture
def asked(trained):
    """The lists of a customer, and who was remembered after each."""
    create_customer(key="newcomer", gender="F")

    def ask():
        answer = recommend(customer="newcomer", count=8)
        return [(i.item, i.score, i.rating, i.reasons) for i in answer.items], serving.catalog().placed.asked

    return ask


def test_a_list_asked_again_is_the_same_and_costs_no_tower(asked, monkeypatch):
    first, remembered = asked()
    assert len(remembered) == 1
    monkeypatch.setattr("recommender.live_catalog.weigh", lambda *_, **__: pytest.fail("The towers were asked again."))
    assert asked()[0] == first


def test_another_catalog_remembers_nobody(asked):
    _, remembered = asked()
    update_product(product=Product.objects.get(key="P1"), category="Garden")
    serving.forget()
    _, later = asked()
    assert later is not remembered
    assert len(later) == 1
