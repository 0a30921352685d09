"""What the shop sells."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from catalog.pictures import validate_picture


class ProductQuerySet(models.QuerySet["Product"]):
    def active(self) -> "ProductQuerySet":
        return self.filter(active=True)


class Product(models.Model):
    """One thing to buy. `key` is the shop's own SKU: what the API, the importers and the recommender call it."""

    key = models.CharField(
        max_length=64, unique=True, help_text=_("The shop's own key (SKU). It never changes."), verbose_name=_("key")
    )
    name = models.CharField(max_length=200, verbose_name=_("name"))
    category = models.CharField(max_length=100, blank=True, db_index=True, verbose_name=_("category"))
    brand = models.CharField(max_length=100, blank=True, db_index=True, verbose_name=_("brand"))
    type = models.CharField(max_length=100, blank=True, verbose_name=_("type"))
    price = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        verbose_name=_("price"),
    )
    description = models.TextField(blank=True, verbose_name=_("description"))
    active = models.BooleanField(
        default=True, help_text=_("An inactive product is shown and recommended nowhere."), verbose_name=_("active")
    )
    image = models.ImageField(upload_to="products/", blank=True, validators=[validate_picture], verbose_name=_("image"))
    created = models.DateTimeField(auto_now_add=True, verbose_name=_("created"))
    updated = models.DateTimeField(auto_now=True, db_index=True, verbose_name=_("updated"))

    objects = ProductQuerySet.as_manager()

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
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
