"""A planted shop: who likes what is known, so that lists can be judged by the purchases that were kept back."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone
from oscar.apps.catalogue.categories import create_from_breadcrumbs
from oscar.core.loading import get_model

Line, Order = get_model("order", "Line"), get_model("order", "Order")
Partner, StockRecord = get_model("partner", "Partner"), get_model("partner", "StockRecord")
Product, ProductClass = get_model("catalogue", "Product"), get_model("catalogue", "ProductClass")

SEED = 21
USERS = 500
LINES = 5_000
SHELVES = ["Garden", "Kitchen", "Music", "Toys", "Travel", "Sports", "Books", "Office", "Pets", "Light"]
FAMILIES_A_SHELF = 4  # a parent and three variants: sixteen products
STANDALONE_A_SHELF = 14
WITHDRAWN_A_SHELF = 1  # of the standalone ones: not public any more
SOLD_OUT_A_SHELF = 1
GIFTS = "Gifts"  # a second category, of every third product
DAYS = 300
LINES_AN_ORDER = 2
SHARE_BY_TASTE = 0.85
SHARE_OF_GUESTS = 0.1
DELETED = 6  # products that were bought, and are deleted since
ACCOUNTS = {"newcomer@example.com": False, "staff@example.com": True}  # beside the customers; True: for the admin
PASSWORD = "an-example-of-2026"
KEPT_BACK = "kept_back.json"  # the key of a user -> what they buy next, unknown to the training


class Command(BaseCommand):
    help = "Fill an empty database with 500 users, 300 products and 5,000 order lines of known tastes."

    @transaction.atomic
    def handle(self, *args, **options):
        random.seed(SEED)
        shelves = self.make_products()
        users = self.make_users()
        kept_back = self.make_orders(shelves, users)
        (settings.VAR / KEPT_BACK).write_text(json.dumps(kept_back))
        doomed = [products[1].pk for products in list(shelves.values())[:DELETED]]
        Product.objects.filter(pk__in=doomed).delete()
        self.stdout.write(
            f"{len(users)} users, {Product.objects.count()} products ({Product.objects.browsable().count()} of them "
            f"browsable), {Line.objects.count()} order lines: {Line.objects.filter(order__user=None).count()} of "
            f"guests, {Line.objects.filter(product=None).count()} of deleted products"
        )

    def make_products(self) -> dict[str, list[Product]]:
        """What can be bought: shelf -> standalone products and variants, what sells best first."""
        self.partner = Partner.objects.create(name="Warehouse", code="warehouse")
        kind = ProductClass.objects.create(name="Goods")
        gifts = create_from_breadcrumbs(GIFTS)
        shelves: dict[str, list[Product]] = {}
        number = 0
        for shelf in SHELVES:
            category = create_from_breadcrumbs(shelf)
            bought = shelves[shelf] = []
            for place in range(STANDALONE_A_SHELF + FAMILIES_A_SHELF + (1 if shelf in SHELVES[:DELETED] else 0)):
                number += 1
                is_family = place >= 2 and place % 4 == 2 and place < 4 * FAMILIES_A_SHELF + 2
                product = Product.objects.create(
                    structure=Product.PARENT if is_family else Product.STANDALONE,
                    title=f"{shelf} thing {number}",
                    description=f"Something for {shelf.lower()}, the {place + 1}. of its shelf",
                    product_class=kind,
                    upc=f"U{number:04}",
                )
                product.categories.set([category, gifts] if number % 3 == 0 else [category])
                if is_family:
                    bought += [self.make_variant(product, size) for size in ("small", "medium", "large")]
                else:
                    self.make_stock(product, in_stock=100)
                    bought.append(product)
            standalone = [product for product in bought if product.is_standalone]
            StockRecord.objects.filter(product__in=standalone[-SOLD_OUT_A_SHELF:]).update(num_in_stock=0)
            withdrawn = standalone[-SOLD_OUT_A_SHELF - WITHDRAWN_A_SHELF : -SOLD_OUT_A_SHELF]
            Product.objects.filter(pk__in=[product.pk for product in withdrawn]).update(is_public=False)
        return shelves

    def make_variant(self, parent: Product, size: str) -> Product:
        title = f"{parent.title}, {size}"
        variant = Product.objects.create(
            structure=Product.CHILD, parent=parent, title=title, upc=f"{parent.upc}{size[0]}"
        )
        self.make_stock(variant, in_stock=20)
        return variant

    def make_stock(self, product: Product, in_stock: int) -> None:
        price = Decimal(random.randint(200, 9000)) / 100
        self.partner.stockrecords.create(product=product, partner_sku=product.upc, price=price, num_in_stock=in_stock)

    def make_users(self) -> list:
        model = get_user_model()
        users = [model(username=f"user{n}", email=f"user{n}@example.com", password="!") for n in range(USERS)]
        model.objects.bulk_create(users)
        for email, is_staff in ACCOUNTS.items():
            account = model(username=email.split("@")[0], email=email, is_staff=is_staff, is_superuser=is_staff)
            account.set_password(PASSWORD)
            account.save()
        first = users[0]
        first.set_password(PASSWORD)
        first.save()
        return users

    def make_orders(self, shelves: dict[str, list[Product]], users: list) -> dict[str, list[int]]:
        """Two lines an order. Who buys likes two shelves, and the first things of a shelf sell best."""
        everything = [product for products in shelves.values() for product in products]
        tastes = {user.pk: random.sample(SHELVES, 2) for user in users}
        had: dict[int | None, set[int]] = {}

        def choose(user_key: int | None) -> Product:
            while True:
                taste = tastes.get(user_key) or random.sample(SHELVES, 1)
                by_taste = random.random() < SHARE_BY_TASTE
                products = shelves[random.choice(taste)] if by_taste else everything
                product = products[min(int(random.expovariate(6 / len(products))), len(products) - 1)]
                family = product.parent_id or product.pk
                if user_key is None or family not in had.setdefault(user_key, set()):
                    had.setdefault(user_key, set()).add(family)
                    return product

        now = timezone.now()
        orders, lines = [], []
        for number in range(LINES // LINES_AN_ORDER):
            user = None if random.random() < SHARE_OF_GUESTS else random.choice(users)
            placed = now - timedelta(days=DAYS * (1 - number / (LINES // LINES_AN_ORDER)), minutes=1)
            order = Order(
                number=f"{100000 + number}",
                user=user,
                date_placed=placed,
                currency="GBP",
                status="Complete",
                guest_email="" if user else f"guest{number}@example.com",
                total_incl_tax=0,
                total_excl_tax=0,
            )
            orders.append(order)
            chosen = [choose(user.pk if user else None) for _ in range(LINES_AN_ORDER)]
            lines += [self.make_line(order, product) for product in chosen]
        Order.objects.bulk_create(orders)
        Line.objects.bulk_create(lines)
        kept_back = {}
        for user in users:
            wanted = [choose(user.pk) for _ in range(LINES_AN_ORDER)]
            kept_back[str(user.pk)] = [product.parent_id or product.pk for product in wanted]
        return kept_back

    def make_line(self, order: Order, product: Product) -> Line:
        stock = product.stockrecords.all()[0]
        order.total_incl_tax += stock.price
        order.total_excl_tax += stock.price
        return Line(
            order=order,
            product=product,
            title=product.get_title(),
            upc=product.upc,
            quantity=1,
            partner=self.partner,
            partner_name=self.partner.name,
            partner_sku=stock.partner_sku,
            stockrecord=stock,
            line_price_incl_tax=stock.price,
            line_price_excl_tax=stock.price,
            line_price_before_discounts_incl_tax=stock.price,
            line_price_before_discounts_excl_tax=stock.price,
            unit_price_incl_tax=stock.price,
            unit_price_excl_tax=stock.price,
            num_allocated=0,
        )
