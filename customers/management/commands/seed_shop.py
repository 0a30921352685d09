from argparse import ArgumentParser
from datetime import UTC, datetime, time

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from customers.errors import SeedRefused
from customers.seeding import ShopSize, seed_shop


def day(text: str) -> datetime:
    return datetime.combine(datetime.fromisoformat(text).date(), time(), tzinfo=UTC)


class Command(BaseCommand):
    help = (
        "Fills the shop with generated products, customers and purchases whose tastes are planted. The same numbers and"
        " seed make the same shop; a second run changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--customers", type=int, default=1000)
        parser.add_argument("--products", type=int, default=400)
        parser.add_argument("--purchases", type=int, default=20_000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--until", type=day, default=None, metavar="YYYY-MM-DD",
            help="The purchases lie in the 18 months before this day (default: today). Nothing else depends on it.",
        )  # fmt: skip

    def handle(self, *args: object, **options: object) -> None:
        until = options["until"] or timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        quiet = options["verbosity"] == 0
        try:
            size = ShopSize(**{name: options[name] for name in ("customers", "products", "purchases", "seed")})
            with tqdm(total=size.purchases, desc="Purchases", unit="", disable=quiet) as bar:
                made = seed_shop(size=size, until=until, progress=bar.update)
        except SeedRefused as error:
            raise CommandError(str(error)) from error
        if not quiet:
            self.stdout.write(
                f"New: {made.customers} customers, {made.products} products, {made.purchases} purchases"
                f" (seed {size.seed}; a typical customer is {size.customer_key(0)})."
            )
