"""Pages of one customer: cart, orders, profile, personalisation."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from catalog.models import Product
from customers import services
from customers.carts import cart_of, fingerprint, total_of
from customers.checkout import check_out
from customers.errors import CartRefused, CustomersError
from customers.forms import CheckoutForm, ProfileForm
from customers.models import MOST_PIECES, Customer
from customers.profile import PROFILE
from customers.selectors import baskets_of, customer_of, order_of, orders_in, purchases_of
from customers.signals import put_in_cart

ORDERS_A_PAGE = 10


def redirect_back(request: HttpRequest, otherwise: str) -> HttpResponse:
    """To the page of the form: what the form says itself, else the Referer. Never to another site."""
    for place in (request.POST.get("next"), request.headers.get("Referer")):
        if place and url_has_allowed_host_and_scheme(place, {request.get_host()}, require_https=request.is_secure()):
            return redirect(place)
    return redirect(otherwise)


def changed(customer: Customer, what: str) -> str:
    """A message, which says that the list changes unless the customer opted out."""
    return gettext("{what} Your list has changed.").format(what=what) if customer.personalisation else what


# --- cart and orders --------------------------------------------------------------------------------------------------


def pieces(sent: object) -> int:
    """A number of pieces as a form sends it. CartRefused for anything else."""
    try:
        return int(str(sent).strip())
    except ValueError:
        raise CartRefused(
            gettext("A number of pieces is a whole number; this was {value!r}.").format(value=str(sent)[:20])
        ) from None


@require_POST
def add_to_cart(request: HttpRequest, key: str) -> HttpResponse:
    """Put a product in the cart. A script gets the message and the new count alone, and no page."""
    product = get_object_or_404(Product, key=key)
    try:
        cart_of(request).put(product, pieces(request.POST.get("quantity", "1")))
    except CustomersError as error:
        messages.error(request, str(error))
    else:
        put_in_cart.send(
            sender=Product, request=request, product=product, recommendation=request.POST.get("recommendation", "")
        )
        messages.success(request, gettext("{product} is in your cart.").format(product=product.name))
    if not request.htmx:
        return redirect_back(request, product.get_absolute_url() if product.active else "home")
    if request.POST.get("next") == reverse("cart"):
        return HttpResponseClientRedirect(reverse("cart"))
    return render(request, "customers/cart_changed.html")


@require_http_methods(["GET", "HEAD", "POST"])
def cart(request: HttpRequest) -> HttpResponse:
    """What is in the cart; sent back, it is changed."""
    shopping_cart = cart_of(request)
    if request.method == "POST":
        try:
            if "remove" in request.POST:
                shopping_cart.remove([pieces(request.POST["remove"])])
            else:
                fields = {f"quantity-{line.product.pk}": line.product.pk for line in shopping_cart.lines()}
                sent = {fields[name]: pieces(value) for name, value in request.POST.items() if name in fields}
                shopping_cart.change(sent)
        except CustomersError as error:
            messages.error(request, str(error))
        return redirect("cart")
    lines = shopping_cart.lines()
    context = {
        "lines": lines,
        "for_sale": [line.product.key for line in lines if line.for_sale],
        "total": total_of(lines),
        "checkout_form": CheckoutForm.showing(fingerprint(lines)),
        "most": MOST_PIECES,
    }
    return render(request, "customers/cart.html", context)


@require_POST
def checkout(request: HttpRequest) -> HttpResponse:
    """Place the order. Sent twice, it leads to the same order."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("cart"))
    form = CheckoutForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Nothing was ordered: the form was incomplete. Please try again."))
        return redirect("cart")
    customer = services.customer_for(user=request.user)
    try:
        bought, new = check_out(customer=customer, **form.cleaned_data)
    except CustomersError as error:
        messages.error(request, str(error))
        return redirect("cart")
    # After two clicks the browser shows the second answer only, so that confirms the order, too.
    messages.success(
        request,
        changed(customer, gettext("Thank you. Your order is placed.")) if new else gettext("Your order is placed."),
    )
    return redirect("order", bought[0].order)


@require_POST
@login_required
def rate(request: HttpRequest, purchase_id: int) -> HttpResponse:
    """Rate a purchase, or take the rating back (an empty rating)."""
    customer = customer_of(request.user)
    purchase = get_object_or_404(purchases_of(customer), pk=purchase_id)
    try:
        services.rate_purchase(purchase=purchase, by=customer, rating=request.POST.get("rating", "").strip() or None)
    except CustomersError as error:
        messages.error(request, str(error))
    else:
        what = gettext("Your rating is gone.")
        if purchase.rating is not None:
            what = gettext("You rated {product}.").format(product=purchase.product)
        messages.success(request, changed(customer, what))
    return redirect_back(request, "orders")


@require_safe
@login_required
def orders(request: HttpRequest) -> HttpResponse:
    customer = customer_of(request.user)
    page = Paginator(baskets_of(customer), ORDERS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "customers/orders.html", {"page": page, "orders": orders_in(page.object_list, customer)})


@require_safe
@login_required
def order(request: HttpRequest, number: UUID) -> HttpResponse:
    placed = order_of(customer_of(request.user), number)
    if placed is None:
        raise Http404(gettext("This customer has no such order."))
    return render(request, "customers/order.html", {"order": placed})


# --- the profile ------------------------------------------------------------------------------------------------------


@require_safe
@login_required
def welcome(request: HttpRequest) -> HttpResponse:
    """The first page after signing up: a list made from nothing but the profile."""
    customer = customer_of(request.user)
    if purchases_of(customer).exists():
        return redirect("home")
    profile = [(field.label, getattr(customer, field.name, None)) for field in PROFILE]
    return render(request, "customers/welcome.html", {"profile": [(name, value) for name, value in profile if value]})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def account(request: HttpRequest) -> HttpResponse:
    form = ProfileForm.of(customer_of(request.user), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        customer = services.update_customer(customer=services.customer_for(user=request.user), **form.profile())
        messages.success(request, changed(customer, gettext("Your profile is saved.")))
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
        gettext("Personalisation is on: your lists are your own again.")
        if wanted
        else gettext("Personalisation is off: your lists are the popular ones, and nothing is learned from you."),
    )
    return redirect_back(request, "account")
