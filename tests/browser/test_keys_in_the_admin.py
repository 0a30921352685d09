"""A member of staff makes a key for another program, copies it, rotates and revokes it, in a real browser."""

import pytest
from rest_framework.test import APIClient

from tests.browser.looks import fits, follow
from tests.browser.staff import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_key_is_made_shown_once_rotated_and_revoked(page):
    sign_in(page, "/admin/recsite/serviceaccount/add/")
    page.fill("input[name=name]", "till")
    page.fill("input[name=purpose]", "The tills in Leeds; ask Grace")
    page.get_by_label("View customers").check()
    fits(page, "account-add")
    follow(page.locator("[name=_continue]"))
    follow(page.get_by_role("link", name="Make one."))
    page.fill("input[name=name]", "Leeds 1")
    fits(page, "key-new")
    follow(page.get_by_role("button", name="Make the key"))
    text = page.locator("#key").input_value()
    fits(page, "key-shown")
    assert APIClient(headers={"authorization": f"Token {text}"}).get("/api/v1/customers/").status_code == 200
    follow(page.get_by_role("link", name="Back to till"))
    assert text not in page.content()
    follow(page.get_by_role("link", name="Rotate Leeds 1"))
    fits(page, "key-rotate")
    follow(page.get_by_role("button", name="Rotate"))
    follow(page.get_by_role("link", name="Back to till"))
    fits(page, "account")
    follow(page.get_by_role("link", name="Revoke Leeds 1").last)
    fits(page, "key-revoke")
    follow(page.get_by_role("button", name="Revoke"))
    page.get_by_text("is revoked.").wait_for()
    assert APIClient(headers={"authorization": f"Token {text}"}).get("/api/v1/customers/").status_code == 401
    page.goto("/admin/recsite/serviceaccount/")
    fits(page, "accounts")
