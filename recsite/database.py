"""What the site asks of each new connection to its database."""

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver


@receiver(connection_created)
def compile_nothing(connection: BaseDatabaseWrapper, **sent: object) -> None:
    """PostgreSQL would compile what it takes for a large query, and it takes whatever asks for ratings for one: the
    second page of 3,000 products by rating took 2.3 s where .14 are enough."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
