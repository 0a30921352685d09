"""Pages of an API list."""

from rest_framework.pagination import LimitOffsetPagination


class Pages(LimitOffsetPagination):
    """`?limit=` and `?offset=`, with a ceiling: nobody reads a whole table in one call."""

    default_limit = 50
    max_limit = 500
