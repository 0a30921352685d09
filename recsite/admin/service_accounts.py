"""Service accounts and their keys in the admin."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from knox.models import AuthToken
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from recsite.api import keys
from recsite.models import ApiKey, ServiceAccount

admin.site.unregister(AuthToken)  # knox's own page shows the key in a message, and knows neither names nor revocation

WORDS = {
    "recommend_for_anyone": _("Anyone's lists, events, interests"),
    "view_trainingrun": _("Metrics for a monitoring system"),
}
VERBS = {
    "add": gettext_noop("Add {what}"),
    "change": gettext_noop("Change {what}"),
    "delete": gettext_noop("Delete {what}"),
    "view": gettext_noop("View {what}"),
}
LIFETIMES = [("30", _("30 days")), ("90", _("90 days")), ("365", _("A year")), ("", _("No end: until it is revoked"))]
OVERLAPS = [("0", _("It ends now")), ("1", _("For an hour")), ("24", _("For a day")), ("168", _("For a week"))]


class RightsField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, right: Permission) -> str:
        if right.codename in WORDS:
            return str(WORDS[right.codename])
        verb = right.codename.partition("_")[0]
        model = right.content_type.model_class()
        what = right.content_type.model if model is None else model._meta.verbose_name_plural
        return gettext(VERBS[verb]).format(what=what) if verb in VERBS else right.name


class ServiceAccountForm(forms.ModelForm):
    name = forms.CharField(
        label=_("Name"),
        max_length=150,
        validators=[User.username_validator],
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Of the program: till, crm. Letters, digits and @ . + - _ only. It never changes."),
    )
    active = forms.BooleanField(
        label=_("Active"),
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Off: every key of it is turned away at once."),
    )
    rights = RightsField(
        label=_("Rights"),
        queryset=keys.rights(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("What its keys open. Without any, only what is open to everybody."),
    )

    class Meta:
        model = ServiceAccount
        fields = ["purpose"]

    by: User  # who sends the form; the admin sets it

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            user = self.instance.user
            self.fields["name"].disabled = True
            self.initial |= {"name": user.username, "active": user.is_active, "rights": user.user_permissions.all()}

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if not self.instance.pk and User.objects.filter(username=name).exists():
            raise forms.ValidationError(gettext("There is a user named {name} already.").format(name=name))
        return name

    def clean_rights(self) -> list[Permission]:
        given = list(self.cleaned_data["rights"])
        before = set(self.instance.user.user_permissions.filter(keys.RIGHTS)) if self.instance.pk else set()
        try:
            keys.check_may_change(before ^ set(given), by=self.by)
        except keys.KeyRefused as error:
            raise forms.ValidationError(str(error)) from None
        return given


class KeyForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Where it is used: the till in Leeds, say."),
    )
    lifetime = forms.ChoiceField(
        label=_("Lifetime"),
        choices=LIFETIMES,
        initial="365",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("It ends by itself."),
    )

    def clean_lifetime(self) -> timedelta | None:
        days = self.cleaned_data["lifetime"]
        return timedelta(days=int(days)) if days else None


class RotateForm(forms.Form):
    overlap = forms.ChoiceField(
        choices=OVERLAPS, initial="24", label=_("The old key works on"), widget=UnfoldAdminSelectWidget
    )

    def clean_overlap(self) -> timedelta:
        return timedelta(hours=int(self.cleaned_data["overlap"]))


@admin.register(ServiceAccount)
class ServiceAccountAdmin(ModelAdmin):
    form = ServiceAccountForm
    list_display = ["name", "purpose", "state", "working_keys", "created"]
    list_display_links = ["name"]
    list_select_related = ["user"]
    search_fields = ["user__username", "purpose"]
    search_help_text = _("Name or purpose")
    show_full_result_count = False
    change_form_after_template = "admin/recsite/keys.html"
    actions_detail = ["new_key"]
    fieldsets = [(None, {"fields": ["name", "purpose", "active", "rights"]})]

    def has_delete_permission(self, request: HttpRequest, obj: ServiceAccount | None = None) -> bool:
        """An account is switched off; what it did and who gave it its keys stays on record."""
        return False

    def get_queryset(self, request: HttpRequest):
        now = timezone.now()
        works = Q(keys__token__isnull=False) & (Q(keys__expires=None) | Q(keys__expires__gt=now))
        return super().get_queryset(request).annotate(works=Count("keys", filter=works))

    @display(description=_("Name"), ordering="user__username")
    def name(self, account: ServiceAccount) -> str:
        return str(account)

    @display(description=_("State"), label={"on": "success", "off": "warning"})
    def state(self, account: ServiceAccount) -> tuple[str, str]:
        return ("on", gettext("on")) if account.user.is_active else ("off", gettext("off"))

    @display(description=_("Keys that work"), ordering="works")
    def working_keys(self, account: ServiceAccount) -> int:
        return account.works

    def get_form(self, request: HttpRequest, obj=None, change=False, **kwargs: object):
        # `name`, `active` and `rights` are the form's own, of the account's user.
        form = super().get_form(request, obj, change=change, **{**kwargs, "fields": ["purpose"]})
        return type("Form", (form,), {"by": request.user})

    def save_model(self, request: HttpRequest, account: ServiceAccount, form: ServiceAccountForm, change: bool) -> None:
        data, by = form.cleaned_data, request.user
        if change:
            account.save()
            keys.set_rights(account=account, given=data["rights"], by=by)
        else:
            made = keys.create_account(name=data["name"], purpose=data["purpose"], given=data["rights"], by=by)
            account.pk, account.user = made.pk, made.user
        keys.set_active(account=account, active=data["active"], by=by)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context=None) -> HttpResponse:
        account_keys = ApiKey.objects.filter(account=object_id).select_related("created_by", "revoked_by")
        may = {verb: request.user.has_perm(f"recsite.{verb}_apikey") for verb in ("add", "change", "delete")}
        more = {"keys": account_keys, "may": may}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("keys/<int:pk>/rotate/", view(self.rotate), name="recsite_apikey_rotate"),
            path("keys/<int:pk>/revoke/", view(self.revoke), name="recsite_apikey_revoke"),
            *super().get_urls(),
        ]

    def has_new_key_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return request.user.has_perm("recsite.add_apikey")

    @action(
        description=_("New key"), url_path="new-key", permissions=["new_key"], icon="key", variant=ActionVariant.PRIMARY
    )
    def new_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = self.get_object(request, object_id)
        if account is None:
            raise Http404(gettext("There is no service account {name}.").format(name=object_id))

        def make(**options: Any) -> HttpResponse:
            key, text = keys.make_key(account=account, by=request.user, **options)
            return self.key_page(request, key, text)

        title = gettext("A new key for {account}").format(account=account)
        return self.form_page(request, account, KeyForm, make, title=title, verb=gettext("Make the key"))

    def rotate(self, request: HttpRequest, pk: int) -> HttpResponse:
        key = self.key(request, pk, "change")

        def rotate(**options: Any) -> HttpResponse:
            new, text = keys.rotate_key(key=key, by=request.user, **options)
            return self.key_page(request, new, text, before=key)

        words = gettext("A new key takes the place of {start}..., with the same name and as long a life.")
        title = gettext("Rotate the key {key}").format(key=key.name)
        context = {"title": title, "verb": gettext("Rotate"), "words": words.format(start=key.start)}
        return self.form_page(request, key.account, RotateForm, rotate, **context)

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponse:
        key = self.key(request, pk, "delete")

        def revoke() -> HttpResponse:
            keys.revoke_key(key=key, by=request.user)
            words = gettext("The key {key} ({start}...) is revoked.").format(key=key.name, start=key.start)
            messages.success(request, words)
            return redirect(page_of(key.account))

        words = gettext("Whoever sends {start}... is turned away from now on. This cannot be undone.")
        title = gettext("Revoke the key {key}").format(key=key.name)
        context = {
            "title": title,
            "verb": gettext("Revoke"),
            "words": words.format(start=key.start),
            "danger": True,
        }
        return self.form_page(request, key.account, forms.Form, revoke, **context)

    # --- within ---

    def key(self, request: HttpRequest, pk: int, verb: str) -> ApiKey:
        if not request.user.has_perm(f"recsite.{verb}_apikey"):
            raise PermissionDenied
        return get_object_or_404(ApiKey.objects.select_related("account__user"), pk=pk)

    def form_page(
        self, request: HttpRequest, account: ServiceAccount, form_class: Any, act: Callable, **context: object
    ) -> HttpResponse:
        """A page with a form; sent and valid, what `act` answers. What it refuses is said at the form."""
        form = form_class(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                return act(**form.cleaned_data)
            except keys.KeyRefused as error:
                form.add_error(None, str(error))
        return self.page(request, "key_form.html", account, form=form, **context)

    def key_page(self, request: HttpRequest, key: ApiKey, text: str, before: ApiKey | None = None) -> HttpResponse:
        """The one page that shows the key: the answer to the form itself, which no cache keeps."""
        context = {"title": gettext("The key {key}").format(key=key.name), "key": key, "text": text, "before": before}
        return self.page(request, "key_shown.html", key.account, **context)

    def page(self, request: HttpRequest, template: str, account: ServiceAccount, **context: object) -> HttpResponse:
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "account": account}
        return TemplateResponse(request, f"admin/recsite/{template}", {**frame, "back": page_of(account), **context})


def page_of(account: ServiceAccount) -> str:
    return reverse("admin:recsite_serviceaccount_change", args=[account.pk])
