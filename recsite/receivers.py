"""What the shop tells the recommender, and neither knows of the other."""

from django.dispatch import receiver
from django.http import HttpRequest

from catalog.models import Product
from customers.signals import put_in_cart
from recommender.events import record_by
from recommender.models import Event


@receiver(put_in_cart)
def record_put_in_cart(request: HttpRequest, product: Product, recommendation: str, **sent: object) -> None:
    """What is put in the cart shapes the next list, as what is looked at does."""
    record_by(request, Event.Kind.ADD_TO_CART, product.key, led_by=recommendation)
