"""Keys of up to 255 characters. The way back is refused where one would not fit."""

import recommender.key_columns
from django.db import migrations
from django.db.migrations.exceptions import IrreversibleError
from django.db.models import Q
from django.db.models.functions import Length

BEFORE = 64
COLUMNS = {
    "Dismissal": ["customer", "item"],
    "Event": ["customer", "item", "sender"],
    "Exposure": ["customer"],
    "ServedList": ["customer"],
}


def refuse_to_cut_keys(apps, schema_editor):
    """Said before anything is changed: MariaDB and MySQL take back no change of a table."""
    found = []
    for model, columns in COLUMNS.items():
        rows = apps.get_model("recommender", model).objects.using(schema_editor.connection.alias)
        longer = Q()
        for name in columns:
            rows = rows.annotate(**{f"_{name}": Length(name)})
            longer |= Q(**{f"_{name}__gt": BEFORE})
        if count := rows.filter(longer).count():
            found.append(f"{count} of {model}")
    if found:
        raise IrreversibleError(
            f"0015_longer_keys stays applied: rows with keys of more than {BEFORE} characters do not fit into the "
            f"columns of before ({', '.join(found)}). Remove them, then migrate again."
        )


class Migration(migrations.Migration):

    dependencies = [
        ('recommender', '0014_languages'),
    ]

    operations = [
        migrations.AlterField(
            model_name='dismissal',
            name='customer',
            field=recommender.key_columns.KeyColumn(help_text="The customer's key.", max_length=255, verbose_name='customer'),
        ),
        migrations.AlterField(
            model_name='dismissal',
            name='item',
            field=recommender.key_columns.KeyColumn(max_length=255, verbose_name='item'),
        ),
        migrations.AlterField(
            model_name='event',
            name='customer',
            field=recommender.key_columns.KeyColumn(blank=True, max_length=255, verbose_name='customer'),
        ),
        migrations.AlterField(
            model_name='event',
            name='item',
            field=recommender.key_columns.KeyColumn(max_length=255, verbose_name='item'),
        ),
        migrations.AlterField(
            model_name='event',
            name='sender',
            field=recommender.key_columns.KeyColumn(blank=True, help_text="Who gave the event its id: a user, an API key's account or a visit.", max_length=265, verbose_name='sender'),
        ),
        migrations.AlterField(
            model_name='exposure',
            name='customer',
            field=recommender.key_columns.KeyColumn(blank=True, db_index=True, help_text="The customer's key, if known.", max_length=255, verbose_name='customer'),
        ),
        migrations.AlterField(
            model_name='servedlist',
            name='customer',
            field=recommender.key_columns.KeyColumn(blank=True, db_index=True, help_text="The customer's key, if known.", max_length=255, verbose_name='customer'),
        ),
        migrations.RunPython(migrations.RunPython.noop, refuse_to_cut_keys),  # on the way back, the first step
    ]
