"""Pages of an API list, by cursor: a page goes on after the last row of the one before, however many came before it.

The cursor holds that row's values of what the list is ordered by ("keyset pagination": Winand, SQL Performance
Explained, "Paging Through Results"), so row 100,000 costs no more than the first, and rows that come and go meanwhile
move nothing. DRF's own cursor looks at the first field of an order only, and counts through rows that are alike in it;
django-cursor-pagination compares every value as text.
"""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core import signing
from django.core.exceptions import ValidationError as BadValue
from django.db.models import F, Field, Model, Q, QuerySet
from django.utils.translation import gettext
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

SALT = "recsite.pagination"
DEFAULT_LIMIT, MAX_LIMIT = 50, 500


class Term(NamedTuple):
    """One field of an order. Rows without a value come last, in either direction and on every database."""

    name: str
    field: Field
    nullable: bool
    descending: bool

    def __str__(self) -> str:
        return f"-{self.name}" if self.descending else self.name

    def ordering(self) -> Any:
        if not self.nullable:
            return str(self)
        return F(self.name).desc(nulls_last=True) if self.descending else F(self.name).asc(nulls_last=True)

    def value_of(self, row: Model) -> str | None:
        """To the last digit: a moment cut to milliseconds would come before its own row."""
        value = getattr(row, self.name)
        return None if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)

    def equal_to(self, value: object) -> Q:
        return Q(**{f"{self.name}__isnull": True}) if value is None else Q(**{self.name: value})

    def after(self, value: object, *, inclusive: bool = False) -> Q:
        """Rows that come later by this field alone."""
        if value is None:
            return Q(pk__in=[])
        later = Q(**{f"{self.name}__{'lt' if self.descending else 'gt'}{'e' if inclusive else ''}": value})
        return later | Q(**{f"{self.name}__isnull": True}) if self.nullable else later


class Pages(BasePagination):
    """`?limit=` rows, 50 unless said otherwise and 500 at most; `next` is the address of the next page, or null."""

    def paginate_queryset(self, rows: QuerySet, request: Request, view: Any = None) -> list[Model]:
        limit = self.limit(request)
        terms = terms_of(rows)
        rows = rows.order_by(*(term.ordering() for term in terms))
        cursor = request.query_params.get("cursor")
        if cursor is not None:
            rows = rows.filter(rows_after(terms, self.values(cursor, terms)))
        page = list(rows[: limit + 1])
        self.next = None
        if len(page) > limit:
            page.pop()
            values = [term.value_of(page[-1]) for term in terms]
            query = request.query_params.copy()
            query["cursor"] = signing.dumps([[str(term) for term in terms], values], salt=SALT)
            self.next = f"{request.build_absolute_uri(request.path)}?{urlencode(sorted(query.lists()), doseq=True)}"
        return page

    def limit(self, request: Request) -> int:
        given = request.query_params.get("limit", str(DEFAULT_LIMIT))
        if not (given.isascii() and given.isdigit() and len(given) < 10 and 1 <= int(given) <= MAX_LIMIT):
            raise ValidationError({"limit": [gettext("A whole number from 1 to {most}.").format(most=MAX_LIMIT)]})
        return int(given)

    def values(self, cursor: str, terms: list[Term]) -> list[object]:
        """The values that the page before ended with."""
        try:
            order, values = signing.loads(cursor, salt=SALT)
            if order != [str(term) for term in terms]:
                raise ValidationError({"cursor": [gettext("This cursor is of a list in another order.")]})
            return [term.field.to_python(value) for term, value in zip(terms, values, strict=True)]
        except (signing.BadSignature, BadValue, ValueError):
            raise ValidationError({"cursor": [gettext("Take the cursor from `next` of the page before.")]}) from None

    def get_paginated_response(self, data: list) -> Response:
        return Response({"next": self.next, "results": data})

    def get_paginated_response_schema(self, schema: dict) -> dict:
        words = "The address of the next page; null: this is the last one."
        link = {"type": ["string", "null"], "format": "uri", "description": words}
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {"next": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict]:
        limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        words = "Where to go on: `next` of the page before holds it."
        return [
            {"name": "limit", "in": "query", "description": "Rows on a page.", "schema": limit},
            {"name": "cursor", "in": "query", "description": words, "schema": {"type": "string"}},
        ]


def terms_of(rows: QuerySet) -> list[Term]:
    """What a list is ordered by, made unique by the primary key."""
    names = [str(name) for name in (rows.query.order_by or rows.model._meta.ordering)]
    terms: dict[str, Term] = {}
    for name in names:
        term = term_of(rows, name.lstrip("-"), name.startswith("-"))
        terms.setdefault(term.name, term)  # of a name that comes twice, the first counts
    if not any(term.field.unique and not term.nullable for term in terms.values()):
        terms["pk"] = term_of(rows, "pk", bool(names) and names[-1].startswith("-"))
    return list(terms.values())


def term_of(rows: QuerySet, name: str, descending: bool) -> Term:
    if name in rows.query.annotations:
        return Term(name, rows.query.annotations[name].output_field, True, descending)
    field = rows.model._meta.pk if name == "pk" else rows.model._meta.get_field(name)
    return Term(field.attname, field, field.null, descending)


def rows_after(terms: list[Term], values: list[object]) -> Q:
    """The rows after those values: later by the first field, or equal in it and later by the second, and so on."""
    later, equal = Q(pk__in=[]), Q()
    for term, value in zip(terms, values, strict=True):
        later |= equal & term.after(value)
        equal &= term.equal_to(value)
    if values[0] is None or terms[0].nullable:
        return later
    # The same said again, so that a database finds the place by its index.
    return terms[0].after(values[0], inclusive=True) & later
