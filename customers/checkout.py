"""From a cart to an order. Nothing is paid here: an order is the purchases that were made together."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from customers.carts import buyable, fingerprint, lines_of
from customers.errors import OrderRefused
from customers.models import CartItem, Customer, Purchase
from customers.services import buy


def check_out(*, customer: Customer, order: UUID, seen: str, shipping_method: str = "") -> tuple[list[Purchase], bool]:
    """The purchases of the order, and whether they are new: sent a second time, an order is found, not placed again.

    order : chosen when the cart was shown.   seen : the `fingerprint` of what was shown. OrderRefused where there is
    nothing to buy, or where prices, products or pieces are no longer what was seen. What cannot be bought stays.
    """
    with transaction.atomic():
        Customer.objects.select_for_update().get(pk=customer.pk)  # two orders at once: one waits for the other
        placed = list(Purchase.objects.filter(customer=customer, order=order))
        if placed:
            return placed, False
        lines = buyable(lines_of(customer))
        if not lines:
            raise OrderRefused(gettext("There is nothing in your cart to order."))
        if fingerprint(lines) != seen:
            raise OrderRefused(
                gettext("Your cart has changed since you looked at it. Nothing was ordered: please look again.")
            )
        now = timezone.now()
        bought = [
            buy(
                customer=customer,
                product=line.product,
                quantity=line.quantity,
                time=now,
                order=order,
                shipping_method=shipping_method,
                order_status="Pending",
            )
            for line in lines
        ]
        CartItem.objects.filter(customer=customer, product__in=[line.product.pk for line in lines]).delete()
    return bought, True
