"""Changes of customers and purchases. Each service checks its own preconditions and validates before it saves."""

import secrets
from decimal import Decimal, InvalidOperation

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from catalog.models import Product
from catalog.services import save_changes, save_new
from customers.errors import NotForSale, PurchaseChanged, RatingRefused
from customers.models import Customer, Purchase
from customers.selectors import customer_of

# --- customers --------------------------------------------------------------------------------------------------------


def new_key() -> str:
    """A key no customer has: `c-` and ten characters."""
    while True:
        key = f"c-{secrets.token_hex(5)}"
        if not Customer.objects.filter(key=key).exists():
            return key


def create_customer(**fields: object) -> Customer:
    """A new customer; with a key of ours where none is given. ValidationError names the field that is wrong."""
    return save_new(Customer(**{"key": new_key(), **fields}))


def update_customer(*, customer: Customer, **changes: object) -> Customer:
    return save_changes(customer, changes)


def customer_for(*, user: AbstractBaseUser) -> Customer:
    """The user's customer, made now if there is none: reading needs no profile, the first purchase or setting does."""
    existing = customer_of(user)
    if existing is not None:
        return existing
    try:
        with transaction.atomic():
            return create_customer(user=user, name=user.get_full_name())
    except (IntegrityError, ValidationError):
        # Two first clicks at once: the other one made it.
        return Customer.objects.get(user=user)


def set_personalisation(*, customer: Customer, wanted: bool) -> Customer:
    """Consent, given or withdrawn. It holds from the next list on."""
    return update_customer(customer=customer, personalisation=wanted)


def erase_opinions(sender: type[Customer], instance: Customer, **kwargs: object) -> None:
    """A receiver of `pre_delete`, whoever deletes a customer: the sales stay in the books, of nobody; ratings and
    feedback are erased."""
    Purchase.objects.filter(customer=instance).update(rating=None, feedback="")


# --- purchases --------------------------------------------------------------------------------------------------------


def buy(*, customer: Customer, product: Product, quantity: int = 1, **order: object) -> Purchase:
    """One product bought now, at today's price. NotForSale when it is no longer sold.

    order : fields of the purchase that the order it belongs to gives it.
    """
    if not product.active:
        raise NotForSale(gettext("{product} is no longer for sale.").format(product=product.name))
    amount = None if product.price is None else product.price * quantity
    return record_purchase(customer=customer, product=product, quantity=quantity, amount=amount, **order)


def record_purchase(**fields: object) -> Purchase:
    """A purchase, as a till or another program reports it. ValidationError names the field that is wrong."""
    purchase = Purchase(**fields)
    purchase.full_clean()
    purchase.save()
    return purchase


def record_purchase_once(*, external_id: str | None, **fields: object) -> tuple[Purchase, bool]:
    """The purchase, and whether it is new: an external id that comes again with the same content changes nothing.

    PurchaseChanged where one of the fields differs from what is stored; nothing is stored then.
    """
    if external_id is None:
        return record_purchase(**fields), True
    stored = Purchase.objects.filter(external_id=external_id).first()
    if stored is None:
        try:
            with transaction.atomic():
                return record_purchase(external_id=external_id, **fields), True
        except (IntegrityError, ValidationError):
            # Sent twice at once: the other one was stored between our look and our save. Else it is an error.
            stored = Purchase.objects.filter(external_id=external_id).first()
            if stored is None:
                raise
    changes = {name: (getattr(stored, name), value) for name, value in fields.items() if getattr(stored, name) != value}
    if changes:
        raise PurchaseChanged({name: difference(*values) for name, values in changes.items()})
    return stored, False


def difference(stored: object, sent: object) -> str:
    """How a field that was sent again is not as it is stored, in words."""
    before, now = (
        gettext("nothing") if value in (None, "") else getattr(value, "key", value) for value in (stored, sent)
    )
    return gettext("This external id is stored with {before}, and was sent again with {now}.").format(
        before=before, now=now
    )


def update_purchase(*, purchase: Purchase, **changes: object) -> Purchase:
    # A purchase stored before times were bounded can still be rated, or cancelled.
    return save_changes(purchase, changes, unchecked=() if "time" in changes else ["time"])


def set_purchases_personalisation(*, purchases: QuerySet[Purchase], wanted: bool) -> int:
    """Let lists and models use purchases, or keep these from them; how many that changed. The orders stay."""
    return purchases.exclude(personalisation=wanted).update(personalisation=wanted)


def rate_purchase(*, purchase: Purchase, by: Customer | None, rating: object) -> Purchase:
    """Rate what one bought: 0 to 5 in half steps, or None to take the rating back."""
    if by is None or purchase.customer_id != by.pk:
        raise RatingRefused(gettext("Only the person who bought it can rate it."))
    return update_purchase(purchase=purchase, rating=None if rating is None else half_steps(rating))


def half_steps(value: object) -> Decimal:
    """The rating a person wrote. RatingRefused for what is not 0, 0.5, 1 ... 5."""
    try:
        rating = Decimal(str(value).strip())
    except InvalidOperation:
        rating = None
    if rating is None or not rating.is_finite() or not 0 <= rating <= 5 or rating * 2 % 1:
        raise RatingRefused(
            gettext("A rating is a number from 0 to 5 in half steps; this one was {value!r}.").format(
                value=str(value)[:20]
            )
        )
    return rating.quantize(Decimal("0.1"))
