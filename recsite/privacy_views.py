"""Pages about a person's data: what their lists are made from, all of it as a file, and the deletion of the account."""

from allauth.core import ratelimit
from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext, pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.models import Product
from catalog.selectors import products_by_key
from customers import services
from customers.models import Purchase
from customers.selectors import customer_of, purchases_of
from customers.views import redirect_back
from recommender import feedback
from recommender.feedback import views_of_customer
from recsite import privacy

PURCHASES_A_PAGE = 10
VIEWS_A_PAGE = 10


@require_safe
@login_required
def history(request: HttpRequest) -> HttpResponse:
    """What lists are made from: purchases with their ratings, what was looked at, the profile."""
    customer = customer_of(request.user)
    purchases = Paginator(purchases_of(customer), PURCHASES_A_PAGE).get_page(request.GET.get("page"))
    seen = Paginator(views_of_customer(customer.key) if customer else [], VIEWS_A_PAGE).get_page(
        request.GET.get("seen")
    )
    named = products_by_key(row["item"] for row in seen)
    views = [{**row, "product": named.get(row["item"])} for row in seen]
    context = {
        "page": purchases,
        "seen": seen,
        "views": views,
        "dismissed": len(feedback.dismissals_of_request(request)),
    }
    return render(request, "privacy/history.html", context)


@require_POST
@login_required
def count_purchase(request: HttpRequest, purchase_id: int) -> HttpResponse:
    """Take one purchase out of personalisation, or put it back."""
    purchase = get_object_or_404(purchases_of(customer_of(request.user)), pk=purchase_id)
    return _set_counting(request, Purchase.objects.filter(pk=purchase.pk), purchase.product)


@require_POST
@login_required
def count_product(request: HttpRequest, key: str) -> HttpResponse:
    """The same for every purchase of one product: a list's reason names a product."""
    product = get_object_or_404(Product, key=key)
    theirs = Purchase.objects.filter(customer=customer_of(request.user), customer__isnull=False, product=product)
    return _set_counting(request, theirs, product)


@require_safe
@login_required
@never_cache
def download(request: HttpRequest) -> HttpResponse:
    """All personal data as one JSON file."""
    now = timezone.now()
    everything = privacy.everything_about(request.user, visit=dict(request.session.items()), now=now)
    response = JsonResponse(everything, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = f'attachment; filename="personal-data-{now:%Y-%m-%d}.json"'
    return response


class DeleteAccountForm(forms.Form):
    """The password once more; a word instead, where the account has none (it signs in by somebody else's)."""

    @property
    def word(self) -> str:
        # Translators: what somebody writes to delete their account, in small letters.
        return pgettext("to be written", "delete")

    confirmation = forms.CharField(max_length=4096, strip=False)

    def __init__(self, user, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.user, field = user, self.fields["confirmation"]
        if user.has_usable_password():
            field.label = gettext("Your password")
            field.widget = forms.PasswordInput(attrs={"autocomplete": "current-password"})
        else:
            field.label = gettext("Write “{word}”").format(word=self.word)

    def clean_confirmation(self) -> str:
        given = self.cleaned_data["confirmation"]
        if self.user.has_usable_password():
            if not self.user.check_password(given):
                raise forms.ValidationError(gettext("This is not your password. Nothing was deleted."))
        elif given.strip().lower() != self.word:
            raise forms.ValidationError(
                gettext("Write “{word}” to delete your account. Nothing was deleted.").format(word=self.word)
            )
        return given


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def delete_account(request: HttpRequest) -> HttpResponse:
    """Delete the account. The page says first what happens to the data, and takes the password."""
    if request.user.is_staff:
        return render(request, "privacy/delete_account.html", {"staff": True}, status=403 if request.POST else 200)
    form = DeleteAccountForm(request.user, request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not ratelimit.consume(request, action="reauthenticate", user=request.user):
            form.add_error(None, gettext("Too many tries. Wait a few minutes. Nothing was deleted."))
        elif form.is_valid():
            user = request.user
            logout(request)
            privacy.delete_account(user)
            messages.success(request, gettext("Your account is deleted, and with it everything that was known of you."))
            return redirect("home")
    context = {"form": form, "purchases": purchases_of(customer_of(request.user)).count()}
    return render(request, "privacy/delete_account.html", context, status=422 if form.errors else 200)


# --- within -----------------------------------------------------------------------------------------------------------


def _set_counting(request: HttpRequest, purchases, product: Product) -> HttpResponse:
    wanted = request.POST.get("wanted") == "yes"
    if services.set_purchases_personalisation(purchases=purchases, wanted=wanted):
        words = gettext("{product} counts for your lists no more. The order stays.")
        if wanted:
            words = gettext("{product} counts for your lists again.")
        messages.success(request, words.format(product=product))
    return redirect_back(request, "history")
