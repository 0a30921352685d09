"""A second factor is set up and used, on desk and phone: an app, recovery codes and passkeys."""

import pytest
from django.contrib.auth.models import User

from tests.browser import staff
from tests.browser.looks import follow, looks_right
from tests.recsite.test_accounts import code_of

PASSWORD = "a long way home"  # of staff.sign_in


def press(page, name: str) -> None:
    follow(page.get_by_role("main").get_by_role("button", name=name, exact=True))


def phone_with_passkeys(page):
    """The browser gets a phone that does not know whose finger that is, until the function returned is called."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    phone = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options = {**phone, "isUserVerified": False, "automaticPresenceSimulation": True}
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return lambda: session.send("WebAuthn.setUserVerified", {**made, "isUserVerified": True})


@pytest.fixture(autouse=True)
def _required(settings):
    settings.STAFF_MFA_REQUIRED = True
    settings.MFA_TOTP_TOLERANCE = 1


def sign_out(page):
    page.goto("/account/")
    follow(page.get_by_role("banner").get_by_role("button", name="Sign out"))


def test_staff_set_up_an_app_on_the_way_to_the_admin(page):
    staff.sign_in(page, "/admin/")
    page.goto("/admin/")
    page.get_by_text("Work in the admin takes a second factor").wait_for()
    looks_right(page, "second-factor-told")
    follow(page.get_by_role("link", name="Set up an app"))
    looks_right(page, "confirm-that-it-is-you")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Confirm")
    secret = page.locator("code.secret")
    assert secret.evaluate("each => each.scrollWidth <= each.parentElement.clientWidth"), "all of it is seen"
    looks_right(page, "second-factor-app")  # the last look is at the dark page
    colour = page.locator("img.qr").evaluate("each => getComputedStyle(each).backgroundColor")
    assert colour == "rgb(255, 255, 255)", "a camera reads dark on light"
    page.get_by_label("code").fill(code_of(secret.inner_text()))
    press(page, "Turn it on")
    page.get_by_text("10 of 10 left").wait_for()
    looks_right(page, "recovery-codes")
    recovery = page.locator(".codes code").first.inner_text()
    page.goto("/admin/")
    assert page.url.endswith("/admin/")
    for name, address in (
        ("second-factor-on", ""),
        ("recovery-new", "recovery-codes/generate/"),
        ("off", "totp/deactivate/"),
    ):
        page.goto(f"/accounts/2fa/{address}")
        looks_right(page, name)
    sign_out(page)
    page.goto("/accounts/login/")
    page.get_by_label("Username or email").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Sign in")
    looks_right(page, "second-factor-asked")
    assert page.locator("main .panel").count() == 1, "no empty frame"
    page.get_by_label("Code").fill("000000")
    press(page, "Sign in")
    page.get_by_text("Incorrect code.").wait_for()
    page.get_by_label("Code").fill(recovery)
    press(page, "Sign in")
    page.goto("/admin/")
    assert page.url.endswith("/admin/")


def test_a_passkey_signs_in_alone(page):
    staff.sign_in(page, "/account/")
    page.goto("/accounts/2fa/webauthn/add/")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Confirm")
    finger = phone_with_passkeys(page)
    page.get_by_label("Name").fill("A phone with quite a long name, of the year before last")
    page.get_by_label("Sign in with it alone").check()
    page.get_by_role("button", name="Add the passkey").click()
    page.get_by_text("The browser gave no passkey").wait_for()
    looks_right(page, "passkey-add")
    finger()
    press(page, "Add the passkey")
    page.goto("/accounts/2fa/webauthn/")
    looks_right(page, "passkeys")
    follow(page.get_by_role("link", name="Rename"))
    looks_right(page, "passkey-rename")
    page.get_by_label("Name").fill("Old phone")
    press(page, "Save")
    page.goto("/accounts/2fa/webauthn/")
    page.get_by_text("Old phone").first.wait_for()
    follow(page.get_by_role("link", name="Remove"))
    looks_right(page, "passkey-remove")
    page.goto("/admin/")
    assert page.url.endswith("/admin/")
    sign_out(page)
    page.goto("/accounts/login/")
    press(page, "Use a passkey")
    page.goto("/admin/")
    assert page.url.endswith("/admin/")
    assert User.objects.get(username="root").authenticator_set.count() == 2, "the passkey, and recovery codes"
