"""A process notices what was promoted and what is for sale, and goes on serving whatever happens."""

import shutil
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.bundle.inference import Person
from recommender.models import ModelVersion, Promotion
from recommender.serving import live as serving
from recommender.serving import recommend
from tests import planted
from tests.waiting import until


def listed(**request) -> list[str]:
    return [item.item for item in recommend(**{"count": 48, **request}).items]


def test_before_any_promotion_there_is_no_model(stocked):
    assert serving.live_model() is None
    assert serving.serving_problem() == ""


def test_a_promoted_bundle_is_picked_up_without_restart(stocked, promote):
    assert recommend(customer="C0").source == "popular"
    promote("v1")
    assert recommend(customer="C0").model_version == "v1"
    promote("v2")
    assert recommend(customer="C0").model_version == "v2"


def test_rolling_back_is_one_row(trained, promote):
    promote("v2")
    assert recommend(customer="C0").model_version == "v2"
    Promotion.objects.create(version=trained, action=Promotion.Action.ROLL_BACK)
    assert recommend(customer="C0").model_version == "v1"


@pytest.mark.parametrize("broken", [True, "missing"])
def test_a_bundle_that_does_not_open_leaves_the_old_one_serving(trained, promote, broken, caplog):
    if broken == "missing":
        Promotion.objects.create(version=ModelVersion.objects.create(name="v2"))
    else:
        promote("v2", broken=True)
    assert recommend(customer="C0").model_version == "v1"
    assert "v2 does not open" in serving.serving_problem()
    assert "model_does_not_open" in caplog.text
    promote("v3")
    assert recommend(customer="C0").model_version == "v3"
    assert serving.serving_problem() == ""


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            lambda b: (b / "model" / "item_rank.npy").write_bytes(b"\x93NUMPY"),
            "is altered or truncated: model/item_rank",
        ),
        (lambda b: (b / "artifacts.json").write_text("{}"), "is altered or truncated: artifacts.json"),
        (lambda b: (b / "model" / "item_tower.onnx").unlink(), "is incomplete: model/item_tower.onnx is missing"),
        (lambda b: (b / "manifest.json").write_text('{"format": 99}'), "has format 99"),
    ],
    ids=["truncated", "altered", "incomplete", "newer"],
)
def test_a_damaged_bundle_is_refused_in_a_sentence_and_the_one_before_serves(
    trained, bundle, settings, damage, sentence
):
    before = listed(customer="C0")
    damage(shutil.copytree(bundle, settings.BUNDLE_ROOT / "v2"))
    Promotion.objects.create(version=ModelVersion.objects.create(name="v2"))
    assert recommend(customer="C0").model_version == "v1"
    assert listed(customer="C0") == before
    assert sentence in serving.serving_problem()


def test_a_broken_bundle_is_not_tried_at_every_request(trained, promote, monkeypatch):
    promote("v2", broken=True)
    serving.live_model()
    tried = []
    monkeypatch.setattr(serving.Inference, "open", lambda path: tried.append(path))
    for _ in range(3):
        serving.live_model()
    assert tried == []


def test_a_model_that_opens_and_answers_nobody_never_serves(trained, promote):
    promote("v2")
    planted.break_tower(settings.BUNDLE_ROOT / "v2", table="users.rating.weight")
    assert recommend(customer="C0").model_version == "v1"
    assert "v2 does not open: The model opens but does not work" in serving.serving_problem()


def test_a_model_that_cannot_place_a_new_item_gives_way_to_one_that_can(trained, promote, caplog):
    promote("v2")
    planted.break_tower(settings.BUNDLE_ROOT / "v2", tower="item_tower", table="features.1.weight")
    assert recommend(customer="C0").model_version == "v2"
    Product.objects.create(key="new", name="Running thing new", category="Running")
    answer = recommend(customer="C0")
    assert (answer.source, answer.fallback_reason) == ("popular", "no_model")
    assert "v2 cannot place the items created since" in serving.serving_problem()
    promote("v3")
    assert recommend(customer="C0").model_version == "v3"
    assert serving.serving_problem() == ""
    promote("v4")
    planted.break_tower(settings.BUNDLE_ROOT / "v4", tower="item_tower", table="features.1.weight")
    assert recommend(customer="C0").model_version == "v3"
    assert "v4 cannot place the items created since" in serving.serving_problem()
    assert caplog.text.count("model_cannot_place_items") == 2  # once for each, though several requests came by


def test_a_first_bundle_that_does_not_open_leaves_popular_lists(stocked, promote):
    promote("v1", broken=True)
    answer = recommend(customer="C0")
    assert (answer.source, answer.fallback_reason) == ("popular", "no_model")
    assert "v1 does not open" in serving.serving_problem()


def test_the_database_is_asked_at_most_once_in_a_while(trained, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(serving, "CHECK_EVERY", 60.0)
    serving.live_catalog()
    with django_assert_num_queries(0):
        assert serving.live_catalog() is serving.live_catalog()


def test_nothing_is_read_again_while_nothing_changes(trained, django_assert_num_queries):
    before = serving.live_catalog()
    with django_assert_num_queries(5):  # promotion, items (a hint, and a comparison), purchases, experiment
        assert serving.live_catalog() is before


def test_a_product_created_after_training_can_be_recommended(trained):
    assert "new" not in listed(profile={"gender": "F"})
    Product.objects.create(key="new", name="Running thing new", category="Running")
    catalog = serving.live_catalog()
    assert len(catalog) == 49
    assert catalog.placed.vectors.rank.shape[0] == 49
    # The model's own vectors stay in their file, which workers share: what is newer lies beside them.
    assert isinstance(catalog.placed.vectors.rank.parts[0].base, np.memmap)
    assert catalog.placed.vectors.rank.parts[0] is catalog.live.inference.items.rank
    assert "new" in listed(profile={"gender": "F"})


def test_a_new_product_stands_where_its_features_put_it(trained):
    for category in ("Running", "Garden"):
        Product.objects.create(key=f"new-{category}", name="Something unheard of", category=category)
    woman = listed(profile={"gender": "F"})
    assert woman.index("new-Running") < woman.index("new-Garden")
    man = listed(profile={"gender": "M"})
    assert man.index("new-Garden") < man.index("new-Running")


def test_a_purchase_of_a_new_product_counts_as_history(trained):
    product = Product.objects.create(key="new", name="Garden thing", category="Garden")
    customer = Customer.objects.create(key="newcomer")
    before = recommend(customer="newcomer", count=5)
    Purchase.objects.create(customer=customer, product=product)
    after = recommend(customer="newcomer", count=5)
    assert [i.item for i in before.items] != [i.item for i in after.items]


def test_withdrawn_and_deleted_products_are_listed_nowhere(trained):
    everything = listed(profile={})
    Product.objects.filter(key="P0").update(active=False, updated=timezone.now())
    Purchase.objects.filter(product__key="P1").delete()
    Product.objects.filter(key="P1").delete()
    assert set(everything) - set(listed(profile={})) == {"P0", "P1"}
    assert set(everything) - set(listed()) == {"P0", "P1"}


def test_a_purchase_moves_what_is_popular_at_once(stocked):
    first, second = listed()[:2]
    counts = dict(zip(serving.live_catalog().keys, serving.live_catalog().purchases, strict=True))
    customer = Customer.objects.create(key="fan")
    product = Product.objects.get(key=second)
    for _ in range(int(counts[first] - counts[second]) + 1):
        Purchase.objects.create(customer=customer, product=product)
    assert listed()[0] == second


def test_purchases_of_who_opted_out_do_not_count_as_popular(stocked):
    before = serving.live_catalog().purchases.sum()
    shy = Customer.objects.create(key="shy", personalisation=False)
    Purchase.objects.create(customer=shy, product=Product.objects.get(key="P0"))
    assert serving.live_catalog().purchases.sum() == before


def test_counting_on_equals_counting_anew(stocked):
    serving.live_catalog()
    customer = Customer.objects.create(key="fan")
    for key in ("P0", "P0", "P7"):
        Purchase.objects.create(customer=customer, product=Product.objects.get(key=key), rating=4)
    counted_on = serving.live_catalog()
    serving.forget_live_state()
    counted_anew = serving.live_catalog()
    for name in ("purchases", "rated", "rating_sum", "popular"):
        np.testing.assert_array_equal(getattr(counted_on, name), getattr(counted_anew, name), err_msg=name)


def test_a_request_in_flight_keeps_the_model_it_took(trained, promote):
    taken = serving.live_catalog()
    promote("v2")
    assert serving.live_catalog().live.version == "v2"
    assert taken.live.version == "v1"
    assert len(taken.placed.encode([Person({"gender": "F"})])) == 1


@pytest.mark.django_db(transaction=True)
def test_many_threads_share_one_first_look(monkeypatch):
    looks = []
    original = serving._refresh
    monkeypatch.setattr(serving, "CHECK_EVERY", 60.0)
    monkeypatch.setattr(serving, "_refresh", lambda *asked: looks.append(1) or original(*asked))
    gate, found = threading.Barrier(8), []

    def ask():
        from django.db import connection

        gate.wait()
        found.append(serving.live_catalog())
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) == 1
    assert len({id(catalog) for catalog in found}) == 1


@dataclass(frozen=True)
class Found:
    """What stands in for what a look at the database found."""

    look: int
    catalog: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(shown=None))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # SystemExit ends the watch
def test_where_a_process_keeps_watch_no_request_looks_itself_nor_waits(monkeypatch):
    """The first look is quick, the second opens a model: it takes until the test lets it go."""
    looking, opening, may_go_on, done = (threading.Event() for _ in range(4))
    looks = []

    def refresh(old, items_changed=False):
        if done.is_set():
            raise SystemExit
        looks.append(threading.current_thread().name)
        looking.set()
        if old is not None:
            opening.set()
            may_go_on.wait(10)
        return Found(len(looks))

    monkeypatch.setattr(serving, "_refresh", refresh)
    monkeypatch.setattr(serving, "CHECK_EVERY", 0.5)
    process = serving.Process()
    process.keep_watch()
    assert looking.wait(10), "or this thread might be quicker, and have the first look"
    assert process.state() == Found(1)
    process._checked = float("-inf")  # a request without a watch would look now
    assert process.state() == Found(1)
    assert opening.wait(10)
    assert process.state() == Found(1)
    may_go_on.set()
    until(lambda: process.state() != Found(1), seconds=10)
    assert process.state() == Found(2)
    assert set(looks) == {"recommender-watch"}
    done.set()
    process._watch.join(10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # SystemExit ends the watch
def test_a_watch_outlives_a_database_that_is_away(monkeypatch, caplog):
    looks = []

    def refresh(old, items_changed=False):
        looks.append(old)
        if len(looks) == 2:
            raise OperationalError("the connection is closed")
        if len(looks) == 5:
            raise SystemExit  # ends the thread
        return Found(len(looks))

    monkeypatch.setattr(serving, "_refresh", refresh)
    monkeypatch.setattr(serving, "CHECK_EVERY", 0.01)
    process = serving.Process()
    process.keep_watch()
    process._watch.join(10)
    assert looks[:4] == [None, Found(1), Found(1), Found(3)]
    assert "the connection is closed" in caplog.text


def test_a_price_that_changes_leaves_the_items_vectors_as_they_are(trained):
    Product.objects.create(key="new", name="New", category="Garden")
    before = serving.live_catalog()
    Product.objects.filter(key="P1").update(price=7, active=False)
    Product.objects.filter(key="new").update(active=False)  # its price would place it elsewhere
    now = serving.live_catalog()
    assert now is not before
    assert not now.shown[[now.row_of["P1"], now.row_of["new"]]].any()
    assert now.placed is before.placed


@pytest.mark.parametrize("changed", ["another category", "another item"])
def test_what_places_a_new_item_is_looked_at_again(trained, changed):
    new = Product.objects.create(key="new", name="New", category="Garden")
    before = serving.live_catalog().placed
    if changed == "another category":
        new.category = "Books"
        new.save()
    else:
        Product.objects.create(key="newer", name="Newer", category="Garden")
    now = serving.live_catalog().placed
    assert now is not before
    same = (now.vectors.rank[now.row_of["new"]] == before.vectors.rank[before.row_of["new"]]).all()
    assert same == (changed == "another item")
