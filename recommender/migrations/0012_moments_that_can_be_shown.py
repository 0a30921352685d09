"""Events of the first day of year 1 or the last of 9999, which were accepted once, have no moment in some time zones: a
page that showed one of them failed. They keep a time that no list takes, and that every zone can show.
"""

from datetime import UTC, datetime

from django.db import migrations

FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def move_within_every_calendar(apps, schema_editor):
    events = apps.get_model("recommender", "Event").objects.using(schema_editor.connection.alias)
    events.filter(time__lt=FIRST).update(time=FIRST)
    events.filter(time__gt=LAST).update(time=LAST)


class Migration(migrations.Migration):
    dependencies = [("recommender", "0011_alter_event_time")]

    operations = [migrations.RunPython(move_within_every_calendar, migrations.RunPython.noop)]
