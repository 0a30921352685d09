"""Pages of one customer: what they bought, who they are, what the site may do with it; and the Buy button."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.models import Product
from customers import services
from customers.errors import CustomersError
from customers.forms import ProfileForm
from customers.models import Customer
from customers.selectors import PROFILE_FIELDS, customer_of, orders_of

ORDERS_A_PAGE = 10


def back_to_where_they_were(request: HttpRequest, otherwise: str) -> HttpResponse:
    """The page that the form stood on: what it says itself, else what the browser says. Never another site."""
    for place in (request.POST.get("next"), request.headers.get("Referer")):
        if place and url_has_allowed_host_and_scheme(place, {request.get_host()}, require_https=request.is_secure()):
            return redirect(place)
    return redirect(otherwise)


def changed(customer: Customer, what: str) -> str:
    """A message that says what follows: a list that changes, or one that does not because they opted out."""
    return f"{what} Your list has changed." if customer.personalisation else what


@require_POST
def buy(request: HttpRequest, key: str) -> HttpResponse:
    product = get_object_or_404(Product, key=key)
    if not request.user.is_authenticated:
        # Back to the product after signing in: the purchase itself has to be asked for again.
        return redirect_to_login(product.get_absolute_url())
    customer = services.customer_for(user=request.user)
    try:
        services.buy(customer=customer, product=product)
    except CustomersError as error:
        messages.error(request, str(error))
        return back_to_where_they_were(request, "home")
    messages.success(request, changed(customer, f"Bought {product.name}."))
    return back_to_where_they_were(request, product.get_absolute_url())


@require_POST
@login_required
def rate(request: HttpRequest, purchase_id: int) -> HttpResponse:
    """Rate a purchase, or take the rating back (an empty rating)."""
    customer = customer_of(request.user)
    purchase = get_object_or_404(orders_of(customer), pk=purchase_id)
    try:
        services.rate_purchase(purchase=purchase, by=customer, rating=request.POST.get("rating", "").strip() or None)
    except CustomersError as error:
        messages.error(request, str(error))
    else:
        what = f"You rated {purchase.product}." if purchase.rating is not None else "Your rating is gone."
        messages.success(request, changed(customer, what))
    return back_to_where_they_were(request, "orders")


@require_safe
@login_required
def orders(request: HttpRequest) -> HttpResponse:
    page = Paginator(orders_of(customer_of(request.user)), ORDERS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "customers/orders.html", {"page": page})


@require_safe
@login_required
def welcome(request: HttpRequest) -> HttpResponse:
    """The first page after signing up: a list made from nothing but the profile."""
    customer = customer_of(request.user)
    told = [(field, getattr(customer, field)) for field in PROFILE_FIELDS if customer and getattr(customer, field)]
    return render(request, "customers/welcome.html", {"told": told})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def account(request: HttpRequest) -> HttpResponse:
    form = ProfileForm.of(customer_of(request.user), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        customer = services.update_customer(customer=services.customer_for(user=request.user), **form.profile())
        messages.success(request, changed(customer, "Your profile is saved."))
        return redirect("account")
    return render(request, "customers/account.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
@login_required
def personalisation(request: HttpRequest) -> HttpResponse:
    """The consent switch: one click, either way."""
    wanted = request.POST.get("wanted") == "yes"
    services.set_personalisation(customer=services.customer_for(user=request.user), wanted=wanted)
    messages.success(
        request,
        "Personalisation is on: your lists are your own again."
        if wanted
        else "Personalisation is off: your lists are the popular ones, and nothing is learned from you.",
    )
    return back_to_where_they_were(request, "account")
