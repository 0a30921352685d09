"""Staff at the door of the admin."""

from django.contrib.auth.models import User

from tests.browser.looks import follow


def sign_in(page, address: str) -> None:
    """As somebody who may everything, on the way to an address that asks for it."""
    User.objects.create_superuser("root", password="a long way home")
    page.goto(address)
    page.get_by_label("Username or email").fill("root")
    page.get_by_label("Password").fill("a long way home")
    follow(page.get_by_role("main").get_by_role("button", name="Sign in"))
