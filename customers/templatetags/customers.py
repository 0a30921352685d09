"""What a product's page shows of its buyers and of this reader: the Buy button, the stars, the rating form."""

from django import template

from catalog.models import Product
from catalog.templatetags.catalog import stars
from customers.models import Purchase
from customers.selectors import RatingSummary, latest_purchase, rating_summary

register = template.Library()


def here(context: template.Context) -> str:
    """The page being read, for a form to come back to."""
    request = context.get("request")
    return request.get_full_path() if request else ""


@register.inclusion_tag("customers/buy_button.html", takes_context=True)
def buy_button(context: template.Context, product: Product) -> dict[str, object]:
    return {"product": product, "user": context.get("user"), "next": here(context)}


@register.inclusion_tag("customers/rating_form.html", takes_context=True)
def rating_form(context: template.Context, purchase: Purchase) -> dict[str, object]:
    shapes = stars(purchase.rating or 0).shapes
    return {"purchase": purchase, "next": here(context), "choices": list(enumerate(shapes, start=1))}


@register.simple_tag
def ratings_of(product: Product) -> RatingSummary:
    return rating_summary(product)


@register.simple_tag(takes_context=True)
def my_latest_purchase(context: template.Context, product: Product) -> Purchase | None:
    return latest_purchase(customer=context.get("customer") or None, product=product)
