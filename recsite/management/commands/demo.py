"""`manage.py demo`: a filled shop with a trained model, its answers, and then the whole site at work."""

from __future__ import annotations

from datetime import UTC

from django.utils import timezone
from tqdm import tqdm

from customers.errors import SeedRefused
from customers.seeding import seed_shop
from recommender.errors import TrainingError
from recommender.management.commands.train import progress_bar
from recsite import demo
from recsite.processes import ServingCommand


class Command(ServingCommand):
    help = "Makes the database, fills a demo shop, trains a model, prints sample lists, then serves site and workers."
    refusals = (SeedRefused, TrainingError)

    def prepare(self) -> None:
        today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        with tqdm(total=demo.SIZE.purchases, desc="Purchases", unit="") as bar:
            seed_shop(size=demo.SIZE, until=today, progress=bar.update)
        version = demo.trained_version()
        if version is None:
            with progress_bar() as tell:
                version = demo.train(tell)
        self.stdout.write(f"\nModel {version} is live.")
        self.stdout.write("\n".join(["", *demo.samples()]))

    def addresses(self, site: str) -> list[str]:
        admin, customer = demo.logins()
        return [
            f"  shop    {site}/             sign up, or sign in as {customer.name} with password {customer.password}",
            f"  admin   {site}/admin/       sign in as {admin.name} with password {admin.password}",
            f"  API     {site}/api/v1/docs",
        ]
