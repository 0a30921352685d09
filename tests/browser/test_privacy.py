"""A customer sees what is known of them, takes some of it back, opts out, carries all of it home and leaves."""

import json

import pytest
from django.contrib.auth.models import User

from customers.models import Customer, Purchase
from recommender.models import Dismissal, Event, ServedList
from tests.browser.looks import follow, looks_right

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "correct-horse-9"


@pytest.fixture
def ada(page, trained):
    """The planted customer C2, who buys kitchenware, signed in."""
    user = User.objects.create_user("ada", "ada@example.com", PASSWORD)
    Customer.objects.filter(key="C2").update(user=user, name="Ada")
    page.goto("/accounts/login/")
    page.get_by_label("Username or email").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    follow(page.get_by_role("main").get_by_role("button", name="Sign in"))
    page.get_by_role("heading", name="Hello, Ada").wait_for()
    return Customer.objects.get(key="C2")


def first_card(page):
    return page.locator(".rec-card").first


def name_of(card) -> str:
    return card.locator("h3").inner_text()


def test_not_interested_undo_and_taking_back(page, ada):
    looks_right(page, "home")
    unwanted = name_of(first_card(page))
    first_card(page).get_by_role("button", name="Not interested").click()
    page.get_by_text(f"{unwanted} will not be shown to you again.").wait_for()
    assert page.locator(":focus").inner_text() == "Undo", "the keyboard goes on where the card was"
    looks_right(page, "dismissed-card")
    assert Dismissal.objects.filter(customer="C2").count() == 1
    page.get_by_role("button", name="Undo").click()
    page.get_by_text(f"{unwanted} may be shown to you again.").wait_for()
    assert name_of(first_card(page)) == unwanted

    first_card(page).get_by_role("button", name="Not interested").click()
    page.get_by_text("will not be shown to you again").wait_for()
    page.goto("/")
    assert unwanted not in page.locator(".rec-card h3").all_inner_texts()
    follow(page.get_by_role("link", name="Account"))
    follow(page.get_by_role("main").get_by_role("link", name="Not interested"))
    looks_right(page, "not-interested")
    follow(page.get_by_role("button", name="Take back"))
    page.get_by_text("may be shown to you again").wait_for()
    looks_right(page, "not-interested-empty")
    page.goto("/")
    assert name_of(first_card(page)) == unwanted


def test_why_leads_to_the_evidence_which_can_be_left_out_and_put_back(page, ada):
    reason = first_card(page).locator(".reason").first.inner_text()
    follow(first_card(page).get_by_role("link", name="Why this?"))
    page.get_by_role("heading", name="Why am I shown").wait_for()
    evidence = page.locator(".rec-evidence li").first
    assert reason in evidence.inner_text(), "the page and the card say the same"
    looks_right(page, "why")
    follow(evidence.get_by_role("button", name="Leave this purchase out"))
    page.get_by_text("counts for your lists no more").wait_for()
    assert Purchase.objects.filter(customer=ada, personalisation=False).count() == 1
    assert reason not in page.locator(".rec-evidence").inner_text()

    follow(page.get_by_role("link", name="See what your lists are made of"))
    page.get_by_role("heading", name="Purchases and ratings").wait_for()
    looks_right(page, "history")
    follow(page.get_by_role("button", name="Put back"))
    page.get_by_text("counts for your lists again").wait_for()
    assert not Purchase.objects.filter(customer=ada, personalisation=False).exists()


def test_a_view_is_removed_from_the_history(page, ada):
    page.goto("/products/P3/")
    page.goto("/account/history/")
    views = page.locator("section", has=page.get_by_role("heading", name="What you looked at"))
    follow(views.get_by_role("button", name="Remove"))
    page.get_by_text("Forgotten that you looked at").wait_for()
    assert not Event.objects.filter(customer="C2").exists()


def test_opting_out_in_one_click_and_back_in(page, ada):
    follow(page.get_by_role("link", name="Account"))
    looks_right(page, "account")
    follow(page.get_by_role("button", name="Turn personalisation off"))
    page.get_by_text("nothing is learned from you").first.wait_for()
    page.goto("/")
    assert "What most people buy: personalisation is off." in page.inner_text("main")
    assert "Because" not in page.inner_text("main")
    looks_right(page, "home-opted-out")
    follow(first_card(page).get_by_role("link", name="Why this?"))
    follow(page.get_by_role("button", name="Turn personalisation on"))
    page.get_by_text("your lists are your own again").wait_for()
    page.goto("/")
    assert "Because you bought" in page.inner_text("main")


def test_a_visitor_turns_something_down_without_a_script(chromium, live_server, trained, settings):
    settings.DEBUG = False
    context = chromium.new_context(java_script_enabled=False, base_url=live_server.url)
    page = context.new_page()
    page.goto("/")
    unwanted = name_of(first_card(page))
    follow(first_card(page).get_by_role("button", name="Not interested"))
    assert f"{unwanted} will not be shown to you again" in page.inner_text("#messages")
    assert unwanted not in page.locator(".rec-card h3").all_inner_texts()
    follow(first_card(page).get_by_role("link", name="Why this?"))
    assert "Why am I shown" in page.inner_text("h1")
    follow(page.get_by_role("link", name="Back to where you were"))
    assert page.url == f"{live_server.url}/"
    context.close()


def test_everything_is_carried_home_and_then_deleted(page, ada):
    page.goto("/account/")
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download all of your data").click()
    told = json.loads(coming.value.path().read_text(encoding="utf-8"))
    assert coming.value.suggested_filename.startswith("personal-data-")
    assert told["account"][0]["username"] == "ada"
    assert len(told["purchases"]) == 8

    follow(page.get_by_role("link", name="Delete your account"))
    assert "your 8 purchases" in page.inner_text("main")
    looks_right(page, "delete-account")
    page.get_by_label("Your password").fill("wrong")
    follow(page.get_by_role("button", name="Delete my account"))
    page.get_by_text("This is not your password. Nothing was deleted.").wait_for()
    looks_right(page, "delete-account-refused")
    page.get_by_label("Your password").fill(PASSWORD)
    follow(page.get_by_role("button", name="Delete my account"))
    page.get_by_text("Your account is deleted").wait_for()
    page.get_by_role("link", name="Sign in").first.wait_for()
    assert not User.objects.filter(username="ada").exists()
    assert not Customer.objects.filter(key="C2").exists()
    assert not ServedList.objects.filter(customer="C2").exists()
    assert Purchase.objects.filter(customer=None).count() == 8
