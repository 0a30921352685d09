"""The one door: what a list holds, for whom, and what it never holds."""

from datetime import date
from functools import partial

import pytest
from django.core import signing
from django.db.models import Avg
from django.utils import timezone

from catalog.models import Product
from customers.models import Customer, Purchase
from recommender.engine.bundle.inference import Inference
from recommender.engine.bundle.standalone import StandaloneRecommender
from recommender.engine.errors import ProfileError
from recommender.errors import RecommendationError
from recommender.models import ServedList
from recommender.serving import ListRequest, predict_rating, ranking, recommend, recommend_many
from recommender.serving import live as serving
from recommender.serving.answer import Reason
from recommender.serving.catalog import LiveCatalog
from recommender.serving.wording import sentence
from recommender.source.declaration import get_source
from tests.recommender.lists import because_you_bought, bought_together, popular, similar
from tests.shop import PRODUCTS, category_of


def keys(answer) -> list[str]:
    return [item.item for item in answer.items]


def categories(answer) -> list[str]:
    return [category_of(item.item) for item in answer.items]


def bought_by(customer: str) -> set[str]:
    return set(Purchase.objects.filter(customer__key=customer).values_list("product__key", flat=True))


def buy(customer: str, product: str) -> Purchase:
    return Purchase.objects.create(
        customer=Customer.objects.get(key=customer), product=Product.objects.get(key=product), amount=10
    )


# --- before any model -------------------------------------------------------------------------------------------------


def test_before_any_model_a_list_is_what_most_people_buy_and_says_so(stocked):
    counts = {p.key: p.purchases.count() for p in Product.objects.all()}
    answer = recommend(profile={"Age": 28}, count=5)
    assert (answer.source, answer.fallback_reason, answer.model_version) == ("popular", "no_model", None)
    assert [item.score for item in answer.items] == sorted(counts.values(), reverse=True)[:5]
    assert all(item.rating is None and item.reasons == () for item in answer.items)


def test_among_what_nobody_bought_the_newest_comes_first(db):
    for key in ("old", "newer", "newest"):
        Product.objects.create(key=key, name=key)
    assert keys(popular(3)) == ["newest", "newer", "old"]


def test_an_empty_shop_has_an_empty_list(db):
    answer = recommend(count=5)
    assert answer.items == ()
    assert answer.next_page_token is None


def test_a_known_customer_is_not_shown_what_they_bought(stocked):
    assert not set(keys(recommend(customer="C0", count=PRODUCTS))) & bought_by("C0")
    assert set(keys(recommend(customer="C0", count=PRODUCTS, exclude_purchased=False))) >= bought_by("C0")


def test_before_any_model_a_rating_is_the_average_drawn_to_that_of_the_shop(stocked):
    rated = Purchase.objects.exclude(rating=None).order_by()
    means = [float(mean) for _, mean in rated.values_list("customer").annotate(mean=Avg("rating"))]
    mean = sum(means) / len(means)  # people count, not rows
    rating, version, _ = predict_rating(profile={}, item_features={"brand": "Apple"})
    assert version is None
    assert rating == pytest.approx(mean)
    loved, hated = (predict_rating(customer="C0", item=key).rating for key in ("P1", "P40"))
    assert 0 <= hated < mean < loved <= 5


def test_before_any_model_a_shop_without_ratings_has_none_to_predict(db):
    Product.objects.create(key="lamp", name="Lamp")
    assert predict_rating(item="lamp") == (None, None, "nobody_rated")
    assert predict_rating(customer="stranger", item="lamp") == (None, None, "unknown_customer")


# --- with a model -----------------------------------------------------------------------------------------------------


def test_a_known_customer_gets_unbought_items_of_their_own_taste(trained):
    # C2 bought kitchenware only, 8 of 12; four are left.
    answer = recommend(customer="C2", count=4)
    assert (answer.source, answer.fallback_reason, answer.model_version) == ("two_tower", None, "v1")
    assert categories(answer).count("Kitchen") >= 3
    assert not set(keys(answer)) & bought_by("C2")
    assert [item.score for item in answer.items] == sorted((item.score for item in answer.items), reverse=True)
    assert all(0 <= item.rating <= 5 for item in answer.items)


def test_a_bare_profile_gets_what_its_like_buy(trained):
    for gender, wanted in (("F", {"Running", "Kitchen"}), ("M", {"Books", "Garden"})):
        answer = recommend(profile={"Gender": gender}, count=8)
        assert answer.source == "two_tower"
        assert sum(c in wanted for c in categories(answer)) >= 7


@pytest.mark.parametrize("profile", [{}, {"Country": "Atlantis"}, {"Age": None}, {"age": "28", "City": ""}])
def test_missing_and_unseen_values_are_welcome(trained, profile):
    assert recommend(profile=profile, count=3).source == "two_tower"


def test_a_customer_without_history_is_served_from_their_profile(trained):
    Customer.objects.create(key="newcomer", gender="M")
    answer = recommend(customer="newcomer", count=8)
    assert answer.source == "two_tower"
    assert keys(answer) == keys(recommend(profile={"gender": "M"}, count=8))


def test_a_purchase_changes_the_next_list(trained):
    Customer.objects.create(key="newcomer", gender="F")
    before = recommend(customer="newcomer", count=10)
    for product in ("P1", "P5", "P9"):
        buy("newcomer", product)
    after = recommend(customer="newcomer", count=10)
    assert categories(after).count("Kitchen") > categories(before).count("Kitchen")
    assert not {"P1", "P5", "P9"} & set(keys(after))


def test_a_rating_changes_the_next_prediction(trained):
    purchase = buy("C0", "P1")
    before = predict_rating(customer="C0", item="P5").rating
    purchase.rating = 0
    purchase.save()
    assert predict_rating(customer="C0", item="P5").rating != before


def test_an_item_that_buyers_rate_high_is_predicted_higher(trained):
    # Planted: P0 to P23 are rated 5, the others 2.
    loved, hated = (predict_rating(customer="C2", item=key).rating for key in ("P1", "P45"))
    assert hated < 3.5 < loved
    assert predict_rating(customer="C2", item="P1").model_version == "v1"


def test_where_nobody_rated_anything_no_rating_is_made_up(trained):
    Purchase.objects.update(rating=None)
    serving.forget_live_state()
    assert {item.rating for item in recommend(customer="C2").items} == {None}


def test_reasons_name_what_was_bought_or_a_field_of_the_profile(trained):
    reasons = [reason for item in recommend(customer="C2", count=10).items for reason in item.reasons]
    assert reasons
    for reason in reasons:
        if reason.kind == "because_you_bought":
            assert reason.item in bought_by("C2")
        elif reason.kind == "because_you_often_buy":
            assert (reason.item, reason.field, reason.value) == (None, "category", category_of(min(bought_by("C2"))))
        else:
            assert (reason.kind, reason.item) == ("because_of_your_profile", None)
            assert reason.field in {"gender", "age", "country"}


def test_a_category_that_most_of_the_purchases_behind_an_item_share_is_a_reason_and_is_said_in_words(trained):
    answer = recommend(customer="C2", count=10)
    often = [r for item in answer.items for r in item.reasons if r.kind == "because_you_often_buy"]
    assert often
    assert [r.value for r in often] == [category_of(i.item) for i in answer.items if len(i.reasons) > 1]
    assert often[0].to_dict() == {"kind": "because_you_often_buy", "field": "category", "value": often[0].value}
    assert sentence(get_source(), often[0], {}) == f"You often buy {often[0].value}"
    assert all(len(item.reasons) <= 1 for item in recommend(customer="C2", reasons=False).items)


def often_buys():
    items = recommend(customer="C2", count=10).items
    return {(r.field, r.value) for item in items for r in item.reasons if r.kind == "because_you_often_buy"}


def test_what_every_item_has_or_everybody_buys_is_nothing_that_one_person_often_buys(trained):
    assert often_buys() == {("category", "Kitchen")}
    Product.objects.update(category="Things")  # one value in the whole catalog
    serving.forget_live_state()
    assert often_buys() == set()


def test_of_two_values_the_one_that_others_buy_less_is_the_reason(trained, monkeypatch):
    """All items of the kitchen are of iron, and so are those of the garden."""
    words, iron = LiveCatalog.values_in_words, {("category", "Kitchen"), ("category", "Garden")}

    def with_material(self, rows):
        found = words(self, rows)
        return {row: of | ({("a", "iron")} if of & iron else set()) for row, of in found.items()}

    monkeypatch.setattr(LiveCatalog, "values_in_words", with_material)
    items = [item for item in recommend(customer="C2", count=10).items if category_of(item.item) == "Kitchen"]
    assert {r.value for item in items for r in item.reasons if r.kind == "because_you_often_buy"} == {"Kitchen"}


def test_a_value_is_said_as_the_choices_of_its_field_call_it(db, monkeypatch):
    field = Product._meta.get_field("category")
    monkeypatch.setattr(field, "choices", [("k", "Kitchen ware"), ("g", "Garden")])
    says = partial(Reason, "because_you_often_buy", field="category")
    assert sentence(get_source(), says(value="k"), {}) == "You often buy Kitchen ware"
    assert sentence(get_source(), says(value="x"), {}) == "You often buy x"


def test_one_purchase_of_a_category_is_not_often(trained):
    Customer.objects.create(key="newcomer")
    buy("newcomer", "P3")
    reasons = [r.kind for item in recommend(customer="newcomer", count=10).items for r in item.reasons]
    assert "because_you_often_buy" not in reasons


def test_the_purchase_a_reason_names_is_why_the_item_is_listed(trained):
    """Two tastes that nobody else mixes: without the one garden purchase there is nothing of the garden."""
    Customer.objects.create(key="newcomer")
    for product in ("P1", "P5", "P3"):
        buy("newcomer", product)
    garden = [item for item in recommend(customer="newcomer", count=10).items if category_of(item.item) == "Garden"]
    assert garden
    assert {reason.item for item in garden for reason in item.reasons} == {"P3"}
    Purchase.objects.filter(customer__key="newcomer", product__key="P3").delete()
    assert not {item.item for item in garden} & set(keys(recommend(customer="newcomer", count=10)))


def test_a_customers_totals_are_no_reasons_and_hide_none(trained):
    """Who looks at things has settled totals; every item still gets the reason that comes next."""
    answer = recommend(customer="C2", session_items=["P3"], count=10)
    assert all(item.reasons for item in answer.items)
    named = {reason.field for item in answer.items for reason in item.reasons}
    assert not named & set(get_source().customer_from_interactions)


def test_a_visitor_gets_more_of_what_they_look_at_and_is_not_told_they_bought_it(trained):
    answer = recommend(session_items=["P3", "P7", "P11"], count=6)
    assert answer.source == "two_tower"
    assert categories(answer).count("Garden") >= 5
    assert not {"P3", "P7", "P11"} & set(keys(answer))
    kinds = {reason.kind for item in answer.items for reason in item.reasons}
    assert kinds == {"because_you_viewed"}


def test_a_cart_counts_beside_the_history_and_is_called_a_cart(trained):
    answer = recommend(customer="C0", session_items=["P3", "P7", "P11"], count=6, scenario="cart")
    assert "Garden" in categories(answer)
    reasons = [reason for item in answer.items for reason in item.reasons]
    assert "because_in_your_cart" in {reason.kind for reason in reasons}
    assert all(r.item in bought_by("C0") for r in reasons if r.kind == "because_you_bought")


# --- who is not known, or does not want to be -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "reason"),
    [({"customer": "nobody"}, "unknown_customer"), ({}, "anonymous"), ({"session_items": ["?"]}, "anonymous")],
)
def test_who_is_not_known_gets_popular_items_and_the_reason(trained, request_, reason):
    answer = recommend(**request_)
    assert (answer.source, answer.fallback_reason) == ("popular", reason)
    assert keys(answer) == keys(popular())


def test_who_opted_out_gets_what_everybody_gets_and_leaves_no_trace(trained):
    Customer.objects.filter(key="C0").update(personalisation=False)
    answer = recommend(customer="C0")
    assert (answer.source, answer.fallback_reason) == ("popular", "opted_out")
    assert ServedList.objects.count() == 0
    assert keys(answer) == keys(popular())
    average = predict_rating(customer="C0", item="P1")
    assert average.model_version is None
    Customer.objects.filter(key="C0").update(personalisation=True)
    assert recommend(customer="C0").source == "two_tower"


def test_every_other_list_is_on_record(trained):
    mine, anyones = recommend(customer="C0", count=3, scenario="mail"), recommend(count=2)
    row = ServedList.objects.get(pk=mine.recommendation_id)
    assert (row.customer, row.scenario, row.source, row.version, row.items) == (
        "C0",
        "mail",
        "two_tower",
        trained,
        keys(mine),
    )
    row = ServedList.objects.get(pk=anyones.recommendation_id)
    assert (row.customer, row.scenario, row.source, row.version) == ("", "home", "popular", None)


def test_a_person_the_model_cannot_read_costs_only_their_own_list(trained, monkeypatch, caplog):
    inputs = Inference.inputs

    def stumble_over_c0(self, people, *args):
        if any(len(person.history) == 9 for person in people):
            raise ProfileError("age", "'?' is not a number.")
        return inputs(self, people, *args)

    buy("C0", "P1")  # their ninth
    monkeypatch.setattr(Inference, "inputs", stumble_over_c0)
    bad, good = recommend_many([ListRequest(customer="C0"), ListRequest(customer="C2")])
    assert (bad.source, bad.fallback_reason) == ("popular", "model_failed")
    assert good.source == "two_tower"
    assert "model_failed" in caplog.text
    assert predict_rating(customer="C0", item="P5").model_version is None


def test_a_model_that_breaks_at_work_costs_a_popular_list_and_a_line_in_the_log(stocked, promote, caplog):
    promote("v1", breaks_at_work=True)
    Customer.objects.create(key="newcomer", gender="F")
    assert recommend(customer="newcomer").source == "two_tower"  # it broke on longer histories alone
    for asked in ({"customer": "C0"}, {"session_items": ["P1", "P5"]}):
        answer = recommend(**asked)
        assert (answer.source, answer.fallback_reason, answer.model_version) == ("popular", "model_failed", None)
        assert not bought_by(asked.get("customer", "")) & set(keys(answer))
    assert caplog.text.count("model_failed") == 2
    several = recommend_many([ListRequest(customer="C0"), ListRequest(customer="newcomer")])
    assert [answer.source for answer in several] == ["popular", "two_tower"]
    average = predict_rating(customer="C0", item="P5")
    assert (average.rating, average.model_version) == (predict_rating(customer="C0", item="P5").rating, None)


# --- what may be listed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [{"customer": "C0"}, {"profile": {}}, {}])
def test_filters_and_exclusions_hold(trained, who):
    first = recommend(**who, filter={"category": ["Books"]}, count=5)
    assert set(categories(first)) == {"Books"}
    left_out = keys(first)[:2]
    second = recommend(**who, filter={"category": ["Books"]}, exclude=left_out, count=5)
    assert not set(left_out) & set(keys(second))
    both = recommend(**who, filter={"category": ["Books", "Garden"], "brand": [""]}, count=48)
    assert set(categories(both)) <= {"Books", "Garden"}
    assert recommend(**who, filter={"category": ["Cars"]}).items == ()


@pytest.mark.parametrize("who", [{"customer": "C0"}, {"profile": {"Gender": "F"}}, {"session_items": ["P3"]}, {}])
@pytest.mark.parametrize("how", [{}, {"diversity": 0.6}, {"rotation": 1.0}, {"rotation": 0.5, "diversity": 0.5}])
def test_pages_never_repeat_an_item_and_end(trained, who, how):
    seen, token, pages = [], None, 0
    while pages == 0 or token is not None:
        page = recommend(**who, count=7, page_token=token, **how)
        assert page.items
        seen += keys(page)
        token, pages = page.next_page_token, pages + 1
    assert len(seen) == len(set(seen))
    hidden = bought_by("C0") if "customer" in who else set(who.get("session_items", ()))
    assert len(seen) == PRODUCTS - len(hidden)


def test_a_purchase_a_new_model_or_a_new_product_between_pages_repeats_nothing(trained, promote):
    first = recommend(customer="C0", count=10)
    buy("C0", "P1")
    promote("v2")
    Product.objects.create(key="P48", name="Running thing 48", category="Running")
    second = recommend(customer="C0", count=10, page_token=first.next_page_token)
    assert second.model_version == "v2"
    assert not set(keys(first)) & set(keys(second))


def test_without_a_model_pages_go_on_too(stocked):
    first = recommend(count=40)
    second = recommend(count=40, page_token=first.next_page_token)
    assert len(second.items) == PRODUCTS - 40
    assert second.next_page_token is None
    assert not set(keys(first)) & set(keys(second))


@pytest.mark.parametrize(
    "token",
    ["x", "a:b:c", signing.dumps("somebody else's", salt="other"), "é"],
    ids=["x", "colons", "signed", "accent"],
)  # named: a signature holds the time, and two workers of one run would not agree on it
def test_a_page_token_of_somebody_elses_making_is_refused(stocked, token):
    with pytest.raises(RecommendationError, match="page_token") as caught:
        recommend(page_token=token)
    assert caught.value.field == "page_token"


@pytest.mark.parametrize("who", [{"customer": "C0"}, {}])
def test_rotation_shows_other_items_on_other_days_and_the_same_ones_all_day(trained, monkeypatch, who):
    def on(day: int) -> list[str]:
        monkeypatch.setattr(ranking.timezone, "localdate", lambda: date(2026, 11, day))
        return keys(recommend(**who, count=5, rotation=1.0))

    assert on(1) == on(1)
    assert len({tuple(on(day)) for day in range(1, 11)}) > 5
    assert len({key for day in range(1, 11) for key in on(day)}) > 5
    assert len({tuple(keys(recommend(**who, count=5))) for _ in range(3)}) == 1


def test_without_reasons_the_list_is_the_same_and_says_less(trained):
    told, untold = recommend(customer="C2"), recommend(customer="C2", reasons=False)
    assert [(i.item, pytest.approx(i.score, abs=1e-5)) for i in told.items] == [(i.item, i.score) for i in untold.items]
    assert any(item.reasons for item in told.items)
    assert not any(item.reasons for item in untold.items)


def test_diversity_brings_other_categories_and_keeps_the_length(trained):
    plain = recommend(session_items=["P3", "P7", "P11"], count=6)
    diverse = recommend(session_items=["P3", "P7", "P11"], count=6, diversity=0.8)
    assert len(diverse.items) == 6
    assert len(set(categories(diverse))) > len(set(categories(plain)))
    assert keys(diverse)[0] == keys(plain)[0]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 101}, "count"),
        ({"count": "3"}, "count"),
        ({"count": True}, "count"),
        ({"diversity": 1.1}, "diversity"),
        ({"diversity": -0.1}, "diversity"),
        ({"rotation": 2}, "rotation"),
        ({"rotation": True}, "rotation"),
        ({"filter": {"colour": ["red"]}}, "filter"),
        ({"filter": {"category": "Books"}}, "filter"),
        ({"filter": {"category": [1]}}, "filter"),
        ({"profile": {"Age": "old"}}, "profile"),
        ({"profile": {}, "customer": "C0"}, "profile"),
        ({"profile": ["Age"]}, "profile"),
        ({"customer": 7}, "customer"),
        ({"customer": ["C0"]}, "customer"),
        ({"exclude": "P1"}, "exclude"),
        ({"session_items": [1]}, "session_items"),
        ({"scenario": "x" * 51}, "scenario"),
    ],
)
@pytest.mark.django_db
@pytest.mark.parametrize("world", ["stocked", "trained"])
def test_a_request_that_makes_no_sense_is_refused_by_field(request, world, request_, field):
    request.getfixturevalue(world)
    with pytest.raises(RecommendationError) as caught:
        recommend(**request_)
    assert caught.value.field == field
    assert ServedList.objects.count() == 0


def test_many_requests_are_answered_each_for_itself(trained):
    asked = [ListRequest(customer="C0"), ListRequest(count=0), ListRequest(profile={"Gender": "M"}), ListRequest()]
    first, second, third, fourth = recommend_many(asked)
    assert keys(first) == keys(recommend(customer="C0"))
    assert second.field == "count"
    assert keys(third) == keys(recommend(profile={"Gender": "M"}))
    assert fourth.source == "popular"


# --- lists that belong to an item -------------------------------------------------------------------------------------


def test_similar_items_are_on_topic_and_never_the_item_itself(trained):
    listed = [similar(f"P{p}", 5) for p in range(12)]
    for p, answer in enumerate(listed):
        assert f"P{p}" not in keys(answer)
        assert (answer.source, answer.model_version) == ("two_tower", "v1")
    same = [category_of(f"P{p}") == c for p, answer in enumerate(listed) for c in categories(answer)]
    assert sum(same) / len(same) >= 0.85  # at random it would be .23


def test_because_you_bought_is_on_topic(trained):
    same = []
    for n in range(12):
        answer = because_you_bought(f"C{n}", 2)  # few are left of a category of twelve
        bought = answer.items[0].reasons[0].item
        same += [category == category_of(bought) for category in categories(answer)]
    assert sum(same) / len(same) >= 0.85


def test_popular_products_are_not_called_like_one_of_which_nothing_is_known(trained):
    Product.objects.create(key="odd", name="Zzz")
    serving.live_catalog()  # looks
    answer = similar("odd", 5)
    assert (answer.source, answer.fallback_reason) == ("popular", "nothing_alike")
    assert keys(answer) == keys(popular(5))
    before = because_you_bought("C0", 3)
    Purchase.objects.create(
        customer=Customer.objects.get(key="C0"), product=Product.objects.get(key="odd"), time=timezone.now()
    )
    assert because_you_bought("C0", 3).items == before.items, "the purchase before it has something to say"
    Purchase.objects.filter(customer__key="C0").exclude(product__key="odd").delete()
    nothing = because_you_bought("C0", 3)
    assert (nothing.items, nothing.fallback_reason) == ((), "nothing_alike")


def test_the_site_and_the_standalone_list_the_same_as_similar(trained, settings):
    standalone = StandaloneRecommender.from_bundle(settings.BUNDLE_ROOT / "v1")
    for p in range(12):
        listed = [(item.item, pytest.approx(item.score, abs=1e-4)) for item in similar(f"P{p}", 6).items]
        assert [(item.item, item.score) for item in standalone.similar(f"P{p}", 6)] == listed


def test_a_category_of_one_product_has_similar_items(trained):
    Product.objects.create(key="P48", name="The only one", category="Gardening")
    assert len(similar("P48", 5).items) == 5


def test_before_any_model_similar_items_are_of_the_same_kind(stocked):
    answer = similar("P1", 5)
    assert (answer.source, answer.fallback_reason) == ("popular", "no_model")
    assert set(categories(answer)) == {"Kitchen"}


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["stocked", "trained"])
def test_what_is_bought_together_is_known_without_a_model(request, world):
    request.getfixturevalue(world)
    answer = bought_together("P1", 5)
    assert answer.source == "bought_together"
    assert set(categories(answer)) == {"Kitchen"}
    assert len(answer.items) == 5


def test_one_shared_buyer_proves_nothing_and_similar_items_stand_in(stocked):
    Product.objects.create(key="P48", name="Books thing 48", category="Running")
    buy("C0", "P48")
    answer = bought_together("P48", 3)
    assert (answer.source, answer.fallback_reason) == ("popular", "never_bought_together")
    assert set(categories(answer)) == {"Running"}


def test_purchases_of_who_opted_out_tell_nothing_of_what_goes_together(stocked):
    Product.objects.create(key="P48", name="Lamp", category="Running")
    for key in ("C0", "C4"):
        buy(key, "P48")
    assert bought_together("P48").source == "bought_together"
    Customer.objects.filter(key="C4").update(personalisation=False)
    assert bought_together("P48").fallback_reason == "never_bought_together"


def test_withdrawn_items_are_in_no_list_of_an_item(trained):
    Product.objects.filter(key__in=keys(similar("P1", 3)) + keys(bought_together("P1", 3))).update(
        active=False, updated=timezone.now()
    )
    active = set(Product.objects.active().values_list("key", flat=True))
    assert set(keys(similar("P1", 10))) <= active
    assert set(keys(bought_together("P1", 10))) <= active


@pytest.mark.parametrize("ask", [similar, bought_together])
def test_an_unknown_item_and_a_senseless_count_are_refused(trained, ask):
    with pytest.raises(RecommendationError, match="There is no item 'P999'") as caught:
        ask("P999")
    assert caught.value.field == "item"
    with pytest.raises(RecommendationError, match="count is 0"):
        ask("P1", 0)
