"""Two ways of making lists, each for a stable share of the people, who count once each; the better one goes live."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.errors import ExperimentError
from recommender.experiments import exposures
from recommender.experiments import service as experiments
from recommender.experiments.assignment import RunningArm, RunningExperiment
from recommender.experiments.results import experiment_results
from recommender.feedback.counts import remove_lists
from recommender.feedback.visits import visitor_id_of
from recommender.models import Arm, Event, Experiment, Exposure, ModelVersion, Promotion, ServedList
from recommender.registry import promotion as versions
from recommender.registry.pruning import prune_bundles
from recommender.serving import ListRequest, recommend, recommend_many
from recommender.serving import live as serving
from tests import planted
from tests.recommender.lists import cart, similar

pytestmark = pytest.mark.django_db
LIVE, POPULAR, VERSION = Arm.Model.LIVE, Arm.Model.POPULAR, Arm.Model.VERSION


def plan(a=None, b=None, **fields):
    arms = [a or {"model": LIVE}, b or {"model": POPULAR}]
    return experiments.plan_experiment(**{"name": "Test", "arms": arms, **fields})


def running(*arms, **fields):
    return experiments.start_experiment(experiment=plan(*arms, **fields))


def of(version):
    return {"model": VERSION, "version": version}


def arm_of(customer):
    """The arm whose list the customer is shown last, by name."""
    return ServedList.objects.filter(customer=customer).latest("created").arm


# --- who is in which arm ----------------------------------------------------------------------------------------------


def made(share=1.0, share_of_b=0.5, salt="s", scenario=""):
    return RunningExperiment(1, scenario, share, share_of_b, salt, (RunningArm(1, "A"), RunningArm(2, "B")))


def test_people_fall_into_the_arms_as_the_shares_say():
    found = Counter(
        arm.name if (arm := made(share=0.5, share_of_b=0.2).arm_of(f"C{n}", "home")) else "" for n in range(20_000)
    )
    assert found[""] == pytest.approx(10_000, abs=300)
    assert found["A"] == pytest.approx(8_000, abs=300)
    assert found["B"] == pytest.approx(2_000, abs=200)


def test_a_person_stays_in_their_arm_and_another_experiment_deals_anew():
    one, again, other = made(salt="one"), made(salt="one"), made(salt="other")
    arms = [(one.arm_of(f"C{n}", ""), again.arm_of(f"C{n}", ""), other.arm_of(f"C{n}", "")) for n in range(4_000)]
    assert all(a == b for a, b, _ in arms)
    assert sum(a == c for a, _, c in arms) == pytest.approx(2_000, abs=150)


def test_more_people_taking_part_move_nobody_from_arm_to_arm():
    few, many = made(share=0.3), made(share=0.9)
    before = {f"C{n}": arm for n in range(2_000) if (arm := few.arm_of(f"C{n}", ""))}
    assert all(many.arm_of(person, "") == arm for person, arm in before.items())


def test_nobody_and_other_scenarios_are_in_no_arm():
    assert made().arm_of("", "home") is None
    assert made(scenario="home").arm_of("C1", "cart") is None
    assert made(scenario="home").arm_of("C1", "home") is not None


# --- what they are shown ----------------------------------------------------------------------------------------------


def test_each_arm_gets_its_own_version_and_stays_with_it(trained, promote):
    other = promote("v2")
    Promotion.objects.create(version=trained)
    running(of(trained), of(other))
    seen = {n: recommend(customer=f"C{n}").model_version for n in range(40)}
    assert set(seen.values()) == {"v1", "v2"}
    assert {n: recommend(customer=f"C{n}").model_version for n in range(40)} == seen
    together = recommend_many([ListRequest(customer=f"C{n}") for n in range(40)])
    assert {n: answer.model_version for n, answer in enumerate(together)} == seen
    for n, version in seen.items():
        row = ServedList.objects.filter(customer=f"C{n}").latest("created")
        assert (row.version.name, row.arm.version.name) == (version, version)


def test_an_arm_without_a_model_is_shown_what_is_popular_and_says_why(trained):
    running()
    answers = {n: recommend(customer=f"C{n}") for n in range(20)}
    for n, answer in answers.items():
        popular = arm_of(f"C{n}").name == "B"
        assert (answer.source == "popular") == popular
        assert answer.fallback_reason == ("experiment" if popular else None)
    assert {answer.source for answer in answers.values()} == {"popular", "two_tower"}


def test_settings_of_an_arm_hold_whatever_the_page_asks(trained):
    running({"model": LIVE}, {"model": LIVE, "diversity": 1.0})
    people = [f"C{n}" for n in range(20)]
    alike = {key: [i.item for i in recommend(customer=key, count=8).items] for key in people}
    arms = {key: arm_of(key).name for key in people}
    experiments.stop_experiment(experiment=Experiment.objects.get())
    for diversity, name in ((0.0, "A"), (1.0, "B")):
        mine = [key for key in people if arms[key] == name]
        assert mine
        for key in mine:
            assert [i.item for i in recommend(customer=key, count=8, diversity=diversity).items] == alike[key]


def test_the_cart_is_part_of_it_and_lists_of_an_item_are_not(trained):
    running()
    cart(["P3"], customer="C0")
    assert arm_of("C0") is not None
    similar("P3", customer="C0")
    assert arm_of("C0") is None


def test_who_opted_out_takes_no_part(trained):
    running({"model": LIVE}, {"model": LIVE, "diversity": 1.0})
    Customer.objects.update(personalisation=False)
    for n in range(10):
        assert recommend(customer=f"C{n}").fallback_reason == "opted_out"
    assert not ServedList.objects.exists()


def test_a_profile_and_a_visitor_without_a_session_take_no_part(trained):
    running()
    recommend(profile={"gender": "F"})
    recommend()
    assert not ServedList.objects.exclude(arm=None).exists()


def test_a_visitor_is_known_by_a_number_that_is_not_their_session(client, trained):
    running(share_of_b=0.5)
    client.get("/products/P3/")  # begins a session
    client.get("/")
    served = ServedList.objects.exclude(arm=None).latest("created")
    key = client.session.session_key
    assert served.visitor
    assert key not in served.visitor
    client.get("/")
    assert ServedList.objects.exclude(arm=None).latest("created").visitor == served.visitor
    assert visitor_id_of(None) == ""


def test_an_experiment_costs_a_request_no_query(trained, promote, monkeypatch):
    other = promote("v2")
    Promotion.objects.create(version=trained)
    monkeypatch.setattr(serving, "CHECK_EVERY", 60.0)

    def queries_of_a_list():
        serving.forget_live_state()
        recommend(customer="C0")
        with CaptureQueriesContext(
            connection,
        ) as told:
            recommend(customer="C0")
        return len(told)

    before = queries_of_a_list()
    running(of(trained), of(other))
    assert queries_of_a_list() == before


# --- models of arms ---------------------------------------------------------------------------------------------------


def test_the_live_model_stands_in_for_one_that_does_not_open_and_the_results_say_so(trained, promote, settings, caplog):
    broken = promote("v2")
    Promotion.objects.create(version=trained)
    experiment = running(of(trained), of(broken))
    planted.break_tower(settings.BUNDLE_ROOT / "v2", table="users.rating.weight")
    assert {recommend(customer=f"C{n}").model_version for n in range(20)} == {"v1"}
    assert caplog.text.count("model_does_not_open") == 1
    assert experiment_results(experiment).other_version_lists[0] == 0
    assert experiment_results(experiment).other_version_lists[1] > 0


def test_both_models_follow_what_is_bought_and_created(trained, promote):
    other = promote("v2")
    Promotion.objects.create(version=trained)
    running(of(trained), of(other))
    before = serving.live_state()
    assert set(before.beside) == {other.pk}
    Product.objects.create(key="new", name="Running thing new", category="Running")
    Purchase.objects.create(customer=Customer.objects.create(key="newcomer"), product=Product.objects.get(key="P0"))
    after = serving.live_state()
    for catalog in (after.catalog, after.beside[other.pk]):
        assert "new" in catalog.row_of
        assert catalog.purchases.sum() == before.catalog.purchases.sum() + 1
    assert after.beside[other.pk].live is before.beside[other.pk].live  # opened once


def test_a_promotion_meanwhile_opens_nothing_twice(trained, promote, monkeypatch):
    other = promote("v2")
    Promotion.objects.create(version=trained)
    running(of(trained), of(other))
    before = serving.live_state()
    monkeypatch.setattr(serving.Inference, "open", lambda path: pytest.fail(f"opened {path}"))
    Promotion.objects.create(version=other)
    after = serving.live_state()
    assert after.catalog.live is before.beside[other.pk].live
    assert after.beside[trained.pk].live is before.catalog.live


def test_when_it_is_over_its_models_are_let_go(trained, promote):
    other = promote("v2")
    Promotion.objects.create(version=trained)
    experiment = running(of(trained), of(other))
    assert serving.live_state().beside
    experiments.stop_experiment(experiment=experiment)
    assert not serving.live_state().beside
    assert {recommend(customer=f"C{n}").model_version for n in range(20)} == {"v1"}


def test_bundles_of_a_running_experiment_are_not_pruned(trained, promote):
    other = promote("v2")
    for name in ("v3", "v4"):
        promote(name)
    experiment = running({"model": LIVE}, of(other))
    assert prune_bundles(keep=1) == []  # v1 is the best so far
    experiments.stop_experiment(experiment=experiment)
    assert prune_bundles(keep=1) == ["v2"]


# --- planning, starting, stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"share": 0.0}, "above 0 and at most 1"),
        ({"share": 1.5}, "above 0 and at most 1"),
        ({"share_of_b": 0.1}, "from 0.2 to 0.8"),
        ({"days": 0}, "greater than or equal to 1"),
        ({"people": 10}, "greater than or equal to 200"),
        ({"b": {"model": LIVE}}, "Both arms are the same"),
        ({"b": {"model": LIVE, "diversity": 2.0}}, "diversity of arm B is 2; it must be from 0 to 1"),
        ({"b": {"model": VERSION}}, "Arm B needs a version"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        plan(**wrong)
    assert not Experiment.objects.exists()


def test_one_experiment_runs_at_a_time():
    running()
    second = plan(name="Second")
    with pytest.raises(ExperimentError, match="Test is running; one experiment runs at a time"):
        experiments.start_experiment(experiment=second)
    with pytest.raises(IntegrityError), transaction.atomic():
        Experiment.objects.filter(pk=second.pk).update(state=Experiment.State.RUNNING)


def test_a_version_that_is_gone_cannot_start(settings, tmp_path):
    settings.BUNDLE_ROOT = tmp_path
    gone = ModelVersion.objects.create(name="v1", pruned=timezone.now())
    missing = ModelVersion.objects.create(name="v2")
    for version, why in ((gone, "its bundle was removed"), (missing, "v2")):
        with pytest.raises(ExperimentError, match=f"of arm B cannot serve: .*{why}"):
            experiments.start_experiment(experiment=plan(b=of(version), name=version.name))


def test_only_what_is_planned_starts_and_only_what_runs_stops():
    experiment = running()
    with pytest.raises(ExperimentError, match="is running; only a planned experiment can be started"):
        experiments.start_experiment(experiment=experiment)
    experiments.stop_experiment(experiment=experiment, reason="Enough.")
    assert (experiment.state, experiment.reason) == ("stopped", "Enough.")
    with pytest.raises(ExperimentError, match="is stopped; only a running experiment can be stopped"):
        experiments.stop_experiment(experiment=experiment)
    with pytest.raises(ExperimentError, match="only a planned experiment can be removed"):
        experiments.remove_experiment(experiment=experiment)
    second = plan(name="Second")
    experiments.remove_experiment(experiment=second)
    assert Experiment.objects.get() == experiment


def test_the_better_arm_goes_live_and_the_promotion_says_why(trained, promote):
    other = promote("v2")
    Promotion.objects.create(version=trained)
    experiment = running({"model": LIVE}, of(other))
    experiments.stop_and_promote(
        arm=experiment.arms.get(name="B"), reason="Clear.", findings="Revenue a customer +$1.00."
    )
    promotion = Promotion.objects.first()
    assert (promotion.version, promotion.action) == (other, "override")  # the gate never judged this one
    assert promotion.reason == "Experiment Test, arm B. Revenue a customer +$1.00. Clear."
    assert versions.live_version() == other
    experiment.refresh_from_db()
    assert experiment.state == "stopped"


def test_what_cannot_go_live_leaves_the_experiment_running(trained):
    experiment = running(of(trained), {"model": POPULAR})
    with pytest.raises(ExperimentError, match="there is no version to promote"):
        experiments.stop_and_promote(arm=experiment.arms.get(name="B"))
    with pytest.raises(ExperimentError, match="serves already"):
        experiments.stop_and_promote(arm=experiment.arms.get(name="A"))
    experiment.refresh_from_db()
    assert experiment.state == "running"
    assert Promotion.objects.count() == 1


# --- what came of it --------------------------------------------------------------------------------------------------


def shown(arm, customer, at, clicked=False, visitor=""):
    row = ServedList.objects.create(
        arm=arm, customer=customer, visitor=visitor, source="two_tower", items=["lamp"], length=1
    )
    ServedList.objects.filter(pk=row.pk).update(created=at)
    if clicked:
        Event.objects.create(
            kind="click", item="lamp", customer=customer, recommendation=row, time=at + timedelta(minutes=1)
        )
    return row


def begun(days_ago, **fields):
    experiment = running(**fields)
    then = timezone.now() - timedelta(days=days_ago)
    Experiment.objects.filter(pk=experiment.pk).update(started=then, exposed_until=then)
    experiment.refresh_from_db()
    return experiment, *experiment.arms.order_by("name")


def test_a_person_counts_once_with_what_they_did_in_their_days():
    _, a, _ = begun(30)
    start = timezone.now() - timedelta(days=20)
    ada, lamp = Customer.objects.create(key="ada"), Product.objects.create(key="lamp", name="Lamp")
    for day, clicked in ((0, True), (3, False), (8, True)):
        shown(a, "ada", start + timedelta(days=day), clicked)
    for day, amount in ((-1, 5), (1, 20), (6, 30), (7.5, 40)):
        Purchase.objects.create(customer=ada, product=lamp, time=start + timedelta(days=day), amount=Decimal(amount))
    exposures.follow_experiments()
    person = Exposure.objects.get()
    assert (person.customer, person.arm, person.first) == ("ada", a, start)
    assert (person.lists, person.click_rate, person.orders, person.revenue) == (2, 0.5, 2, 50.0)
    assert person.settled == start + timedelta(days=7)


def test_whose_days_are_not_over_is_seen_and_not_counted():
    experiment, a, b = begun(30)
    now = timezone.now()
    shown(a, "ada", now - timedelta(days=8))
    shown(b, "bob", now - timedelta(days=6))
    exposures.follow_experiments()
    found = experiment_results(experiment)
    assert (found.people, found.settled) == ((1, 1), (1, 0))
    experiments.stop_experiment(experiment=experiment)
    Exposure.objects.filter(customer="bob").update(first=now - timedelta(days=9))
    exposures.settle_exposures(experiment)
    assert experiment_results(experiment).settled == (1, 1)


def test_who_comes_back_is_taken_down_once_and_lists_may_go():
    experiment, a, _ = begun(30)
    first = timezone.now() - timedelta(days=2)
    shown(a, "ada", first)
    exposures.follow_experiments()
    shown(a, "ada", timezone.now())
    shown(a, "", timezone.now(), visitor="f00")
    exposures.follow_experiments()
    assert [(row.customer, row.visitor) for row in Exposure.objects.all()] == [("ada", ""), ("", "f00")]
    assert Exposure.objects.get(customer="ada").first == first
    remove_lists(ServedList.objects.all())
    assert experiment_results(experiment).people == (2, 0)


def test_visitors_count_for_clicks_and_not_for_revenue():
    experiment, a, _ = begun(30)
    shown(a, "", timezone.now() - timedelta(days=9), visitor="f00", clicked=True)
    exposures.follow_experiments()
    revenue, clicks = experiment_results(experiment).measures
    assert (revenue.name, revenue.arms[0].n) == ("revenue", 0)
    assert (clicks.name, clicks.arms[0].n, clicks.arms[0].mean) == ("click_rate", 1, 1.0)


def people_of(experiment, revenue_b=1.0, per_arm=600, seed=0):
    """Settled people, a few each day; arm B spends so many times as much."""
    rng, start = np.random.default_rng(seed), timezone.now() - timedelta(days=40)
    for factor, arm in zip((1.0, revenue_b), experiment.arms.order_by("name"), strict=True):
        spent = np.where(rng.random(per_arm) < 0.3, rng.lognormal(3, 0.5, per_arm), 0) * factor
        Exposure.objects.bulk_create(
            Exposure(
                arm=arm,
                customer=f"{arm.name}{n}",
                first=start + timedelta(days=n % 30),
                settled=start + timedelta(days=n % 30 + 7),
                lists=5,
                click_rate=float(rng.random() < 0.2),
                revenue=float(spent[n]),
            )
            for n in range(per_arm)
        )


def test_a_planted_difference_is_found_and_its_interval_grows_narrower():
    experiment, *_ = begun(40)
    people_of(experiment, revenue_b=2.0)
    revenue, clicks = experiment_results(experiment).measures
    assert revenue.difference.low > 0
    assert revenue.difference.low < 0.3 * np.exp(3 + 0.5**2 / 2) < revenue.difference.high  # what was planted
    widths = [d.high - d.low for _, d in revenue.daily if d.low is not None]
    assert widths[-1] < widths[0]
    assert [day for day, _ in revenue.daily] == sorted({day for day, _ in revenue.daily})
    assert not clicks.difference.is_clear
    assert experiment_results(experiment).is_clear


def test_arms_that_are_the_same_are_not_told_apart():
    experiment, *_ = begun(40)
    people_of(experiment)
    assert not experiment_results(experiment).is_clear


def test_uneven_numbers_of_people_are_noticed():
    experiment, a, b = begun(40)
    for arm, n in ((a, 1_000), (b, 800)):
        Exposure.objects.bulk_create(
            Exposure(arm=arm, customer=f"{arm.name}{i}", first=timezone.now()) for i in range(n)
        )
    assert experiment_results(experiment).is_mismatched
    Exposure.objects.filter(pk__in=list(Exposure.objects.filter(arm=a).values_list("pk", flat=True)[:190])).delete()
    assert not experiment_results(experiment).is_mismatched
