"""What must hold of the shop once it is seeded and trained: by a real server, and by what its people buy next."""

import json

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.utils import timezone
from oscar.core.loading import get_model

from checking import Tally, Visitor, admin_pages, check_of_django, count_glue, hit_rate, server
from recommender.serving import make_list, recommend
from shop.management.commands.seed import KEPT_BACK, PASSWORD

MOST_GLUE = 40
BETTER_THAN_POPULAR = 2
COUNT = 10
HOME = "/catalogue/"
RECOMMENDATIONS = "/api/v1/recommendations/"
Line, Order, Product = get_model("order", "Line"), get_model("order", "Order"), get_model("catalogue", "Product")


class Command(BaseCommand):
    help = "Check the seeded, trained example; exit with 1 where something does not hold."

    def handle(self, *args, **options):
        tally = Tally()
        said = check_of_django()
        tally.holds("manage.py check is clean", said.startswith("System check identified no issues"), said)
        check_lists(tally)
        check_variants(tally)
        check_a_purchase(tally)
        with server() as address:
            check_people(tally, address)
            check_admin(tally, address)
        glue = count_glue(settings.BASE_DIR / "shop")
        tally.holds(
            f"the glue has at most {MOST_GLUE} lines",
            0 < sum(glue.values()) <= MOST_GLUE,
            f"{sum(glue.values())}, {glue}",
        )
        tally.close()


def keys(answer) -> list[str]:
    return [item.item for item in answer.items]


def check_lists(tally: Tally) -> None:
    kept_back = json.loads((settings.VAR / KEPT_BACK).read_text())
    personal = hit_rate(kept_back, lambda user: keys(recommend(customer=user, count=COUNT)))
    popular = hit_rate(kept_back, lambda user: keys(make_list("popular", customer=user, count=COUNT)))
    tally.holds(
        f"lists of {COUNT} hold what people buy next at least {BETTER_THAN_POPULAR} times as often as popular ones",
        personal >= BETTER_THAN_POPULAR * popular > 0,
        f"{personal:.2f} of {len(kept_back)} users beside {popular:.2f}",
    )
    listed = {key for user in list(kept_back)[:100] for key in keys(recommend(customer=user, count=COUNT))}
    tally.holds("100 people's lists are not one list", len(listed) > 5 * COUNT, f"{len(listed)} products")
    hidden = Product.objects.filter(is_public=False) | Product.objects.filter(stockrecords__num_in_stock=0)
    hidden = {str(key) for key in hidden.values_list("pk", flat=True)}
    tally.holds(
        "nothing withdrawn or sold out is listed", bool(hidden) and not listed & hidden, f"{len(hidden)} hidden"
    )


def check_variants(tally: Tally) -> None:
    """Who bought a variant bought its parent: the parent is learned from and listed, the variant is not."""
    sold = Line.objects.exclude(product=None)
    of_variants = sold.filter(product__structure=Product.CHILD)
    listed = set(keys(make_list("popular", count=100)))
    parents = {str(key) for key in Product.objects.filter(structure=Product.PARENT).values_list("pk", flat=True)}
    variants = {str(key) for key in of_variants.values_list("product", flat=True)}
    tally.holds(
        "variants are sold as their parent",
        bool(listed & parents) and not listed & variants,
        f"{len(listed & parents)} parents among the 100 most popular, {of_variants.count()} lines of variants",
    )


def check_a_purchase(tally: Tally) -> None:
    """What somebody buys after the training leaves their list at once."""
    user = get_user_model().objects.get(username="user1")
    first = keys(recommend(customer=str(user.pk), count=COUNT))[0]
    product = Product.objects.get(pk=first)
    bought = product.children.first() or product
    order = Order.objects.create(
        number="later", user=user, currency="GBP", total_incl_tax=1, total_excl_tax=1, date_placed=timezone.now()
    )
    prices = ("line_price", "line_price_before_discounts", "unit_price")
    paid = {f"{price}_{tax}": 1 for price in prices for tax in ("incl_tax", "excl_tax")}
    Line.objects.create(
        order=order, product=bought, title=bought.get_title(), partner_sku="later", num_allocated=0, **paid
    )
    after = keys(recommend(customer=str(user.pk), count=COUNT))
    tally.holds("what was bought a moment ago is off the list", first not in after and len(after) == COUNT, first)


def check_people(tally: Tally, address: str) -> None:
    product = Product.objects.browsable().filter(structure=Product.STANDALONE, stockrecords__num_in_stock__gt=0).first()
    variant = Product.objects.filter(structure=Product.CHILD).first()
    answers = {}
    for name in ("visitor", "newcomer", "user0"):
        person = Visitor(address)
        if name != "visitor":
            sign_in(person, name)
        for page in (HOME, product.get_absolute_url(), variant.parent.get_absolute_url(), variant.get_absolute_url()):
            status, text = person.get(page)
            lists = text.count("data-recommendation=")
            tally.holds(f"{name} opens {page}", status == 200 and lists > 0, f"{status}, {lists} lists")
        status, answer = person.ask(RECOMMENDATIONS, {"count": COUNT})
        answers[name] = answer
        tally.holds(
            f"{name} asks the API", status == 200 and len(answer["items"]) == COUNT, f"{status}, {answer['source']}"
        )
        status, _ = person.get(f"/recommendations/{product.pk}/why/")
        tally.holds(f"{name} opens why", status == 200, status)
        status, _ = person.send(f"/recommendations/{product.pk}/not-interested/", {"next": HOME})
        status, text = person.get("/recommendations/not-interested/")
        tally.holds(f"{name} turns something down, and sees it", status == 200 and product.title in text, status)
    reasons = {reason["kind"] for item in answers["user0"]["items"] for reason in item["reasons"]}
    tally.holds("user0 is told why", "because_you_bought" in reasons, sorted(reasons))
    differ = [item["item"] for item in answers["user0"]["items"]] != [
        item["item"] for item in answers["visitor"]["items"]
    ]
    tally.holds("user0 sees another list than a visitor", differ)


def check_admin(tally: Tally, address: str) -> None:
    staff = Visitor(address)
    sign_in(staff, "staff")
    pages = admin_pages()
    refused = {page: status for page in pages if (status := staff.get(page)[0]) != 200}
    tally.holds("the admin's pages answer 200", len(pages) > 10 and not refused, refused or f"{len(pages)} pages")


def sign_in(person: Visitor, name: str) -> None:
    person.get("/accounts/login/")
    form = {"login-username": f"{name}@example.com", "login-password": PASSWORD, "login_submit": "Log In"}
    status, text = person.send("/accounts/login/", form)
    assert status == 200, f"{name} could not sign in: {status}"
    assert "logout" in text.lower(), f"{name} was not signed in"
