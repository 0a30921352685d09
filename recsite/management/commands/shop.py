"""`manage.py shop`, behind `make shop`: an empty shop of one's own, an admin account, and the whole site at work."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from customers.models import Purchase
from recsite import demo

ADMIN = "admin"
PLACE = ("DATABASE_URL", "VAR_DIR")  # the variables that say which shop a command is about


class Command(BaseCommand):
    help = "Makes the database and an admin account, says how to fill the shop, then serves site and workers."
    requires_system_checks: list[str] = []  # the database they look at may not be there yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="end once database and admin account are there")
        parser.add_argument("--port", type=int, default=8000, help="where the site listens (default 8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("This prints the password of an admin, so it runs with DEBUG=1 only.")
        try:
            if not options["no_serve"]:
                demo.check_port(options["port"])
            call_command("migrate", verbosity=0)
            self.stdout.write("\n".join(["", *_accounts(), *_next_commands()]))
            if not options["no_serve"]:
                self.serve(options["port"])
        except demo.DemoRefused as error:
            raise CommandError(str(error)) from None
        except OperationalError as error:
            raise CommandError(f"The database cannot be used: {str(error).strip()}") from None
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=130) from None

    def serve(self, port: int) -> None:
        site = f"http://{demo.HOST}:{port}"
        where = f"\n  shop    {site}/\n  admin   {site}/{settings.ADMIN_PATH}\n\nCtrl-C stops site and workers."
        self.stdout.write("\nStarting site and workers ...")
        self.stdout.write(demo.serve(demo.processes(port), port, ready=lambda: self.stdout.write(where)))


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
