"""`manage.py shop`, behind `make shop`: an empty shop of one's own, an admin account, and the whole site at work."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.models import User

from customers.models import Purchase
from recsite.processes import ServingCommand

ADMIN = "admin"
PLACE = ("DATABASE_URL", "VAR_DIR")  # the variables that say which shop a command is about


class Command(ServingCommand):
    help = "Makes the database and an admin account, says how to fill the shop, then serves site and workers."

    def prepare(self) -> None:
        self.stdout.write("\n".join(["", *_accounts(), *_next_commands()]))

    def addresses(self, site: str) -> list[str]:
        return [f"  shop    {site}/", f"  admin   {site}/{settings.ADMIN_PATH}"]


def _accounts() -> Iterator[str]:
    """The login of an admin: a new password where there is no admin yet, else how to set another one."""
    admin = User.objects.filter(is_superuser=True).order_by("pk").first()
    if admin is not None:
        yield f"The admin account is {admin.username}; `.venv/bin/python manage.py changepassword {admin.username}`"
        yield "gives it another password."
        return
    password = secrets.token_urlsafe(9)
    User.objects.create_superuser(ADMIN, password=password)
    yield f"Admin account: {ADMIN}, with password {password}. It is printed this once and kept nowhere."


def _next_commands() -> Iterator[str]:
    yield ""
    if Purchase.objects.exists():
        yield f"The shop has {Purchase.objects.count():,} purchases. In another terminal, for example:"
    else:
        yield "The shop is empty. Fill it in another terminal, or under Products, Customers and Purchases in the admin:"
    yield ""
    place = [f"{name}={shlex.quote(os.environ[name])}" for name in PLACE if name in os.environ]
    if place and "@" not in os.environ.get("DATABASE_URL", ""):  # with a password it is not for a terminal
        yield f"  export {' '.join(place)}"
    yield "  .venv/bin/python manage.py import_purchases FILE --map COLUMN=FIELD ...   # --help lists the fields"
    yield "  .venv/bin/python manage.py train"
