"""Forms of the profile, whose fields may all stay empty, and of an order."""

import uuid

from django import forms
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from customers.profile import BY_NAME, NAMES, PROFILE, ProfileField
from customers.selectors import suggestions
from customers.services import customer_for, update_customer


class SuggestingInput(forms.TextInput):
    """A text field with a <datalist>: the browser offers values, and takes any other too."""

    template_name = "customers/suggesting_input.html"

    def get_context(self, name: str, value: object, attrs: dict | None) -> dict:
        context = super().get_context(name, value, attrs)
        context["widget"]["suggestions"] = suggestions(name)
        context["widget"]["attrs"]["list"] = f"{context['widget']['attrs'].get('id', name)}_list"
        return context


def form_field(field: ProfileField) -> forms.Field:
    if field.is_number:
        least, greatest = field.limits
        widget = forms.NumberInput(attrs={"inputmode": "numeric"})
        return forms.IntegerField(required=False, min_value=least, max_value=greatest, label=field.label, widget=widget)
    if field.choices:
        return forms.ChoiceField(required=False, label=field.label)
    widget = SuggestingInput(attrs={"autocomplete": field.autocomplete} if field.autocomplete else None)
    return forms.CharField(required=False, max_length=field.column.max_length, label=field.label, widget=widget)


class ProfileFields(type("FormOfPROFILE", (forms.Form,), {field.name: form_field(field) for field in PROFILE})):
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        for name, field in BY_NAME.items():
            if field.choices:
                values = dict.fromkeys(filter(None, [self.initial.get(name), *suggestions(name)]))
                self.fields[name].choices = [
                    ("", gettext("I'd rather not say")),
                    *((value, gettext(value) if value in field.choices else value) for value in values),
                ]

    def profile_fields(self) -> list[forms.BoundField]:
        return [self[field] for field in NAMES]

    def profile(self) -> dict[str, object]:
        return {field: self.cleaned_data[field] for field in NAMES}


class SignUpProfileForm(ProfileFields):
    """What allauth's sign-up form is built upon: the account's fields come from there, the profile's from here."""

    def account_fields(self) -> list[forms.BoundField]:
        return [field for field in self.visible_fields() if field.name not in NAMES]

    def signup(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Called by allauth once the user is saved."""
        update_customer(customer=customer_for(user=user), **self.profile())


class ProfileForm(ProfileFields):
    name = forms.CharField(
        required=False, max_length=200, label=_("Name"), widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    field_order = ["name", *NAMES]

    @classmethod
    def of(cls, customer: Customer | None, data: object = None) -> "ProfileForm":
        fields = ("name", *NAMES)
        return cls(data, initial={field: getattr(customer, field) for field in fields} if customer else {})

    def profile(self) -> dict[str, object]:
        return {"name": self.cleaned_data["name"], **super().profile()}


class CheckoutForm(forms.Form):
    """order : the number that the order will have, made with the form, so that a form sent twice is one order."""

    order = forms.UUIDField(widget=forms.HiddenInput)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)
    shipping_method = forms.ChoiceField(required=False, label=_("Shipping method"))

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["shipping_method"].choices = [(method, method) for method in settings.SHIPPING_METHODS]
        if not settings.SHIPPING_METHODS:
            del self.fields["shipping_method"]

    @classmethod
    def showing(cls, seen: str) -> "CheckoutForm":
        """A new form for a cart of this fingerprint."""
        return cls(initial={"order": uuid.uuid4(), "seen": seen})
