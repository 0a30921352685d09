"""A customer's profile, field by field. Forms, pages, API, imports, exports, admin, seeding and the recommender's
source class read this list.

To add a field: a line in PROFILE, a column of that name in `models.Customer` (text: `CharField(blank=True)`; a number:
`PositiveSmallIntegerField(null=True, blank=True)` with validators for its limits), and `manage.py makemigrations`.
"""

from dataclasses import dataclass
from typing import Any

from django.db import models

from customers.models import Customer


@dataclass(frozen=True)
class ProfileField:
    name: str  # of the column
    seed_name: str  # in the retail CSV; the API takes this spelling, too
    label: str
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


PROFILE = (
    ProfileField("age", "Age", "Age", 28),
    ProfileField("gender", "Gender", "Gender", "Female", choices=("Female", "Male", "Non-binary")),
    ProfileField("country", "Country", "Country", "UK", autocomplete="country-name"),
    ProfileField("state", "State", "State or region", "England", autocomplete="address-level1"),
    ProfileField("city", "City", "City", "Leeds", autocomplete="address-level2"),
    ProfileField("income", "Income", "Income", "High", choices=("Low", "Medium", "High")),
    ProfileField("segment", "Customer_Segment", "Kind of customer", "Premium", choices=("New", "Regular", "Premium")),
)
BY_NAME = {field.name: field for field in PROFILE}
NAMES = tuple(BY_NAME)
TEXTS = tuple(field.name for field in PROFILE if not field.is_number)
NUMBERS = tuple(field.name for field in PROFILE if field.is_number)
