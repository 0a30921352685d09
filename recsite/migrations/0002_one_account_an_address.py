"""An email address, in any spelling, belongs to one user. Of those who share one, the first keeps it."""

from django.conf import settings
from django.db import migrations
from django.db.models import Count, Min
from django.db.models.functions import Lower

INDEX = "recsite_user_email_once"


def keep_the_first(apps, schema_editor):
    User = apps.get_model(settings.AUTH_USER_MODEL)
    shared = (
        User.objects.exclude(email="")
        .annotate(address=Lower("email"))
        .values("address")
        .annotate(users=Count("pk"), first=Min("pk"))
        .filter(users__gt=1)
    )
    for row in shared:
        User.objects.annotate(address=Lower("email")).filter(address=row["address"]).exclude(pk=row["first"]).update(email="")


def add_index(apps, schema_editor):
    """MariaDB has no index on an expression; there the forms alone refuse an address that is taken."""
    if schema_editor.connection.vendor in ("sqlite", "postgresql"):
        schema_editor.execute(f"CREATE UNIQUE INDEX {INDEX} ON auth_user (lower(email)) WHERE email <> ''")


def remove_index(apps, schema_editor):
    if schema_editor.connection.vendor in ("sqlite", "postgresql"):
        schema_editor.execute(f"DROP INDEX {INDEX}")


class Migration(migrations.Migration):
    dependencies = [
        ("recsite", "0001_service_accounts_and_answers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.RunPython(keep_the_first, migrations.RunPython.noop),
        migrations.RunPython(add_index, remove_index),
    ]
