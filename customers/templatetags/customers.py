"""What a product's page shows of its buyers and of this reader: the cart button, the stars, the rating form."""

from collections.abc import Iterable
from uuid import UUID

from django import template

from catalog.models import Product
from catalog.templatetags.catalog import stars
from customers.models import MOST_PIECES, Purchase
from customers.selectors import RatingSummary, latest_purchase, rating_summaries, rating_summary

register = template.Library()


def here(context: template.Context) -> str:
    """The page being read, for a form to come back to."""
    request = context.get("request")
    return request.get_full_path() if request else ""


@register.inclusion_tag("customers/cart_button.html", takes_context=True)
def cart_button(context: template.Context, product: Product, *, choose: bool = False) -> dict[str, object]:
    """choose : whether the form has a field for how many. Inside a recommended list, the list's id is sent with it."""
    return {
        "product": product,
        "choose": choose,
        "most": MOST_PIECES,
        "recommendation": context.get("recommendation_id", ""),
        "next": here(context),
    }


@register.inclusion_tag("customers/rating_form.html", takes_context=True)
def rating_form(context: template.Context, purchase: Purchase) -> dict[str, object]:
    shapes = stars(purchase.rating or 0).shapes
    return {"purchase": purchase, "next": here(context), "choices": list(enumerate(shapes, start=1))}


@register.simple_tag
def ratings_of(product: Product) -> RatingSummary:
    return rating_summary(product)


@register.simple_tag
def ratings_of_all(products: Iterable[Product]) -> list[tuple[Product, RatingSummary | None]]:
    """Each product with what people gave it."""
    summaries = rating_summaries(products)
    return [(product, summaries.get(product.pk)) for product in products]


@register.simple_tag(takes_context=True)
def my_latest_purchase(context: template.Context, product: Product) -> Purchase | None:
    return latest_purchase(customer=context.get("customer") or None, product=product)


@register.filter
def order_number(number: UUID) -> str:
    """An order's number as people read it: its first eight characters."""
    return number.hex[:8].upper()
