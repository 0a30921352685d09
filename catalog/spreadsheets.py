"""Files of the admin's import and export: CSV that is safe to open in a spreadsheet and comes back as it was."""

import re
from datetime import UTC
from decimal import Decimal
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import sanitize_separators
from django.utils.translation import gettext
from import_export.admin import ImportExportModelAdmin
from import_export.formats.base_formats import CSV, JSON
from import_export.resources import ModelResource
from import_export.widgets import (
    BooleanWidget,
    CharWidget,
    DateTimeWidget,
    DecimalWidget,
    ForeignKeyWidget,
    IntegerWidget,
)
from tablib import Dataset
from unfold.admin import ModelAdmin
from unfold.contrib.import_export.forms import ExportForm, ImportForm

# A cell that a spreadsheet would run. Apostrophes in front belong to it, so that a disarmed cell differs from text that
# has an apostrophe of its own.
FORMULA = re.compile(r"'*[=+\-@\t\r]")


def disarmed(cell: Any) -> Any:
    """Text that no spreadsheet takes for a formula; numbers as they are."""
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def restored(cell: Any) -> Any:
    """The text before `disarmed`."""
    return cell[1:] if isinstance(cell, str) and cell.startswith("'") and FORMULA.match(cell) else cell


def with_cells(dataset: Dataset, change: Any) -> Dataset:
    return Dataset(*[[change(cell) for cell in row] for row in dataset], headers=dataset.headers)


class SpreadsheetCSV(CSV):
    """CSV whose formulas are disarmed on the way out and restored on the way in."""

    def is_binary(self) -> bool:
        return True  # read as text, line ends within a cell would be changed

    def get_read_mode(self) -> str:
        return "rb"

    def get_title(self) -> str:
        return "csv"

    def create_dataset(self, in_stream: bytes, **kwargs: object) -> Dataset:
        return with_cells(super().create_dataset(in_stream.decode("utf-8-sig"), **kwargs), restored)

    def export_data(self, dataset: Dataset, **kwargs: object) -> str:
        return super().export_data(with_cells(dataset, disarmed), **kwargs)


class ExactDateTimeWidget(DateTimeWidget):
    """Times to the microsecond and with their offset; read in that form or as the admin's forms read them."""

    def clean(self, value: Any, row: Any = None, **kwargs: object) -> Any:
        try:
            moment = parse_datetime(value.strip()) if isinstance(value, str) else None
        except ValueError as error:
            raise ValueError(
                gettext("{value!r} is no date and time: {error}.").format(value=value, error=error)
            ) from None
        if moment is None:
            return super().clean(value, row, **kwargs)
        try:
            # In UTC: PostgreSQL takes no offset of 16 hours.
            return (timezone.make_aware(moment) if timezone.is_naive(moment) else moment).astimezone(UTC)
        except OverflowError:
            raise ValueError(
                gettext("{value!r} lies outside of the years 1 to 9999 in UTC.").format(value=value)
            ) from None

    def render(self, value: Any, obj: Any = None, **kwargs: object) -> str:
        return "" if value is None else timezone.localtime(value).isoformat(sep=" ")


class PlainNumber:
    """Numbers keep their type in a file; what is no number is refused, by its field."""

    def clean(self, value: Any, row: Any = None, **kwargs: object) -> Any:
        try:
            return super().clean(value, row, **kwargs)  # type: ignore[misc]
        except ArithmeticError:
            raise ValueError(gettext("{value!r} is not a number.").format(value=value)) from None

    def render(self, value: Any, obj: Any = None, **kwargs: object) -> Any:
        return "" if value is None else value


class PlainDecimalWidget(PlainNumber, DecimalWidget):
    pass


class PlainIntegerWidget(PlainNumber, IntegerWidget):
    """Whole numbers; a fraction is refused, not cut off."""

    def clean(self, value: Any, row: Any = None, **kwargs: object) -> Any:
        number = super().clean(value, row, **kwargs)
        if number is not None and number != Decimal(sanitize_separators(value)):
            raise ValueError(gettext("{value!r} is not a whole number.").format(value=value))
        return number


class YesOrNoWidget(BooleanWidget):
    """True or false in the usual words; another word is refused, not taken for no."""

    YES, NO = {"1", "true", "yes", "y", "t", "on"}, {"0", "false", "no", "n", "f", "off"}

    def clean(self, value: Any, row: Any = None, **kwargs: object) -> bool | None:
        word = "" if value is None else str(value).strip().lower()
        if word and word not in self.YES | self.NO:
            raise ValueError(gettext("{value!r} is neither yes nor no: write 1 or 0.").format(value=value))
        return word in self.YES if word else None


class TextWidget(CharWidget):
    """Text as it stands in the cell; one of spaces alone is empty."""

    def clean(self, value: Any, row: Any = None, **kwargs: object) -> Any:
        if isinstance(value, list | dict):
            raise ValueError(gettext("{value!r} is not text.").format(value=value))
        return super().clean(value if str(value or "").strip() else None, row, **kwargs)


class KeyOfWidget(ForeignKeyWidget):
    """A row of another table by its key."""

    def clean(self, value: Any, row: Any = None, **kwargs: object) -> Model | None:
        try:
            return super().clean(value, row, **kwargs)
        except ObjectDoesNotExist:
            raise ValueError(
                gettext("There is no {kind} {value!r}.").format(kind=self.model._meta.verbose_name, value=value)
            ) from None


class SheetResource(ModelResource):
    """Rows of a file, found again by their key. A new row takes the right to add, a changed one the right to change."""

    class Meta:
        import_id_fields: list[str] = ["key"]
        skip_unchanged = True
        report_skipped = False
        clean_model_instances = True  # a wrong value is named by its field, as in a form

    WIDGETS_MAP = {
        **ModelResource.WIDGETS_MAP,
        "BooleanField": YesOrNoWidget,
        "CharField": TextWidget,
        "TextField": TextWidget,
        "DateTimeField": ExactDateTimeWidget,
        "DecimalField": PlainDecimalWidget,
        "PositiveIntegerField": PlainIntegerWidget,
        "PositiveSmallIntegerField": PlainIntegerWidget,
    }

    def before_save_instance(self, instance: Model, row: Any, user: Any = None, **kwargs: object) -> None:
        verb = "add" if instance._state.adding else "change"
        about = self._meta.model._meta
        permission = f"{about.app_label}.{verb}_{about.model_name}"
        if user is not None and not user.has_perm(permission):
            sentence = gettext("This {kind} would be changed, which takes the permission {permission}.")
            if verb == "add":
                sentence = gettext("This {kind} would be added, which takes the permission {permission}.")
            raise ValidationError(sentence.format(kind=about.verbose_name, permission=permission))


class SheetAdmin(ModelAdmin, ImportExportModelAdmin):
    """Import and export of a model's rows, for those who may add or change some."""

    formats = [SpreadsheetCSV, JSON]
    import_form_class = ImportForm
    export_form_class = ExportForm

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) or self.has_change_permission(request)
