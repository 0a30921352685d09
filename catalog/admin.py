"""Products in the admin: search, filters, import and export, history."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import DropdownFilter, RangeNumericFilter

from catalog.models import Product
from catalog.resources import ProductResource
from catalog.selectors import facet
from catalog.services import delete_picture, put_on_sale, take_off_sale
from catalog.spreadsheets import SheetAdmin


class CommonestValues(DropdownFilter):
    """The commonest values of a field, with counts: a shop may have thousands of brands."""

    def lookups(self, request, model_admin):
        rows = facet(Product.objects.all(), self.parameter_name)
        return [(value, f"{value} ({products})") for value, products in rows]

    def queryset(self, request, queryset):
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


class CategoryFilter(CommonestValues):
    parameter_name = "category"
    title = _("category")


class BrandFilter(CommonestValues):
    parameter_name = "brand"
    title = _("brand")


@admin.register(Product)
class ProductAdmin(SheetAdmin):
    resource_classes = [ProductResource]

    list_display = ["name", "key", "category", "brand", "type", "price", "active"]
    list_filter = [
        "active",
        CategoryFilter,
        BrandFilter,
        ("price", RangeNumericFilter),
    ]
    list_filter_submit = True
    search_fields = ["name", "key", "category", "brand"]
    search_help_text = _("Name, key, category or brand")
    list_per_page = 50
    show_full_result_count = False
    actions = ["take_off_sale", "put_on_sale"]

    readonly_fields = ["created", "updated"]
    fieldsets = [
        (None, {"fields": ["key", "name", "active", "price", "description", "image"]}),
        (_("What it is"), {"fields": ["category", "brand", "type"]}),
        (_("When"), {"fields": ["created", "updated"]}),
    ]

    def get_readonly_fields(self, request, obj=None):
        """The key never changes."""
        return [*self.readonly_fields, "key"] if obj else self.readonly_fields

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        before = form.initial.get("image")
        if "image" in form.changed_data and before:
            delete_picture(storage=before.storage, name=before.name)

    @admin.action(description=_("Take off sale"), permissions=["change"])
    def take_off_sale(self, request, queryset):
        changed = take_off_sale(products=queryset)
        message = ngettext("{n} product taken off sale.", "{n} products taken off sale.", changed)
        self.message_user(request, message.format(n=changed))

    @admin.action(description=_("Put on sale"), permissions=["change"])
    def put_on_sale(self, request, queryset):
        changed = put_on_sale(products=queryset)
        message = ngettext("{n} product put on sale.", "{n} products put on sale.", changed)
        self.message_user(request, message.format(n=changed))
