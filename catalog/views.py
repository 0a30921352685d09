"""Pages anyone may read. What is the reader's own comes from the tags of `recommendations` and `customers`."""

from django.core.exceptions import SuspiciousFileOperation
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from catalog.filters import ProductFilter, wider_searches
from catalog.models import Product
from catalog.pictures import WIDTHS, PictureBroken, sized
from catalog.selectors import facet, products_for_sale, spelled_like

PAGE_SIZE = 24
ORDERS = [
    ("", _("By name")),
    ("price", _("Cheapest first")),
    ("-price", _("Dearest first")),
    ("-rating", _("Best rated first")),
    ("-created", _("Newest first")),
]
LEAST_RATINGS = [("", _("Any")), ("4", _("4 and up")), ("3", _("3 and up")), ("2", _("2 and up"))]
NARROWING = ("q", "category", "brand", "type", "min_price", "max_price", "min_rating")


def least_ratings(chosen: str) -> list[tuple[str, str]]:
    """What the form offers, and what the address says where that is something else."""
    return (
        LEAST_RATINGS
        if chosen in dict(LEAST_RATINGS)
        else [*LEAST_RATINGS, (chosen, gettext("{rating} and up").format(rating=chosen))]
    )


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "catalog/home.html", {"stocked": products_for_sale().exists()})


@require_safe
def product_list(request: HttpRequest) -> HttpResponse:
    """Search with filters. One that makes no sense (a price of "cheap") is left out, with a message."""
    on_sale = products_for_sale()
    search = ProductFilter(request.GET, queryset=on_sale)
    page = Paginator(search.qs, PAGE_SIZE).get_page(request.GET.get("page"))
    query = search.form.cleaned_data  # only what made sense
    category = query.get("category")
    narrowed = any(query.get(name) not in (None, "") for name in NARROWING)
    least_rating = "" if query.get("min_rating") is None else f"{query['min_rating'].normalize():f}"
    form = search.form
    context = {
        "errors": [
            text if name == "q" else f"{form.fields[name].label}: {text}"  # the message of q says that it is a search
            for name, texts in form.errors.items()
            for text in texts
        ],
        "narrowed": narrowed,
        "ratings": least_ratings(least_rating),
        "query": query,
        "least_rating": least_rating,
        "page": page,
        "orders": ORDERS,
        "categories": facet(on_sale, "category"),
        "brands": facet(on_sale.filter(category=category) if category else on_sale, "brand"),
    }
    if narrowed and not page.object_list:
        sound = {name: request.GET[name] for name in query if name in request.GET}
        context["wider"] = wider_searches(sound, on_sale)
        context["meant"] = spelled_like(query["q"], on_sale) if query.get("q") else []
    return render(request, "catalog/products.html", context)


@require_safe
def product_page(request: HttpRequest, key: str) -> HttpResponse:
    product = get_object_or_404(products_for_sale(), key=key)
    return render(request, "catalog/product.html", {"product": product})


@require_safe
def picture(request: HttpRequest, name: str, width: int = WIDTHS[-1]) -> FileResponse:
    """A product's picture in WebP. The upload itself is never sent, whatever it holds."""
    if width not in WIDTHS:
        raise Http404
    image = Product._meta.get_field("image")
    try:
        shown = image.storage.open(sized(image.storage, f"{image.upload_to}{name}", width))
    except (PictureBroken, SuspiciousFileOperation) as error:
        raise Http404 from error
    response = FileResponse(shown, filename=f"{width}.webp", content_type="image/webp")
    response["Cache-Control"] = "public, max-age=86400"  # a name may be given to another picture, once it is free
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
