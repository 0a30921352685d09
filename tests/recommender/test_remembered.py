"""Whoever asks again need not pass the towers again, and the evidence is still their own."""

import numpy as np
import pytest

from catalog.models import Product
from catalog.services import update_product
from customers.services import create_customer
from recommender.engine.bundle.explain import Reason, Weighed
from recommender.engine.bundle.inference import Event, Person
from recommender.engine.data.inputs import Vectors
from recommender.engine.errors import InferenceError
from recommender.serving import live as serving
from recommender.serving.recommendations import recommend
from recommender.serving.remembered import Remembered


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
    first = remembered.weighed("somebody", towers)
    assert remembered.weighed("somebody", towers) is first
    remembered.weighed("somebody else", towers)
    assert towers.asked == 2


def test_those_who_asked_longest_ago_are_forgotten_first():
    remembered, towers = Remembered(most_bytes=2_500), Towers()
    for person in (0, 1, 2, 0, 3):
        remembered.weighed(person, towers)
    assert (len(remembered), towers.asked) == (3, 4)
    remembered.weighed(0, towers)
    assert towers.asked == 4
    remembered.weighed(1, towers)
    assert towers.asked == 5


def test_a_model_that_fails_is_asked_again():
    remembered, towers = Remembered(), Towers()

    def fails() -> Weighed:
        raise InferenceError("The model does not answer.")

    with pytest.raises(InferenceError):
        remembered.weighed("somebody", fails)
    remembered.weighed("somebody", towers)
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
    monkeypatch.setattr(
        "recommender.serving.catalog.weigh", lambda *_, **__: pytest.fail("The towers were asked again.")
    )
    assert asked()[0] == first


def test_another_catalog_remembers_nobody(asked):
    _, remembered = asked()
    update_product(product=Product.objects.get(key="P1"), category="Garden")
    serving.forget()
    _, later = asked()
    assert later is not remembered
    assert len(later) == 1


def test_what_somebody_told_of_themselves_is_evidence_and_what_was_made_of_their_purchases_is_not(trained):
    """Though it is the same to the towers: who bought one thing bought one thing, whether they said so or not."""
    placed, bought = serving.catalog().placed, [Event("P1", 0.0)]
    people = [Person({"total_purchases": 1.0}, bought), Person({}, bought)]
    weighed = [placed.weigh([(person, ())])[0] for person in people]
    assert [[reason.field for reason in one.evidence] for one in weighed] == [[None, "total_purchases"], [None]]
    np.testing.assert_array_equal(weighed[0].user.rank, weighed[1].user.rank)
