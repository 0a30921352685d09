"""The best version so far: what every new one is measured beside, so that many small losses are seen."""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.models import ModelVersion, Promotion
from recommender.registry import ANCHOR_DAYS, anchor_version

pytestmark = pytest.mark.django_db
TIE, BETTER = (-0.01, 0.01), (0.002, 0.02)


def promote(name, users=500, action=Promotion.Action.PROMOTE, **intervals):
    """intervals : rival -> ends of the difference in NDCG@10 to it."""
    paired = {
        rival: {"difference": (low + high) / 2, "low": low, "high": high} for rival, (low, high) in intervals.items()
    }
    version, _ = ModelVersion.objects.get_or_create(name=name, defaults={"report": {"users": users, "paired": paired}})
    return Promotion.objects.create(version=version, action=action)


def best():
    version = anchor_version()
    return version and version.name


def test_a_tie_leaves_the_best_version_what_it_is():
    assert best() is None
    promote("first", popularity=BETTER)
    promote("second", live=TIE)
    promote("third", live=BETTER, anchor=TIE)
    assert best() == "first"


def test_a_version_that_is_better_than_the_best_takes_its_place():
    promote("first")
    promote("second", live=BETTER)  # the best one was live
    assert best() == "second"
    promote("third", live=TIE)
    promote("fourth", live=TIE, anchor=BETTER)
    assert best() == "fourth"


def test_a_gain_among_few_people_proves_nothing():
    promote("first")
    promote("second", users=19, live=BETTER)
    assert best() == "first"


def test_a_version_that_a_person_made_live_is_what_others_are_held_against():
    """After the data changed no model is as good as one of before, and somebody let it pass."""
    promote("first")
    promote("second", action=Promotion.Action.OVERRIDE, live=(-0.05, -0.03))
    assert best() == "second"
    promote("first", action=Promotion.Action.ROLL_BACK)
    assert best() == "first"


def test_a_version_is_the_best_for_a_month_at_most():
    """Its bundle holds keys and histories of people who may have left since."""
    first = promote("first")
    promote("second", live=TIE)
    Promotion.objects.filter(pk=first.pk).update(time=timezone.now() - timedelta(days=ANCHOR_DAYS + 1))
    assert best() == "second"
