"""Pages of an API list, by cursor: a page goes on after the last row of the one before, however many came before it.

The cursor holds that row's values of what the list is ordered by ("keyset pagination": Winand, SQL Performance
Explained, "Paging Through Results"), so row 100,000 costs no more than the first, and rows that come and go meanwhile
move nothing. DRF's own cursor looks at the first field of an order only, and counts through rows that are alike in it.
"""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.core import signing
from django.core.exceptions import ValidationError as BadValue
from django.db.models import F, Field, Model, Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

SALT = "recsite.pagination"
LIMIT, MOST = 50, 500


class Term(NamedTuple):
    """One field of an order. Rows without a value come last, in either direction and on every database."""

    name: str
    field: Field
    may_be_missing: bool
    down: bool

    def ordering(self) -> Any:
        if not self.may_be_missing:
            return f"-{self.name}" if self.down else self.name
        return F(self.name).desc(nulls_last=True) if self.down else F(self.name).asc(nulls_last=True)

    def value_of(self, row: Model) -> str | None:
        """To the last digit: a moment cut to milliseconds would come before its own row."""
        value = getattr(row, self.name)
        return None if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)

    def same(self, value: object) -> Q:
        return Q(**{f"{self.name}__isnull": True}) if value is None else Q(**{self.name: value})

    def after(self, value: object) -> Q | None:
        """Rows that come later by this field alone; None: there are none."""
        if value is None:
            return None
        later = Q(**{f"{self.name}__{'lt' if self.down else 'gt'}": value})
        return later | Q(**{f"{self.name}__isnull": True}) if self.may_be_missing else later


class Pages(BasePagination):
    """`?limit=` rows, 50 unless said otherwise and 500 at most; `next` is the address of the next page, or null."""

    def paginate_queryset(self, rows: QuerySet, request: Request, view: Any = None) -> list[Model]:
        limit = self.limit(request)
        terms = terms_of(rows)
        rows = rows.order_by(*(term.ordering() for term in terms))
        cursor = request.query_params.get("cursor")
        if cursor is not None:
            rows = rows.filter(beyond(terms, self.place(cursor, terms)))
        found = list(rows[: limit + 1])
        page = found[:limit]
        self.next = None
        if len(found) > limit:
            place = [term.value_of(page[-1]) for term in terms]
            query = request.query_params.copy()
            query["cursor"] = signing.dumps([order_of(terms), place], salt=SALT)
            self.next = f"{request.build_absolute_uri(request.path)}?{urlencode(sorted(query.lists()), doseq=True)}"
        return page

    def limit(self, request: Request) -> int:
        given = request.query_params.get("limit")
        if given is None:
            return LIMIT
        if not (given.isascii() and given.isdigit() and len(given) < 10 and 1 <= int(given) <= MOST):
            raise ValidationError({"limit": [f"A whole number from 1 to {MOST}."]})
        return int(given)

    def place(self, cursor: str, terms: list[Term]) -> list[object]:
        """The values that the page before ended with."""
        try:
            made_for, place = signing.loads(cursor, salt=SALT)
            if made_for != order_of(terms):
                raise ValidationError({"cursor": ["This cursor is of a list in another order."]})
            return [term.field.to_python(value) for term, value in zip(terms, place, strict=True)]
        except (signing.BadSignature, BadValue, ValueError):
            raise ValidationError({"cursor": ["Take the cursor from `next` of the page before."]}) from None

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
        limit = {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}
        return [
            {"name": "limit", "in": "query", "description": "Rows on a page.", "schema": limit},
            {
                "name": "cursor",
                "in": "query",
                "description": "Where to go on: `next` of the page before holds it.",
                "schema": {"type": "string"},
            },
        ]


def terms_of(rows: QuerySet) -> list[Term]:
    """What a list is ordered by, made unique by the primary key."""
    names = [str(name) for name in (rows.query.order_by or rows.model._meta.ordering)]
    terms = {}
    for name in names:
        term = term_of(rows, name.lstrip("-"), name.startswith("-"))
        terms.setdefault(term.name, term)  # said twice, the first counts
    if not any(term.field.unique and not term.may_be_missing for term in terms.values()):
        down = bool(names) and names[-1].startswith("-")
        terms["pk"] = term_of(rows, "pk", down)
    return list(terms.values())


def term_of(rows: QuerySet, name: str, down: bool) -> Term:
    if name in rows.query.annotations:
        return Term(name, rows.query.annotations[name].output_field, True, down)
    about = rows.model._meta
    field = about.pk if name == "pk" else about.get_field(name)
    return Term(field.attname, field, field.null, down)


def order_of(terms: list[Term]) -> list[str]:
    return [f"-{term.name}" if term.down else term.name for term in terms]


def beyond(terms: list[Term], place: list[object]) -> Q:
    """The rows after a place: later by the first field, or alike in it and later by the second, and so on."""
    found, alike = Q(pk__in=[]), Q()
    for term, value in zip(terms, place, strict=True):
        later = term.after(value)
        if later is not None:
            found |= alike & later
        alike &= term.same(value)
    first, value = terms[0], place[0]
    if value is None or first.may_be_missing:
        return found
    # The same said again, so that a database finds the place by its index.
    return Q(**{f"{first.name}__{'lte' if first.down else 'gte'}": value}) & found
