"""Purchases of the first day of year 1 or the last of 9999, which were accepted once, have no moment in some time zones:
a page, an export or an answer with one of them failed. They keep a time that no list and no training takes, and that
every zone can show.
"""

from datetime import UTC, datetime

from django.db import migrations

FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def move_within_every_calendar(apps, schema_editor):
    purchases = apps.get_model("customers", "Purchase").objects.using(schema_editor.connection.alias)
    purchases.filter(time__lt=FIRST).update(time=FIRST)
    purchases.filter(time__gt=LAST).update(time=LAST)


class Migration(migrations.Migration):
    dependencies = [("customers", "0004_alter_purchase_time")]

    operations = [migrations.RunPython(move_within_every_calendar, migrations.RunPython.noop)]
