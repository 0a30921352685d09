"""What happened a moment ago is in the next answer, with no training in between."""

import pytest

from catalog.models import Product
from catalog.services import create_product, put_on_sale, take_off_sale, update_product
from customers.models import Customer
from customers.services import buy, create_customer, rate_purchase, set_personalisation, update_customer
from recommender.errors import RecommendationError
from recommender.feedback.events import record_event
from recommender.serving import live as serving
from recommender.serving import predict_rating, recommend
from tests.recommender.lists import also_viewed, bought_together, popular, similar
from tests.recommender.serving.test_recommendations import categories, keys
from tests.shop import category_of


@pytest.fixture
def newcomer(trained) -> Customer:
    return create_customer(key="newcomer", gender="F")


def mine(count: int = 8):
    return recommend(customer="newcomer", count=count)


def product(key: str) -> Product:
    return Product.objects.get(key=key)


def test_a_purchase(newcomer):
    before = categories(mine())
    for key in ("P1", "P5", "P9"):
        buy(customer=newcomer, product=product(key))
    assert categories(mine()).count("Kitchen") >= before.count("Kitchen") + 3
    assert not {"P1", "P5", "P9"} & set(keys(mine(48)))


def test_a_view(newcomer):
    before = categories(mine())
    for key in ("P3", "P7", "P11"):
        record_event(kind="view", item=key, customer="newcomer")
    assert categories(mine()).count("Garden") >= before.count("Garden") + 3


def test_a_rating(newcomer):
    """Planted: P0 to P23 are rated 5 and the others 2, whoever rates. One who hates what all love is believed."""
    purchase = buy(customer=newcomer, product=product("P1"))
    before = {item.item: item.rating for item in mine(48).items}
    rate_purchase(purchase=purchase, by=newcomer, rating="0")
    after = {item.item: item.rating for item in mine(48).items}
    assert all(after[key] < before[key] for key in before)
    assert predict_rating(customer="newcomer", item="P5").rating == pytest.approx(after["P5"], abs=1e-5)


def test_a_change_of_the_profile(newcomer):
    update_customer(customer=newcomer, gender="M")
    assert keys(mine()) == keys(recommend(profile={"gender": "M"}, count=8))


@pytest.mark.parametrize(
    "happens",
    [
        lambda known: buy(customer=known, product=product("P1")),
        lambda known: record_event(kind="view", item="P1", customer=known.key),
        lambda known: rate_purchase(purchase=known.purchases.latest("time"), by=known, rating="0"),
        lambda known: update_customer(customer=known, age=known.age + 30),
    ],
    ids=["a purchase", "a view", "a rating", "a change of the profile"],
)
def test_whatever_a_customer_did_since_the_training_changes_their_next_list(trained, happens):
    def scores():
        answer = recommend(customer="C0", count=48, exclude_purchased=False, reasons=False)
        return [(item.item, item.score, item.rating) for item in answer.items]

    before = scores()
    assert scores() == before
    happens(Customer.objects.get(key="C0"))
    after = scores()
    assert after != before
    serving.forget_live_state()
    assert scores() == after


def test_consent_taken_back_and_given_again(newcomer):
    personal = keys(mine())
    set_personalisation(customer=newcomer, wanted=False)
    assert (mine().source, mine().fallback_reason) == ("popular", "opted_out")
    set_personalisation(customer=newcomer, wanted=True)
    assert keys(mine()) == personal


def test_a_product_created_a_moment_ago_is_recommended_to_those_whom_its_features_suit(newcomer):
    for key in ("P1", "P5", "P9"):
        buy(customer=newcomer, product=product(key))
    create_product(key="new-Kitchen", name="Never heard of", category="Kitchen", price=1)
    create_product(key="new-Books", name="Never heard of, either", category="Books", price=1)
    listed = keys(mine(10))
    assert "new-Kitchen" in listed
    assert "new-Books" not in listed
    assert 0 <= predict_rating(customer="newcomer", item="new-Kitchen").rating <= 5
    like_it = [category_of(key) for key in keys(similar("new-Kitchen", 5)) if not key.startswith("new")]
    assert like_it.count("Kitchen") >= 3


def test_a_product_created_a_moment_ago_is_placed_by_its_words(newcomer):
    for key in ("P1", "P5", "P9"):
        buy(customer=newcomer, product=product(key))
    kitchen = create_product(key="new-Kitchen", name="Kitchen thing")
    create_product(key="new-Books", name="Books thing")
    place = {item.item: n for n, item in enumerate(mine(50).items)}
    assert place["new-Kitchen"] < 12 < place["new-Books"]
    like_it = [category_of(key) for key in keys(similar("new-Kitchen", 5)) if not key.startswith("new")]
    assert like_it.count("Kitchen") >= 3
    update_product(product=kitchen, name="Books thing")
    changed = {item.item: n for n, item in enumerate(mine(50).items)}
    assert changed["new-Kitchen"] > 12


def test_a_described_item_is_rated_by_its_words_and_price_at_the_door(trained):
    described = predict_rating(customer="C1", item_features={"name": "Kitchen thing", "price": 11, "description": ""})
    assert 0 <= described.rating <= 5
    with pytest.raises(RecommendationError, match="price: 'dear' is not a number"):
        predict_rating(customer="C1", item_features={"price": "dear"})


def test_a_new_product_sells_and_is_looked_at_like_any_other(trained):
    lamp = create_product(key="lamp", name="Lamp", category="Kitchen")
    for n in range(3):
        someone = create_customer(key=f"someone {n}")
        for key in ("lamp", "P1"):
            buy(customer=someone, product=product(key))
            record_event(kind="view", item=key, customer=someone.key)
        record_event(kind="view", item="P40", customer=f"C{n}")
    assert keys(bought_together("lamp")) == ["P1"]
    assert keys(also_viewed("lamp")) == ["P1"]
    for n in range(60):
        buy(customer=create_customer(key=f"buyer {n}"), product=lamp)
    assert keys(popular(1)) == ["lamp"]


def test_a_price(newcomer, client):
    first = product(keys(popular(1))[0])
    assert "$4,321.50" not in client.get("/").content.decode()
    update_product(product=first, price="4321.50")
    assert "$4,321.50" in client.get("/").content.decode()


def test_a_category(newcomer):
    moved = product("P1")
    assert "P1" in keys(recommend(customer="newcomer", filter={"category": ["Kitchen"]}, count=20))
    update_product(product=moved, category="Cars")
    assert keys(recommend(customer="newcomer", filter={"category": ["Cars"]})) == ["P1"]
    assert "P1" not in keys(recommend(customer="newcomer", filter={"category": ["Kitchen"]}, count=20))


def test_off_sale_and_on_sale_again(newcomer):
    listed = keys(mine())
    take_off_sale(products=Product.objects.filter(key=listed[0]))
    assert keys(mine())[:7] == listed[1:]
    put_on_sale(products=Product.objects.filter(key=listed[0]))
    assert keys(mine()) == listed
