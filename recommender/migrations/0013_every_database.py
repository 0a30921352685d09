"""The one active run and the one running experiment are held by columns that every database can make unique: MariaDB
and MySQL left out the constraints with a condition. There keys are compared character by character from now on.
"""

import recommender.key_columns
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone


def leave_one(apps, schema_editor):
    """Where no constraint held, several may be active: the newest of those at work goes on, else the newest."""
    if schema_editor.connection.vendor != "mysql":  # elsewhere one held
        return
    alias = schema_editor.connection.alias
    now = timezone.now()
    refused = {"state": "failed", "finished": now, "error": "Another run was active at the same time."}
    stopped = {"state": "stopped", "stopped": now, "reason": "Another experiment was running, too."}
    waits = models.Case(models.When(state="queued", then=1), default=0)
    for model, place, ended in (("TrainingRun", "active_place", refused), ("Experiment", "running_place", stopped)):
        active = apps.get_model("recommender", model).objects.using(alias).filter(**{place: 1})
        goes_on = active.order_by(waits, "-pk").values_list("pk", flat=True).first()
        active.exclude(pk=goes_on).update(**ended)


class Migration(migrations.Migration):

    dependencies = [
        ('recommender', '0012_moments_that_can_be_shown'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='experiment',
            name='one_running_experiment',
        ),
        migrations.RemoveConstraint(
            model_name='trainingrun',
            name='one_active_training_run',
        ),
        migrations.AddField(
            model_name='experiment',
            name='running_place',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(state='running', then=models.Value(1)), default=None, output_field=models.SmallIntegerField()), output_field=models.SmallIntegerField(null=True)),
        ),
        migrations.AddField(
            model_name='trainingrun',
            name='active_place',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(state__in=['queued', 'exporting', 'training', 'evaluating'], then=models.Value(1)), default=None, output_field=models.SmallIntegerField()), output_field=models.SmallIntegerField(null=True)),
        ),
        migrations.AlterField(
            model_name='dismissal',
            name='customer',
            field=recommender.key_columns.KeyColumn(help_text="The customer's key.", max_length=64),
        ),
        migrations.AlterField(
            model_name='dismissal',
            name='item',
            field=recommender.key_columns.KeyColumn(max_length=64),
        ),
        migrations.AlterField(
            model_name='event',
            name='customer',
            field=recommender.key_columns.KeyColumn(blank=True, max_length=64),
        ),
        migrations.AlterField(
            model_name='event',
            name='event_id',
            field=recommender.key_columns.KeyColumn(blank=True, max_length=100, null=True),
        ),
        migrations.AlterField(
            model_name='event',
            name='item',
            field=recommender.key_columns.KeyColumn(max_length=64),
        ),
        migrations.AlterField(
            model_name='event',
            name='sender',
            field=recommender.key_columns.KeyColumn(blank=True, help_text="Who gave the event its id: a user, an API key's account or a visit.", max_length=64),
        ),
        migrations.AlterField(
            model_name='event',
            name='session',
            field=recommender.key_columns.KeyColumn(blank=True, max_length=64),
        ),
        migrations.AlterField(
            model_name='exposure',
            name='customer',
            field=recommender.key_columns.KeyColumn(blank=True, db_index=True, help_text="The customer's key, if known.", max_length=64),
        ),
        migrations.AlterField(
            model_name='exposure',
            name='visitor',
            field=recommender.key_columns.KeyColumn(blank=True, max_length=32),
        ),
        migrations.AlterField(
            model_name='listcount',
            name='scenario',
            field=recommender.key_columns.KeyColumn(blank=True, max_length=50),
        ),
        migrations.AlterField(
            model_name='listcount',
            name='version',
            field=recommender.key_columns.KeyColumn(blank=True, help_text="The model version's name; empty: no model.", max_length=64),
        ),
        migrations.AlterField(
            model_name='servedlist',
            name='customer',
            field=recommender.key_columns.KeyColumn(blank=True, db_index=True, help_text="The customer's key, if known.", max_length=64),
        ),
        migrations.AlterField(
            model_name='servedlist',
            name='scenario',
            field=recommender.key_columns.KeyColumn(blank=True, max_length=50),
        ),
        migrations.AlterField(
            model_name='servedlist',
            name='visitor',
            field=recommender.key_columns.KeyColumn(blank=True, help_text='Stands for the visit it was shown in, where nobody is known.', max_length=32),
        ),
        migrations.RunPython(leave_one, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='experiment',
            constraint=models.UniqueConstraint(fields=('running_place',), name='one_running_experiment'),
        ),
        migrations.AddConstraint(
            model_name='trainingrun',
            constraint=models.UniqueConstraint(fields=('active_place',), name='one_active_training_run'),
        ),
    ]
