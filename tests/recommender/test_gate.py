"""When a trained model may serve: judged on planted reports whose right answer is known."""

import math

import pytest

from recommender.gate import decide


def report(popularity=(0.05, 0.04, 0.06), live=None, users=500, **changes):
    """A run's report. popularity, live : difference in NDCG@10 to them, with the ends of its interval."""
    rivals = {"popularity": popularity, **({"live": live} if live else {})}
    base = 0.1 if users else None
    models = [{"model": "two_tower", "ndcg_10": base, "ndcg_10_interval": [0.09, 0.11] if users else None}]
    models += [{"model": name, "ndcg_10": base and base - pair[0]} for name, pair in rivals.items()]
    paired = {name: dict(zip(("difference", "low", "high"), pair, strict=True)) for name, pair in rivals.items()}
    return {"users": users, "models": models, "paired": paired, "segments": [], "ratings": None, "curve": [], **changes}


def test_a_better_model_is_promoted_and_the_reason_names_the_numbers():
    decision = decide(report(popularity=(0.065, 0.051, 0.079)))
    assert decision.promote
    assert "NDCG@10 .100 beside .035 for popularity: +.065 (+.051 to +.079), better" in decision.reason
    assert "500 people" in decision.reason


def test_a_model_worse_than_popularity_is_refused():
    decision = decide(report(popularity=(-0.03, -0.05, -0.01)))
    assert not decision.promote
    assert "worse than popularity: NDCG@10 .100 beside .130 for popularity: -.030 (-.050 to -.010)" in decision.reason


def test_a_model_worse_than_the_live_one_is_refused_though_it_beats_popularity():
    decision = decide(report(live=(-0.02, -0.03, -0.01)))
    assert not decision.promote
    assert "worse than the live model" in decision.reason
    assert "popularity" not in decision.reason


def test_a_tie_passes():
    decision = decide(report(popularity=(-0.01, -0.03, 0.01), live=(-0.001, -0.004, 0.002)))
    assert decision.promote
    assert decision.reason.count("a tie") == 2


def test_only_an_interval_wholly_below_zero_refuses():
    assert decide(report(live=(-0.02, -0.04, 0.0))).promote
    assert not decide(report(live=(-0.02, -0.04, -1e-9))).promote


def test_being_worse_than_popularity_by_segment_does_not_refuse():
    judged = report()
    judged["paired"]["segment_popularity"] = {"difference": -0.1, "low": -0.2, "high": -0.05}
    assert decide(judged).promote


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_a_number_is_refused(nonsense):
    judged = report()
    judged["models"][0]["mrr"] = nonsense
    decision = decide(judged)
    assert not decision.promote
    assert "mrr of two_tower" in decision.reason


def test_an_interval_a_rating_error_or_a_loss_that_is_not_a_number_is_refused():
    broken_interval = report(popularity=(0.05, math.nan, math.nan))
    broken_ratings = report(ratings={"rmse": math.inf, "n": 12})
    broken_loss = report(curve=[{"epoch": 1, "loss": 6.0}, {"epoch": 2, "loss": math.nan}])
    assert "the paired low to popularity" in decide(broken_interval).reason
    assert "the ratings' rmse" in decide(broken_ratings).reason
    assert "the loss of epoch 2" in decide(broken_loss).reason
    assert not any(decide(judged).promote for judged in (broken_interval, broken_ratings, broken_loss))


def test_an_epoch_without_anybody_to_validate_on_refuses_nothing():
    assert decide(report(curve=[{"epoch": 1, "loss": 6.0, "ndcg_10": math.nan}])).promote


def test_a_shop_where_nobody_could_be_measured_passes_and_says_so():
    decision = decide(report(popularity=(None, None, None), users=0))
    assert decision.promote
    assert "unmeasured" in decision.reason
