"""A stranger becomes a customer, in a real browser on the live site, with a model that learned the planted shop."""

import pytest

from customers.models import Customer, Purchase
from tests.browser.looks import follow, no_sideways_scrolling
from tests.shop import category_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def listed(page) -> list[str]:
    """The products of the page's first list, in order."""
    cards = page.locator(".rec-list").first.locator(".rec-card h3 a, .rec-card h2 a, .rec-card a.name, .rec-card a")
    links = [card.get_attribute("href") for card in cards.all()]
    keys = [link.split("?")[0].rstrip("/").rsplit("/", 1)[-1] for link in links if link and "/products/" in link]
    return list(dict.fromkeys(keys))


def sign_up(page, **profile: str) -> None:
    page.goto("/")
    follow(page.get_by_role("link", name="Sign up").first)
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password", exact=True).fill("correct-horse-9")
    page.get_by_label("Password (again)").fill("correct-horse-9")
    page.get_by_label("Age", exact=True).fill(profile["age"])
    page.get_by_label("Gender").select_option(profile["gender"])
    page.get_by_label("Country").fill(profile["country"])
    follow(page.get_by_role("main").get_by_role("button", name="Sign up"))
    page.wait_for_url("**/welcome/")


def buy(page, key: str) -> None:
    """From the product's page through the cart to the order."""
    page.goto(f"/products/{key}/")
    page.locator(".product").get_by_role("button", name="Add to cart").click()
    page.get_by_text("is in your cart.").wait_for()
    follow(page.get_by_role("link", name="Cart"))
    follow(page.get_by_role("button", name="Place order"))
    page.get_by_text("Your order is placed").wait_for()


def test_sign_up_get_a_list_from_the_profile_buy_and_see_the_list_change(page, trained):
    sign_up(page, age="30", gender="F", country="France")
    assert Customer.objects.get(user__username="ada").gender == "F"
    first = listed(page)
    assert len(first) >= 5
    assert "Made from your profile" in page.inner_text("main")
    # Planted: women buy running gear or kitchenware, and the profile is all that is known.
    assert sum(category_of(key) in ("Running", "Kitchen") for key in first[:4]) >= 3
    assert no_sideways_scrolling(page)

    bought = first[0]
    buy(page, bought)
    assert Purchase.objects.get(customer__user__username="ada").product.key == bought

    page.goto("/")
    second = listed(page)
    assert bought not in second
    assert second != [key for key in first if key != bought]
    assert category_of(second[0]) == category_of(bought), "the next list follows the purchase"
    assert "Because you bought" in page.inner_text("main")
    assert no_sideways_scrolling(page)


def test_a_rating_given_on_the_product_page_is_kept(page, trained):
    sign_up(page, age="30", gender="M", country="UK")
    buy(page, "P2")
    page.goto("/products/P2/")
    page.locator(".own-rating").get_by_role("button", name="4 out of 5").click()
    page.get_by_text("Your rating").wait_for()
    assert Purchase.objects.get(customer__user__username="ada").rating == 4


def test_a_page_that_is_not_there_says_so_and_leads_home(page, trained):
    answer = page.goto("/no-such-page/")
    assert answer.status == 404
    assert page.get_by_role("link", name="Products").count() >= 1
    assert no_sideways_scrolling(page)
