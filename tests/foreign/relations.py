"""Relations of other projects: variants, guests, annotations, other sides of one-to-one, stock in its own table."""

import json
from datetime import timedelta

import pyarrow.parquet as pq
import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from rest_framework.test import APIClient

from recommender import feedback
from recommender.engine.data.tables import read_snapshot
from recommender.models import Dismissal, Event, TrainingRun, TrainingSchedule
from recommender.monitoring import watch_drift
from recommender.serving import make_list, recommend
from recommender.serving.live import live_catalog, live_state
from recommender.source import count_purchases, get_source
from recommender.source.checks import check_source
from recommender.training import start_due_runs
from recommender.training.export import export_snapshot
from tests.foreign import sources, world
from tests.foreign.models import Article, Blurb, Book, Line, Order, Stock, Tenant, Topic

SHAPES = [
    sources.Variants,
    sources.VariantsOutside,
    sources.SoldAsParent,
    sources.Annotated,
    sources.Related,
    sources.Books,
    sources.OfTenants,
]


def user(number: int = 3):
    return get_user_model().objects.get(username=f"p{number}")


def customer(number: int = 3) -> str:
    return str(user(number).pk)


def signed_in(number: int = 3) -> APIClient:
    client = APIClient()
    client.force_login(user(number))
    return client


def listed(kind: str = "for_you", about=None, count: int = 100, **request) -> list[str]:
    return [item.item for item in make_list(kind, about, count, **request).items]


def tables(tmp_path):
    folder = tmp_path / "snapshot"
    export_snapshot(source=get_source(), folder=folder)
    found = {name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("users", "items", "interactions")}
    left_out = folder / "left_out.json"
    return found, json.loads(left_out.read_text()) if left_out.exists() else []


@pytest.fixture
def variants(stocked):
    """Two variants of A0, of which p3 bought one."""
    parent = Article.objects.get(sku="A0")
    made = [Article.objects.create(tenant=parent.tenant, parent=parent, sku=f"A0-{size}") for size in ("S", "L")]
    Line.objects.filter(order__user=user(), article=parent).delete()
    world.buy(made[0], user=user())
    return made


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_check_finds_nothing_wrong_and_lists_answer_before_and_after_training(shape, source, stocked, train):
    for article in Article.objects.all():
        Book(article_ptr=article, **{f.attname: getattr(article, f.attname) for f in Article._meta.fields}).save()
        Stock.objects.create(article=article, place="here", number=1)
    source(shape)
    doubtful = {"recommender.W014", "recommender.W016"} if shape.item_key == "sku" else set()
    assert {message.id for message in check_source(None)} == doubtful
    key = "U-p3" if shape is sources.Annotated else customer()
    before = recommend(customer=key, count=5)
    assert (len(before.items), before.fallback_reason) == (5, "no_model")
    train()
    after = recommend(customer=key, count=5)
    assert (len(after.items), after.source) == (5, "two_tower")
    first = after.items[0].item
    for kind in ("similar", "bought_together", "also_viewed"):
        assert make_list(kind, first, 3).items
    answer = signed_in().post("/api/v1/recommendations/", {"count": 3}, format="json").json()
    assert (len(answer["items"]), answer["source"]) == (3, "two_tower")
    assert feedback.count_recent_lists() > 0


@pytest.mark.parametrize("shape", [sources.UsersAsCustomers, sources.Variants, sources.Annotated, sources.Books])
def test_drift_is_watched_and_schedules_count_in_every_shape(shape, source, variants, train):
    for article in Article.objects.all():
        Book(article_ptr=article, **{f.attname: getattr(article, f.attname) for f in Article._meta.fields}).save()
    source(shape)
    train()
    started = []
    schedule = TrainingSchedule.objects.create(purchases=60)

    def start(**parameters):
        started.append(TrainingRun.objects.create(state="failed"))
        return started[-1]

    start_due_runs(start=start)
    others = Article.objects.filter(parent=None).exclude(pk=variants[0].parent_id)
    for n in range(80):
        world.buy(variants[n % 2] if n < world.PEOPLE else others[n % 20], user=user(n % world.PEOPLE))
        world.buy(variants[n % 2], user=None)
    findings = watch_drift()
    assert {finding.subject for finding in findings} >= {"purchases"}
    assert not started
    start_due_runs(start=start)
    assert len(started) == 1
    schedule.refresh_from_db()
    assert schedule.counted == count_purchases(get_source())


# --- variants ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [sources.Variants, sources.VariantsOutside, sources.SoldAsParent])
def test_purchases_of_variants_teach_their_parent(shape, source, variants, tmp_path):
    source(shape)
    parent = "A0" if shape.item_key == "sku" else str(variants[0].parent_id)
    found, _ = tables(tmp_path)
    assert parent in [row["item"] for row in found["interactions"] if row["user"] == customer()]
    assert len(found["items"]) == world.ARTICLES


@pytest.mark.parametrize("shape", [sources.Variants, sources.VariantsOutside, sources.SoldAsParent])
def test_lists_show_the_parent_and_not_to_whom_has_a_variant(shape, source, variants):
    source(shape)
    parent = "A0" if shape.item_key == "sku" else str(variants[0].parent_id)
    keys = {variant.sku if shape.item_key == "sku" else str(variant.pk) for variant in variants}
    everything = listed("popular")
    assert parent in everything
    assert keys.isdisjoint(everything)
    assert len(everything) == world.ARTICLES
    newcomer = get_user_model().objects.create_user("newcomer")
    assert parent in listed(customer=str(newcomer.pk))
    assert parent not in listed(customer=customer())


@pytest.mark.parametrize("shape", [sources.Variants, sources.VariantsOutside])
def test_the_key_of_a_variant_stands_for_its_parent_at_every_door(shape, source, variants, client):
    source(shape)
    variant = variants[1]
    key, parent = (variant.sku, "A0") if shape.item_key == "sku" else (str(variant.pk), str(variant.parent_id))
    assert listed("similar", key) == listed("similar", parent)
    assert listed("bought_together", key) == listed("bought_together", parent)
    assert parent not in listed("popular", exclude=[key])
    assert listed("cart", [key]) == listed("cart", [parent])
    assert parent not in listed("cart", [key])
    api = signed_in(5)
    assert api.get(f"/api/v1/products/{key}/similar/").status_code == 200
    assert api.post("/api/v1/events/", {"kind": "view", "item": key}, format="json").status_code == 201
    assert Event.objects.get().item == parent
    assert api.post("/api/v1/dismissals/", {"item": key}, format="json").status_code == 201
    assert Dismissal.objects.get().item == parent
    assert api.delete(f"/api/v1/dismissals/{key}/").status_code == 204
    assert api.post("/api/v1/ratings/", {"item": key}, format="json").status_code == 200
    client.force_login(user(7))
    assert client.get(f"/articles/{key}/").status_code == 200
    assert Event.objects.filter(item=parent).count() == 2
    assert client.get(f"/recommendations/{key}/why/?source=popular").status_code == 200


def test_a_click_on_a_list_counts_where_the_page_is_a_variants(source, variants):
    source(sources.Variants)
    Line.objects.filter(order__user=user(5), article__sku="A0").delete()
    api = signed_in(5)
    answer = api.post("/api/v1/recommendations/", {"count": 50}, format="json").json()
    assert "A0" in [item["item"] for item in answer["items"]]
    sent = {"kind": "click", "item": "A0-L", "recommendation_id": answer["recommendation_id"]}
    assert api.post("/api/v1/events/", sent, format="json").status_code == 201
    assert Event.objects.get().recommendation is not None
    world.buy(variants[0], user=user(5))  # another variant of what was clicked on
    feedback.count_recent_lists()
    day = timezone.localdate()
    assert sum(result.orders for result in feedback.list_results(day - timedelta(days=1), day)) == 1


def test_a_variant_made_a_moment_ago_is_known(source, variants):
    source(sources.Variants)
    live_catalog()
    parent = variants[0].parent
    Article.objects.create(tenant=parent.tenant, parent=parent, sku="A0-XL")
    assert listed("similar", "A0-XL") == listed("similar", "A0")


# --- guests, and what is not sold any more ----------------------------------------------------------------------------


def test_what_guests_bought_and_what_is_of_no_item_is_left_out_and_counted(source, stocked, tmp_path):
    source(sources.UsersAsCustomers)
    article = Article.objects.first()
    for _ in range(3):
        world.buy(article, user=None)
    for _ in range(2):
        world.buy(None, user=user())
    _, left_out = tables(tmp_path)
    assert [(row["column"], row["count"]) for row in left_out] == [("user", 3)]
    said = [part.sentence() for part in read_snapshot(tmp_path / "snapshot").left_out]
    assert any(sentence.startswith("interactions: 2 rows are left out, because item is missing") for sentence in said)
    assert len(listed(customer=customer())) == world.ARTICLES - world.LINES
    assert listed("popular")
    assert listed("bought_together", str(article.pk))


def test_a_shop_of_guests_alone_says_so(source, stocked, tmp_path):
    source(sources.UsersAsCustomers)
    Line.objects.all().delete()
    world.buy(Article.objects.first(), user=None)
    found, left_out = tables(tmp_path)
    assert found["interactions"] == []
    assert [(row["column"], row["count"]) for row in left_out] == [("user", 1)]
    assert len(listed("popular")) == world.ARTICLES


# --- the other side of relations --------------------------------------------------------------------------------------


def test_stock_in_several_places_lists_an_item_once(source, stocked, tmp_path):
    source(sources.Related)
    first, second = Article.objects.order_by("pk")[:2]
    for place in ("north", "south"):
        Stock.objects.create(article=first, place=place, number=2)
    Stock.objects.create(article=second, place="north", number=0)
    assert listed("popular") == [str(first.pk)]
    assert len(live_catalog()) == world.ARTICLES
    found, _ = tables(tmp_path)
    assert len(found["items"]) == world.ARTICLES
    assert [row["item"] for row in found["items"] if row["available"]] == [str(first.pk)]
    Stock.objects.update(number=1)
    assert set(listed("popular")) == {str(first.pk), str(second.pk)}


def test_values_of_the_other_side_and_of_many_are_exported_and_filtered_by(source, stocked, tmp_path):
    source(sources.Related)
    article = Article.objects.first()
    Blurb.objects.create(article=article, text="A dark night", mood="dark")
    article.topics.set([Topic.objects.create(name="night"), Topic.objects.create(name="crime")])
    Stock.objects.create(article=article, place="here", number=1)
    found, _ = tables(tmp_path)
    (row,) = (row for row in found["items"] if row["item"] == str(article.pk))
    assert (row["blurb__mood"], row["blurb__text"]) == ("dark", "A dark night")
    assert sorted(row["topics__name"]) == ["crime", "night"]
    assert {row["reader__country"] for row in found["users"]} == {"de", "fr"}
    assert listed("popular", filter={"blurb__mood": ["dark"]}) == [str(article.pk)]
    assert listed("popular", filter={"blurb__mood": ["gay"]}) == []


def test_annotations_are_exported_as_what_they_hold(source, stocked, tmp_path):
    source(sources.Annotated)
    Article.objects.filter(sku="A1").update(price=7)
    found, left_out = tables(tmp_path)
    assert left_out == []
    (row,) = (row for row in found["items"] if row["item"] == "north/A1")
    assert (row["kind"], row["cheapest"], row["about"]) == ("POETRY", 7.0, "on poetry")
    (person,) = (row for row in found["users"] if row["user"] == "U-p3")
    assert (person["initial"], person["orders"]) == ("p", world.LINES)
    assert found["interactions"][0]["rating"] == 4.0
    assert found["interactions"][0]["user"].startswith("U-p")


# --- keys -------------------------------------------------------------------------------------------------------------


def test_two_tenants_may_sell_the_same_number(source, stocked, tmp_path):
    source(sources.OfTenants)
    south = Tenant.objects.create(slug="south")
    twin = Article.objects.create(tenant=south, sku="A1", shelf="poetry")
    world.buy(twin, user=user(0))
    everything = listed("popular")
    assert {"north/A1", "south/A1"} <= set(everything)
    found, _ = tables(tmp_path)
    assert len(found["items"]) == world.ARTICLES + 1
    assert "south/A1" in [row["item"] for row in found["interactions"]]
    assert signed_in().get("/api/v1/products/south/A1/similar/").status_code == 200
    sent = {"kind": "view", "item": "south/A1"}
    assert signed_in().post("/api/v1/events/", sent, format="json").status_code == 201


def test_new_purchases_of_keys_without_an_order_are_counted_once_each(source, stocked):
    source(sources.ByTime)
    article = Article.objects.order_by("-pk").first()

    def count() -> float:
        catalog = live_catalog()
        return catalog.purchases[catalog.row_of[str(article.pk)]]

    before = count()
    strangers = [get_user_model().objects.create_user(f"s{n}") for n in range(3)]
    world.buy(article, user=strangers[0])
    assert count() == before + 1
    assert count() == before + 1
    world.buy(article, user=strangers[0])  # the same person again
    assert count() == before + 1
    world.buy(article, user=strangers[1], placed=timezone.now() - timedelta(minutes=5))  # stored late
    assert count() == before + 2
    world.buy(article, user=strangers[2], placed=timezone.now() + timedelta(hours=3))  # a clock that is ahead
    assert count() == before + 3
    world.buy(article, user=get_user_model().objects.create_user("s4"))
    assert count() == before + 4


def test_a_purchase_that_is_entered_weeks_later_is_counted_where_the_source_says_when_it_was_stored(source, stocked):
    source(sources.Annotated)
    article = Article.objects.order_by("-pk").first()

    def count() -> float:
        catalog = live_catalog()
        return catalog.purchases[catalog.row_of[f"north/{article.sku}"]]

    before = count()
    late = timezone.now() - timedelta(days=30)
    world.buy(article, user=get_user_model().objects.create_user("late"), placed=late)
    assert count() == before + 1


def test_a_flood_of_new_purchases_is_counted(source, stocked, monkeypatch):
    monkeypatch.setattr("recommender.source.newness.MOST_NEW", 2)
    source(sources.ByTime)
    article = Article.objects.order_by("-pk").first()
    catalog = live_catalog()
    before = catalog.purchases[catalog.row_of[str(article.pk)]]
    for n in range(5):
        world.buy(article, user=get_user_model().objects.create_user(f"s{n}"))
    catalog = live_catalog()
    assert catalog.purchases[catalog.row_of[str(article.pk)]] == before + 5


def counted(article) -> float:
    catalog = live_catalog()
    return catalog.purchases[catalog.row_of[str(article.pk)]]


def test_an_old_purchase_whose_moment_is_changed_to_now_is_not_counted_twice(source, stocked):
    source(sources.ByTime)
    article = Article.objects.order_by("-pk").first()
    world.buy(article, user=get_user_model().objects.create_user("new"))
    then = timezone.now() - timedelta(days=3)
    line = world.buy(article, user=get_user_model().objects.create_user("old"), placed=then)
    before = counted(article)
    line.order.placed = timezone.now()
    line.order.save()
    assert counted(article) == before


def test_a_new_purchase_that_is_deleted_or_moved_to_another_item_is_counted_there_no_more(source, stocked):
    source(sources.ByTime)
    article, other = Article.objects.order_by("-pk")[:2]
    before = counted(article), counted(other)
    lines = [world.buy(article, user=get_user_model().objects.create_user(name)) for name in ("one", "two")]
    assert counted(article) == before[0] + 2
    lines[0].delete()
    assert counted(article) == before[0] + 1
    lines[1].article = other
    lines[1].save()
    assert (counted(article), counted(other)) == (before[0], before[1] + 1)


def test_new_purchases_are_counted_where_all_before_were_stored_at_one_moment(source, stocked, monkeypatch):
    """As where a migration adds the column with a default: no more rows are remembered than the bound says."""
    monkeypatch.setattr("recommender.source.newness.MOST_SEEN", 5)
    source(sources.UsersAsCustomers)
    Order.objects.update(stored=timezone.now())
    article = Article.objects.order_by("-pk").first()
    before = counted(article)
    for n in range(3):
        world.buy(article, user=get_user_model().objects.create_user(f"s{n}"))
        assert counted(article) == before + n + 1
    assert len(live_state().tally.mark.seen) <= 5
