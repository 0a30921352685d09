"""What the site asks of each new connection to its database."""

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver


@receiver(connection_created)
def switch_jit_off(connection: BaseDatabaseWrapper, **sent: object) -> None:
    """PostgreSQL compiles queries whose estimated cost is high, and it overestimates those that read ratings: the
    second page of 3,000 products by rating took 2.3 s with compiling and takes .14 s without."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
