"""Customers, their purchases and their carts."""

from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.models import Product
from customers.times import validate_time

MOST_PIECES = 99  # of one product in a cart


class CustomerQuerySet(models.QuerySet["Customer"]):
    def learnable(self) -> "CustomerQuerySet":
        """Those the recommender may learn from: they have not opted out of personalisation."""
        return self.filter(personalisation=True)


class Customer(models.Model):
    """The profile of a person who may or may not have an account here."""

    key = models.CharField(
        max_length=64, unique=True, help_text=_("The shop's own key. It never changes."), verbose_name=_("key")
    )
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="customer",
        verbose_name=_("user"),
    )
    name = models.CharField(max_length=200, blank=True, verbose_name=_("name"))
    age = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(120)], verbose_name=_("age")
    )
    gender = models.CharField(max_length=30, blank=True, verbose_name=_("gender"))
    country = models.CharField(max_length=100, blank=True, verbose_name=_("country"))
    state = models.CharField(max_length=100, blank=True, verbose_name=_("state"))
    city = models.CharField(max_length=100, blank=True, verbose_name=_("city"))
    income = models.CharField(max_length=30, blank=True, verbose_name=_("income"))
    segment = models.CharField(max_length=50, blank=True, verbose_name=_("segment"))
    personalisation = models.BooleanField(
        default=True,
        help_text=_("Consent: off means popular lists only, and nothing is learned from this person."),
        verbose_name=_("personalisation"),
    )
    created = models.DateTimeField(auto_now_add=True, verbose_name=_("created"))
    updated = models.DateTimeField(auto_now=True, verbose_name=_("updated"))

    objects = CustomerQuerySet.as_manager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(condition=~Q(key=""), name="customer_key_not_empty"),
            models.CheckConstraint(
                condition=Q(age__isnull=True) | Q(age__gte=1, age__lte=120), name="customer_age_between_1_and_120"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.key


# What API, import and export say of a purchase beside its ids.
PURCHASE_FIELDS = (
    *("customer", "product", "time", "quantity", "amount", "rating"),
    *("feedback", "shipping_method", "payment_method", "order_status", "personalisation"),
)


class PurchaseQuerySet(models.QuerySet["Purchase"]):
    def learnable(self) -> "PurchaseQuerySet":
        """Those that lists and models may know of."""
        return self.filter(personalisation=True)

    def withheld(self) -> "PurchaseQuerySet":
        """Those that their buyers took out of personalisation."""
        return self.filter(personalisation=False)

    def opinions(self) -> "PurchaseQuerySet":
        """Of each customer and product the latest with a rating: how often somebody rates, they have one voice."""
        rated = Purchase.objects.filter(rating__isnull=False).order_by()
        later = Q(time__gt=OuterRef("time")) | Q(time=OuterRef("time"), pk__gt=OuterRef("pk"))
        said_later = rated.filter(later, customer=OuterRef("customer"), product=OuterRef("product"))
        return self.filter(~Exists(said_later), rating__isnull=False)


class Purchase(models.Model):
    """One product bought once by one customer. A rating, when given, is of this purchase.

    When a customer is deleted, their purchases stay for the books, without customer, rating and feedback.
    """

    customer = models.ForeignKey(
        Customer,
        on_delete=models.SET_NULL,
        null=True,
        related_name="purchases",
        help_text=_("Nobody, once the buyer is deleted: the sale stays in the books."),
        verbose_name=_("customer"),
    )
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="purchases", verbose_name=_("product"))
    time = models.DateTimeField(default=timezone.now, validators=[validate_time], verbose_name=_("time"))
    quantity = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)], verbose_name=_("quantity"))
    amount = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("Paid in all for this purchase."),
        verbose_name=_("amount"),
    )
    rating = models.DecimalField(
        max_digits=2,
        decimal_places=1,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(5))],
        verbose_name=_("rating"),
    )
    feedback = models.CharField(max_length=50, blank=True, verbose_name=_("feedback"))
    shipping_method = models.CharField(max_length=50, blank=True, verbose_name=_("shipping method"))
    payment_method = models.CharField(max_length=50, blank=True, verbose_name=_("payment method"))
    order_status = models.CharField(max_length=50, blank=True, verbose_name=_("order status"))
    order = models.UUIDField(
        null=True,
        blank=True,
        help_text=_("What was checked out together; empty where only the purchase itself is told."),
        verbose_name=_("order"),
    )
    external_id = models.CharField(
        max_length=100,
        null=True,
        blank=True,
        unique=True,
        help_text=_("The sender's own id: a repeat is stored once."),
        verbose_name=_("external id"),
    )
    personalisation = models.BooleanField(
        default=True,
        help_text=_("Off: the buyer took it out of personalisation. The sale stays; no list knows of it."),
        verbose_name=_("personalisation"),
    )

    objects = PurchaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("purchase")
        verbose_name_plural = _("purchases")
        ordering = ["-time", "-id"]
        indexes = [
            models.Index(fields=["customer"], condition=Q(personalisation=False), name="purchase_withheld"),
            models.Index(fields=["customer", "time", "id"], name="purchase_history"),
            models.Index(fields=["product", "time"], name="purchase_of_product"),
            models.Index(fields=["time", "id"], name="purchase_in_time"),
            models.Index(fields=["product", "rating"], name="purchase_rated", condition=Q(rating__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1), name="purchase_quantity_positive"),
            models.CheckConstraint(
                condition=Q(amount__isnull=True) | Q(amount__gte=0), name="purchase_amount_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(rating__isnull=True) | Q(rating__gte=0, rating__lte=5),
                name="purchase_rating_between_0_and_5",
            ),
            # However often and however fast an order is sent, it is placed once.
            models.UniqueConstraint(fields=["customer", "order", "product"], name="product_once_in_an_order"),
        ]

    def __str__(self) -> str:
        customer = self.customer or gettext("Somebody")
        return gettext("{customer} bought {product}").format(customer=customer, product=self.product)


class CartItem(models.Model):
    """One product in a customer's cart. A visitor's cart is in their session: see carts.py."""

    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, related_name="cart_items", verbose_name=_("customer")
    )
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+", verbose_name=_("product"))
    quantity = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_PIECES)], verbose_name=_("quantity")
    )
    price = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("When it was put in, to tell a change."),
        verbose_name=_("price"),
    )
    added = models.DateTimeField(default=timezone.now, verbose_name=_("added"))

    class Meta:
        verbose_name = _("cart item")
        verbose_name_plural = _("cart items")
        ordering = ["added", "id"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "product"], name="product_once_in_a_cart"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=MOST_PIECES), name="cart_quantity_between_1_and_99"
            ),
        ]

    def __str__(self) -> str:
        sentence = gettext("{quantity} of {product} in the cart of {customer}")
        return sentence.format(quantity=self.quantity, product=self.product, customer=self.customer)
