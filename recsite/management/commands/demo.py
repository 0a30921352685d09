"""`manage.py demo`: a filled shop with a trained model, its answers, and then the whole site at work."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from django.utils import timezone
from tqdm import tqdm

from customers.errors import SeedRefused
from customers.seeding import seed_shop
from recommender.errors import TrainingError
from recommender.management.commands.train import progress_bar
from recsite import demo


class Command(BaseCommand):
    help = "Makes the database, fills a demo shop, trains a model, prints sample lists, then serves site and workers."
    requires_system_checks: list[str] = []  # the database they look at may not be there yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="end after the sample lists")
        parser.add_argument("--port", type=int, default=8000, help="where the site listens (default 8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo makes an admin whose password it prints, so it runs with DEBUG=1 only.")
        port = None if options["no_serve"] else options["port"]
        try:
            if port is not None:
                demo.check_port(port)
            self.prepare()
            self.stdout.write("\n".join(["", *demo.samples()]))
            if port is not None:
                self.serve(port)
        except (demo.DemoRefused, SeedRefused, TrainingError) as error:
            raise CommandError(str(error)) from None
        except OperationalError as error:
            raise CommandError(f"The database cannot be used: {str(error).strip()}") from None
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=130) from None

    def prepare(self) -> None:
        call_command("migrate", verbosity=0)
        today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with tqdm(total=demo.SIZE.purchases, desc="Purchases", unit="") as bar:
            seed_shop(size=demo.SIZE, until=today, progress=bar.update)
        version = demo.trained_version()
        if version is None:
            with progress_bar() as tell:
                version = demo.train(tell)
        self.stdout.write(f"\nModel {version} is live.")

    def serve(self, port: int) -> None:
        admin, customer = demo.logins()
        site = f"http://{demo.HOST}:{port}"
        where = [
            "",
            f"  shop    {site}/             sign up, or sign in as {customer.name} with password {customer.password}",
            f"  admin   {site}/admin/       sign in as {admin.name} with password {admin.password}",
            f"  API     {site}/api/v1/docs",
            "",
            "Ctrl-C stops site and workers.",
        ]
        self.stdout.write("\nStarting site and workers ...")
        commands = demo.processes(port)
        self.stdout.write(demo.serve(commands, port, ready=lambda: self.stdout.write("\n".join(where))))
