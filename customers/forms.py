"""The profile, asked at sign-up and edited later, of which every field may be left empty; and the order form."""

import uuid

from django import forms
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest

from customers.models import Customer
from customers.selectors import PROFILE_FIELDS, suggestions
from customers.services import customer_for, update_customer

CHOSEN = ("gender", "income", "segment")  # few values: a select
SUGGESTED = ("country", "state", "city")  # many: free text with suggestions


class SuggestingInput(forms.TextInput):
    """A text field with a <datalist>: the browser offers values, and takes any other too."""

    template_name = "customers/suggesting_input.html"

    def get_context(self, name: str, value: object, attrs: dict | None) -> dict:
        context = super().get_context(name, value, attrs)
        context["widget"]["suggestions"] = suggestions(name)
        context["widget"]["attrs"]["list"] = f"{context['widget']['attrs'].get('id', name)}_list"
        return context


class ProfileFields(forms.Form):
    age = forms.IntegerField(
        required=False,
        validators=[MinValueValidator(1), MaxValueValidator(120)],
        widget=forms.NumberInput(attrs={"min": 1, "max": 120, "inputmode": "numeric"}),
    )
    gender = forms.ChoiceField(required=False)
    country = forms.CharField(
        required=False, max_length=100, widget=SuggestingInput(attrs={"autocomplete": "country-name"})
    )
    state = forms.CharField(
        required=False,
        max_length=100,
        label="State or region",
        widget=SuggestingInput(attrs={"autocomplete": "address-level1"}),
    )
    city = forms.CharField(
        required=False, max_length=100, widget=SuggestingInput(attrs={"autocomplete": "address-level2"})
    )
    income = forms.ChoiceField(required=False)
    segment = forms.ChoiceField(required=False, label="Kind of customer")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        for field in CHOSEN:
            offered = suggestions(field)
            current = self.initial.get(field)
            if current and current not in offered:
                offered = [current, *offered]
            self.fields[field].choices = [("", "I'd rather not say"), *((value, value) for value in offered)]

    def profile_fields(self) -> list[forms.BoundField]:
        return [self[field] for field in PROFILE_FIELDS]

    def profile(self) -> dict[str, object]:
        return {field: self.cleaned_data[field] for field in PROFILE_FIELDS}


class SignUpProfileForm(ProfileFields):
    """What allauth's sign-up form is built upon: the account's fields come from there, the profile's from here."""

    def account_fields(self) -> list[forms.BoundField]:
        return [field for field in self.visible_fields() if field.name not in PROFILE_FIELDS]

    def signup(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Called by allauth once the user is saved."""
        update_customer(customer=customer_for(user=user), **self.profile())


class ProfileForm(ProfileFields):
    name = forms.CharField(required=False, max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    field_order = ["name", *PROFILE_FIELDS]

    @classmethod
    def of(cls, customer: Customer | None, data: object = None) -> "ProfileForm":
        fields = ("name", *PROFILE_FIELDS)
        return cls(data, initial={field: getattr(customer, field) for field in fields} if customer else {})

    def profile(self) -> dict[str, object]:
        return {"name": self.cleaned_data["name"], **super().profile()}


class CheckoutForm(forms.Form):
    """order : the number that the order will have, made with the form, so that a form sent twice is one order."""

    order = forms.UUIDField(widget=forms.HiddenInput)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)
    shipping_method = forms.ChoiceField(required=False)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["shipping_method"].choices = [(method, method) for method in settings.SHIPPING_METHODS]
        if not settings.SHIPPING_METHODS:
            del self.fields["shipping_method"]

    @classmethod
    def showing(cls, seen: str) -> "CheckoutForm":
        """A new form for a cart of this fingerprint."""
        return cls(initial={"order": uuid.uuid4(), "seen": seen})
