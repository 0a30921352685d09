"""Lists and their results have a scope. The way back is refused where results differ in nothing else."""

import recommender.key_columns
from django.db import migrations, models
from django.db.migrations.exceptions import IrreversibleError

UNIQUE_BEFORE = ["day", "scenario", "source", "version", "bucket"]


def refuse_to_mix_scopes(apps, schema_editor):
    """Said before anything is changed: MariaDB and MySQL take back no change of a table."""
    counts = apps.get_model("recommender", "ListCount").objects.using(schema_editor.connection.alias)
    alike = counts.order_by().values(*UNIQUE_BEFORE).annotate(rows=models.Count("pk")).filter(rows__gt=1)
    if count := sum(alike.values_list("rows", flat=True)):
        raise IrreversibleError(
            f"0016_scopes stays applied: {count} rows of ListCount differ in their scope alone, and there is none before "
            'this migration. Remove those that have one, ListCount.objects.exclude(scope="").delete(), then migrate '
            "again."
        )


class Migration(migrations.Migration):

    dependencies = [
        ('recommender', '0015_longer_keys'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='listcount',
            name='one_list_count_a_day_and_kind',
        ),
        migrations.AddField(
            model_name='listcount',
            name='scope',
            field=recommender.key_columns.KeyColumn(blank=True, db_default='', default='', help_text='The site, tenant or market, where the source has several.', max_length=255, verbose_name='scope'),
        ),
        migrations.AddField(
            model_name='servedlist',
            name='scope',
            field=recommender.key_columns.KeyColumn(blank=True, db_default='', default='', help_text='The site, tenant or market, where the source has several.', max_length=255, verbose_name='scope'),
        ),
        migrations.AddConstraint(
            model_name='listcount',
            constraint=models.UniqueConstraint(fields=('day', 'scenario', 'scope', 'source', 'version', 'bucket'), name='one_list_count_a_day_and_kind'),
        ),
        migrations.RunPython(migrations.RunPython.noop, refuse_to_mix_scopes),  # on the way back, the first step
    ]
