"""A member of staff makes a key for another program, copies it, rotates and revokes it, in a real browser."""

import os
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def look(page, name: str) -> None:
    """Keeps a picture, light and dark, where SCREENSHOTS says so; and nothing may stick out of the screen."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{name} is {wide} pixels wider than the screen"
    shots = os.environ.get("SCREENSHOTS")
    for scheme in ("light", "dark") if shots else ():
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=Path(shots) / f"{name}-{page.viewport_size['width']}-{scheme}.png", full_page=True)


def test_a_key_is_made_shown_once_rotated_and_revoked(page):
    User.objects.create_superuser("root", password="a long way home")
    page.goto("/admin/recsite/serviceaccount/add/")
    page.fill("input[name=username]", "root")
    page.fill("input[name=password]", "a long way home")
    page.locator("button[type=submit]").first.click()
    page.fill("input[name=name]", "till")
    page.fill("input[name=purpose]", "The tills in Leeds; ask Grace")
    page.get_by_label("View customers").check()
    look(page, "account-add")
    page.locator("[name=_continue]").click()
    page.get_by_role("link", name="Make one.").click()
    page.fill("input[name=name]", "Leeds 1")
    look(page, "key-new")
    page.get_by_role("button", name="Make the key").click()
    text = page.locator("#key").input_value()
    look(page, "key-shown")
    assert APIClient(headers={"authorization": f"Token {text}"}).get("/api/v1/customers/").status_code == 200
    page.get_by_role("link", name="Back to till").click()
    assert text not in page.content()
    page.get_by_role("link", name="Rotate Leeds 1").click()
    look(page, "key-rotate")
    page.get_by_role("button", name="Rotate").click()
    page.get_by_role("link", name="Back to till").click()
    look(page, "account")
    page.get_by_role("link", name="Revoke Leeds 1").last.click()
    look(page, "key-revoke")
    page.get_by_role("button", name="Revoke").click()
    page.get_by_text("is revoked.").wait_for()
    assert APIClient(headers={"authorization": f"Token {text}"}).get("/api/v1/customers/").status_code == 401
    page.goto("/admin/recsite/serviceaccount/")
    look(page, "accounts")
