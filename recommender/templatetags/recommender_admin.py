"""Cards, buttons, labels and fields of the recommender's pages in the admin: `{% load recommender_admin %}`.

    {% card title="Quality" %}...{% endcard %}
    {% button danger=True %}Cancel this run{% endbutton %}
    {% label "live" "success" %}
    {% form_errors form %}{% for field in form %}{% form_field field %}{% endfor %}
    {{ people|grouped }}

Each is a small template in admin/recommender/plain/ or admin/recommender/unfold/, whichever look the admin has. A page
names none of the two.
"""

from __future__ import annotations

from typing import Any

from django import forms, template
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.formats import number_format
from django.utils.safestring import SafeString

from recommender.looks import look

register = template.Library()


@register.simple_block_tag
def card(content: str, title: str = "") -> SafeString:
    """A frame around a part of a page."""
    return _shown("card", content=content, title=title)


@register.simple_block_tag
def button(content: str, danger: bool = False, quiet: bool = False, formaction: str = "") -> SafeString:
    """A button that sends its form. danger : what it does cannot be undone. quiet : it is not the main one."""
    return _shown("button", content=content, danger=danger, quiet=quiet, formaction=formaction)


@register.simple_tag
def label(text: str, colour: str = "default") -> SafeString:
    """A word in a colour: default, info, success, warning or danger."""
    return _shown("label", text=text, colour=colour)


@register.simple_tag
def form_field(field: forms.BoundField) -> SafeString:
    """A field with its label, its help and what is wrong with it."""
    return _shown("field", field=field)


@register.simple_tag
def form_errors(form: forms.BaseForm) -> SafeString:
    """What is wrong with a form as a whole."""
    return _shown("errors", errors=form.non_field_errors())


@register.simple_tag(takes_context=True)
def page_buttons(context: Context) -> SafeString:
    """The buttons of a page of one row. unfold shows them itself, beside the title."""
    return _shown("page_buttons", buttons=context.get("buttons", ()))


@register.filter
def grouped(number: int) -> str:
    """12,345, as the language of the page writes it."""
    return number_format(number, force_grouping=True)


def _shown(part: str, **context: Any) -> SafeString:
    return render_to_string(f"admin/recommender/{look()}/{part}.html", context)
