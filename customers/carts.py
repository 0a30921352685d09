"""Carts: a visitor's is in their session, a customer's in the database and so on every device.

    cart = cart_of(request)
    cart.put(product, quantity=2)
    cart.lines()

Signing up and signing in bring the session's cart along (`take_over`). checkout.py makes an order of a cart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext

from catalog.models import Product
from catalog.selectors import products_by_pk
from customers.errors import CartRefused
from customers.models import MOST_PIECES, CartItem, Customer
from customers.selectors import customer_of
from customers.services import customer_for

MOST_LINES = 50
_SESSION_KEY = "cart"


@dataclass(frozen=True)
class CartLine:
    """One product in a cart. price_then : what it cost when it was put there, None where that is not known."""

    product: Product
    quantity: int
    price_then: Decimal | None

    @property
    def for_sale(self) -> bool:
        return self.product.active

    @property
    def amount(self) -> Decimal | None:
        """At today's price; None for a product without one."""
        return None if self.product.price is None else self.product.price * self.quantity

    @property
    def price_changed(self) -> bool:
        return self.for_sale and self.price_then is not None and self.price_then != self.product.price


class Cart:
    """The lines of a cart, the latest last, and how they change. Subclasses say where they are stored."""

    def lines(self) -> list[CartLine]:
        raise NotImplementedError

    def count(self) -> int:
        """Pieces of what can be bought now."""
        return sum(line.quantity for line in self.lines() if line.for_sale)

    def put(self, product: Product, quantity: int = 1) -> None:
        """So many pieces more. CartRefused for what is not for sale, or does not fit in."""
        if not product.active:
            raise CartRefused(gettext("{product} is no longer for sale.").format(product=product.name))
        quantities = {line.product.pk: line.quantity for line in self.lines()}
        if product.pk not in quantities and len(quantities) >= MOST_LINES:
            raise CartRefused(
                gettext("A cart holds up to {most} products. Take one out, or check out first.").format(most=MOST_LINES)
            )
        self._store(product, checked_quantity(quantities.get(product.pk, 0) + quantity))

    def change(self, quantities: Mapping[int, int]) -> None:
        """Pieces by product id, 0 to take it out; products that are not in the cart are passed over."""
        for line in self.lines():
            quantity = quantities.get(line.product.pk, line.quantity)
            if quantity == 0:
                self.remove([line.product.pk])
            elif quantity != line.quantity:
                self._store(line.product, checked_quantity(quantity))

    def remove(self, products: Iterable[int]) -> None:
        """Take products (ids) out."""
        raise NotImplementedError

    def _store(self, product: Product, quantity: int) -> None:
        raise NotImplementedError


class SessionCart(Cart):
    """A visitor's. In the session: product id -> [pieces, price then]."""

    def __init__(self, session: SessionBase) -> None:
        self.session = session

    def lines(self) -> list[CartLine]:
        stored = self.session.get(_SESSION_KEY, {})
        products = products_by_pk(int(pk) for pk in stored)
        return [
            CartLine(products[int(pk)], quantity, None if price is None else Decimal(price))
            for pk, (quantity, price) in stored.items()
            if int(pk) in products
        ]

    def remove(self, products: Iterable[int]) -> None:
        stored, out = self.session.get(_SESSION_KEY, {}), {str(pk) for pk in products}
        self.session[_SESSION_KEY] = {pk: line for pk, line in stored.items() if pk not in out}

    def _store(self, product: Product, quantity: int) -> None:
        stored, pk = self.session.get(_SESSION_KEY, {}), str(product.pk)
        price = stored[pk][1] if pk in stored else None if product.price is None else str(product.price)
        self.session[_SESSION_KEY] = {**stored, pk: [quantity, price]}


class CustomerCart(Cart):
    """Of somebody who is signed in. A user without a profile gets one with the first thing put in."""

    def __init__(self, user: AbstractBaseUser) -> None:
        self.user = user

    def lines(self) -> list[CartLine]:
        customer = customer_of(self.user)
        return [] if customer is None else lines_of(customer)

    def remove(self, products: Iterable[int]) -> None:
        CartItem.objects.filter(customer=customer_of(self.user), product__in=list(products)).delete()

    def _store(self, product: Product, quantity: int) -> None:
        CartItem.objects.update_or_create(
            customer=customer_for(user=self.user),
            product=product,
            defaults={"quantity": quantity},
            create_defaults={"quantity": quantity, "price": product.price},
        )


def cart_of(request: HttpRequest) -> Cart:
    return CustomerCart(request.user) if request.user.is_authenticated else SessionCart(request.session)


def lines_of(customer: Customer) -> list[CartLine]:
    items = CartItem.objects.filter(customer=customer).select_related("product")
    return [CartLine(item.product, item.quantity, item.price) for item in items]


def take_over(*, session: SessionBase, user: AbstractBaseUser) -> None:
    """Put the session's cart into that of the user who just signed in; of two quantities, the larger one holds.

    Lines that do not fit in any more are left out, and withdrawn products.
    """
    lines = SessionCart(session).lines()
    session.pop(_SESSION_KEY, None)
    if not lines:
        return
    with transaction.atomic():
        customer = customer_for(user=user)
        quantities = {line.product.pk: line.quantity for line in lines_of(customer)}
        for line in lines:
            if line.for_sale and (line.product.pk in quantities or len(quantities) < MOST_LINES):
                quantities[line.product.pk] = max(line.quantity, quantities.get(line.product.pk, 0))
                CartItem.objects.update_or_create(
                    customer=customer,
                    product=line.product,
                    defaults={"quantity": quantities[line.product.pk]},
                    create_defaults={"quantity": line.quantity, "price": line.price_then},
                )


def bring_cart(user: AbstractBaseUser, request: HttpRequest | None = None, **sent: object) -> None:
    """Receiver of `user_logged_in`, which signing up ends with, too."""
    if getattr(request, "session", None) is not None:
        take_over(session=request.session, user=user)


def buyable(lines: Iterable[CartLine]) -> list[CartLine]:
    return [line for line in lines if line.for_sale]


def total_of(lines: Iterable[CartLine]) -> Decimal:
    """What can be bought of these, at today's prices. Products without a price add nothing."""
    return sum((line.amount for line in buyable(lines) if line.amount is not None), Decimal(0))


def fingerprint(lines: Iterable[CartLine]) -> str:
    """Changes with every product, quantity and price of what can be bought: an order is of the cart that was shown."""
    parts = sorted((line.product.pk, line.quantity, str(line.product.price)) for line in buyable(lines))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def checked_quantity(quantity: int) -> int:
    if not 1 <= quantity <= MOST_PIECES:
        raise CartRefused(
            gettext("Of one product you can take 1 to {most} pieces at a time; this was {quantity}.").format(
                most=MOST_PIECES, quantity=quantity
            )
        )
    return quantity
