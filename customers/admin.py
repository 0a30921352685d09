"""Customers and purchases in the admin. The tables are long: no page here counts or lists all of one."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import FieldTextFilter, RangeDateTimeFilter, RangeNumericFilter
from unfold.paginator import InfinitePaginator

from catalog.spreadsheets import SheetAdmin
from customers import profile
from customers.models import Customer, Purchase
from customers.resources import CustomerResource, PurchaseResource


class LongTableAdmin(SheetAdmin):
    paginator = InfinitePaginator  # no COUNT(*) of a long table for each page
    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = True


@admin.register(Customer)
class CustomerAdmin(LongTableAdmin):
    resource_classes = [CustomerResource]

    list_display = ["key", "name", "user", "age", "gender", "country", "segment", "personalisation"]
    list_select_related = ["user"]
    list_filter = [
        "personalisation",
        *((name, RangeNumericFilter) for name in profile.NUMBERS),
        *((name, FieldTextFilter) for name in profile.TEXTS),
        ("created", RangeDateTimeFilter),
    ]
    search_fields = ["key", "name", "user__username", "user__email"]
    search_help_text = _("Key, name, username or email")
    autocomplete_fields = ["user"]
    readonly_fields = ["created", "updated", "what_they_bought"]
    fieldsets = [
        (None, {"fields": ["key", "name", "user", "personalisation", "what_they_bought"]}),
        (_("Profile"), {"fields": profile.NAMES}),
        (_("When"), {"fields": ["created", "updated"]}),
    ]

    def get_readonly_fields(self, request, obj=None):
        """The key never changes."""
        return [*self.readonly_fields, "key"] if obj else self.readonly_fields

    @admin.display(description=_("Purchases"))
    def what_they_bought(self, customer):
        if customer.pk is None:
            return "-"
        count = customer.purchases.count()
        address = reverse("admin:customers_purchase_changelist", query={"customer__id__exact": customer.pk})
        return format_html(
            '<a href="{}">{}</a>', address, ngettext("{n} purchase", "{n} purchases", count).format(n=count)
        )


@admin.register(Purchase)
class PurchaseAdmin(LongTableAdmin):
    resource_classes = [PurchaseResource]

    list_display = ["time", "customer", "product", "quantity", "amount", "rating", "order_status", "external_id"]
    list_display_links = ["time"]
    list_select_related = ["customer", "product"]
    list_filter = [
        ("time", RangeDateTimeFilter),
        ("rating", RangeNumericFilter),
        "personalisation",
        ("order_status", FieldTextFilter),
        ("product__category", FieldTextFilter),
    ]
    search_fields = ["=external_id", "=customer__key", "customer__name", "=product__key", "product__name"]
    search_help_text = _("Customer, product, or the whole of an external id")
    autocomplete_fields = ["customer", "product"]
    readonly_fields = ["order"]
    fieldsets = [
        (None, {"fields": ["customer", "product", "time", "quantity", "amount", "rating"]}),
        (
            _("Order"),
            {"fields": ["feedback", "shipping_method", "payment_method", "order_status", "order", "external_id"]},
        ),
        (_("Privacy"), {"fields": ["personalisation"]}),
    ]

    def lookup_allowed(self, lookup, value, request=None):
        """A customer's page links to their purchases."""
        return lookup == "customer__id__exact" or super().lookup_allowed(lookup, value, request)
