"""Pages anyone may read. What they know of the reader comes through the tags of `recommendations` and `customers`."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from catalog.filters import ProductFilter
from catalog.selectors import facet, products_for_sale

PAGE_SIZE = 24
ORDERS = [("", "By name"), ("price", "Cheapest first"), ("-price", "Dearest first"), ("-created", "Newest first")]


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "catalog/home.html", {"stocked": products_for_sale().exists()})


@require_safe
def product_list(request: HttpRequest) -> HttpResponse:
    """Search with filters. A filter that makes no sense (a price of "cheap") is said, and left out."""
    on_sale = products_for_sale()
    search = ProductFilter(request.GET, queryset=on_sale)
    page = Paginator(search.qs, PAGE_SIZE).get_page(request.GET.get("page"))
    asked = search.form.cleaned_data  # only what made sense
    category = asked.get("category")
    context = {
        "errors": [error for errors in search.form.errors.values() for error in errors],
        "asked": asked,
        "page": page,
        "orders": ORDERS,
        "categories": facet(on_sale, "category"),
        "brands": facet(on_sale.filter(category=category) if category else on_sale, "brand"),
    }
    return render(request, "catalog/products.html", context)


@require_safe
def product_page(request: HttpRequest, key: str) -> HttpResponse:
    product = get_object_or_404(products_for_sale(), key=key)
    return render(request, "catalog/product.html", {"product": product})
