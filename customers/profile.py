"""A customer's profile, field by field. Forms, pages, API, imports, exports, admin, seeding and the recommender's
source class read this list.

To add a field: a line in PROFILE, a column of that name in `models.Customer` (text: `CharField(blank=True)`; a number:
`PositiveSmallIntegerField(null=True, blank=True)` with validators for its limits), and `manage.py makemigrations`.
"""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from customers.models import Customer


@dataclass(frozen=True)
class ProfileField:
    name: str  # of the column
    seed_name: str  # in the retail CSV; the API takes this spelling, too
    label: str | Promise
    example: str | int
    choices: tuple[str, ...] = ()  # a select offers these until customers share values; empty: free text
    autocomplete: str = ""  # what browsers call it in HTML forms

    @property
    def column(self) -> Any:
        return Customer._meta.get_field(self.name)

    @property
    def is_number(self) -> bool:
        return isinstance(self.column, models.IntegerField)

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest number, from the column's validators."""
        least = [validator.limit_value for validator in self.column.validators if validator.code == "min_value"]
        greatest = [validator.limit_value for validator in self.column.validators if validator.code == "max_value"]
        return max(least), min(greatest)


GENDERS = (gettext_noop("Female"), gettext_noop("Male"), gettext_noop("Non-binary"))
INCOMES = (gettext_noop("Low"), gettext_noop("Medium"), gettext_noop("High"))
SEGMENTS = (gettext_noop("New"), gettext_noop("Regular"), gettext_noop("Premium"))
PROFILE = (
    ProfileField("age", "Age", _("Age"), 28),
    ProfileField("gender", "Gender", _("Gender"), "Female", choices=GENDERS),
    ProfileField("country", "Country", _("Country"), "UK", autocomplete="country-name"),
    ProfileField("state", "State", _("State or region"), "England", autocomplete="address-level1"),
    ProfileField("city", "City", _("City"), "Leeds", autocomplete="address-level2"),
    ProfileField("income", "Income", _("Income"), "High", choices=INCOMES),
    ProfileField("segment", "Customer_Segment", _("Kind of customer"), "Premium", choices=SEGMENTS),
)
BY_NAME = {field.name: field for field in PROFILE}
NAMES = tuple(BY_NAME)
TEXTS = tuple(field.name for field in PROFILE if not field.is_number)
NUMBERS = tuple(field.name for field in PROFILE if field.is_number)
