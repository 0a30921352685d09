"""What the shop sells."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

from catalog.pictures import validate_picture


class ProductQuerySet(models.QuerySet["Product"]):
    def active(self) -> "ProductQuerySet":
        return self.filter(active=True)


class Product(models.Model):
    """One thing to buy. `key` is the shop's own SKU: what the API, the importers and the recommender call it."""

    key = models.CharField(max_length=64, unique=True, help_text="The shop's own key (SKU). It never changes.")
    name = models.CharField(max_length=200)
    category = models.CharField(max_length=100, blank=True, db_index=True)
    brand = models.CharField(max_length=100, blank=True, db_index=True)
    type = models.CharField(max_length=100, blank=True)
    price = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(Decimal(0))]
    )
    description = models.TextField(blank=True)
    active = models.BooleanField(default=True, help_text="An inactive product is shown and recommended nowhere.")
    image = models.ImageField(upload_to="products/", blank=True, validators=[validate_picture])
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True, db_index=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["name", "key"]
        constraints = [
            models.CheckConstraint(condition=~Q(key=""), name="product_key_not_empty"),
            models.CheckConstraint(
                condition=Q(price__isnull=True) | Q(price__gte=0), name="product_price_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("product", args=[self.key])
