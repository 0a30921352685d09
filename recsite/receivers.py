"""Signals between the apps, which do not import each other: carts, erased customers and users, ended tokens."""

from allauth.account.signals import email_confirmed
from allauth.mfa.signals import authenticator_added
from django.contrib.auth.models import User
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.http import HttpRequest

from catalog.models import Product
from customers.models import Customer
from customers.signals import put_in_cart
from recommender.feedback import record_request_event
from recommender.models import Event
from recsite import accounts, privacy


@receiver(put_in_cart)
def record_put_in_cart(request: HttpRequest, product: Product, recommendation: str, **sent: object) -> None:
    """What is put in the cart shapes the next list, as what is looked at does."""
    record_request_event(request, Event.Kind.ADD_TO_CART, product.key, list_id=recommendation)


@receiver(pre_delete, sender=Customer)
def erase_customer(instance: Customer, **sent: object) -> None:
    """A customer who is deleted, by themselves, the admin, the API or a command, is erased everywhere."""
    privacy.erase_customer(instance)


@receiver(pre_delete, sender=User)
def erase_user(instance: User, **sent: object) -> None:
    privacy.erase_user(instance)


email_confirmed.connect(accounts.revoke_with_confirmation)
authenticator_added.connect(accounts.remember_new_factor)
