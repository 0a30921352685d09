"""The look of Django's own admin, with the few things that unfold adds to it: buttons above lists and rows that open a
page, coloured labels, and a note above a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminIntegerFieldWidget as IntegerInput
from django.contrib.admin.widgets import AdminTextareaWidget as Textarea
from django.contrib.admin.widgets import AdminTextInputWidget as TextInput
from django.core.exceptions import PermissionDenied
from django.forms import CheckboxInput as Switch
from django.forms import Select
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse

__all__ = ["DecimalInput", "IntegerInput", "ModelAdmin", "Select", "Switch", "TextInput", "Textarea"]

PRIMARY = "primary"
day_classes = "vDateField"


class DecimalInput(forms.NumberInput):
    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs={"step": "any", "class": "vIntegerField", **(attrs or {})})


@dataclass(frozen=True)
class Button:
    title: str
    address: str
    is_primary: bool


def action(
    *, description: str, url_path: str, permissions: Sequence[str], icon: str = "", variant: str = ""
) -> Callable[[Callable[..., HttpResponse]], Any]:
    """Decorator: a method that is the page of a button. permissions : `x` asks `has_x_permission(request)`."""

    def decorator(method: Callable[..., HttpResponse]) -> Any:
        @wraps(method)
        def page(model_admin: ModelAdmin, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not model_admin.may_press(request, method.__name__):
                raise PermissionDenied
            return method(model_admin, request, *args, **kwargs)

        vars(page).update(
            short_description=description, url_path=url_path, allowed=permissions, is_primary=variant == PRIMARY
        )
        return page

    return decorator


def display(
    *, description: str, ordering: str | None = None, label: Mapping[Any, str] | None = None
) -> Callable[[Callable[[Any, Any], Any]], Any]:
    """Decorator: a column of a list. label : value -> colour of the label that shows it; a
    column may give a pair, the value and its text."""

    def decorator(column: Callable[[Any, Any], Any]) -> Any:
        @wraps(column)
        def shown(model_admin: ModelAdmin, row: Any) -> Any:
            value = column(model_admin, row)
            if label is None or value is None:
                return value
            value, text = value if isinstance(value, tuple) else (value, value)
            context = {"text": text, "colour": label.get(value, "default")}
            return render_to_string("admin/recommender/plain/label.html", context)

        return admin.display(description=description, ordering=ordering)(shown)

    return decorator


class ModelAdmin(admin.ModelAdmin):
    """actions_list, actions_detail : names of methods with @action: buttons above the list, and above one row.
    list_before_template : what stands above the list."""

    actions_list: Sequence[str] = ()
    actions_detail: Sequence[str] = ()
    list_before_template: str | None = None
    change_list_template = "admin/recommender/plain/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        places = [("", name) for name in self.actions_list]
        places += [("<path:object_id>/", name) for name in self.actions_detail]
        pages = [
            path(
                f"{place}{getattr(self, name).url_path}/",
                self.admin_site.admin_view(getattr(self, name)),
                name=self._address_name(name),
            )
            for place, name in places
        ]
        return [*pages, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"buttons": self._buttons(request, self.actions_list), "before": self.list_before_template}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"buttons": self._buttons(request, self.actions_detail, object_id)}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def may_press(self, request: HttpRequest, name: str) -> bool:
        permissions = getattr(self, name).allowed
        return all(getattr(self, f"has_{permission}_permission")(request) for permission in permissions)

    def _buttons(self, request: HttpRequest, names: Sequence[str], *arguments: str) -> list[Button]:
        buttons = []
        for name in names:
            if self.may_press(request, name):
                page = getattr(self, name)
                address = reverse(f"admin:{self._address_name(name)}", args=arguments)
                buttons.append(Button(page.short_description, address, page.is_primary))
        return buttons

    def _address_name(self, name: str) -> str:
        """As unfold names it, so that a page can be linked to in either look."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"
