"""Staff at the door of the admin."""

from django.contrib.auth.models import User

from tests.browser.looks import follow


def sign_in(page, address: str) -> None:
    """As somebody who may everything, on the way to an address that asks for it."""
    User.objects.create_superuser("root", password="a long way home")
    page.goto(address)
    page.fill("input[name=username]", "root")
    page.fill("input[name=password]", "a long way home")
    follow(page.locator("button[type=submit]").first)
