from django.db import migrations, models
from django.db.models import Count, Min


def count_events_once(apps, schema_editor):
    """Of events of one kind and item in one list, the first stays the list's own."""
    Event = apps.get_model("recommender", "Event")
    linked = Event.objects.filter(recommendation__isnull=False).order_by()
    repeated = linked.values_list("recommendation", "kind", "item").annotate(n=Count("pk"), first=Min("pk"))
    for recommendation, kind, item, _, first in list(repeated.filter(n__gt=1)):
        more = Event.objects.filter(recommendation=recommendation, kind=kind, item=item).exclude(pk=first)
        more.update(recommendation=None)


class Migration(migrations.Migration):
    dependencies = [("recommender", "0008_list_created")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="sender",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Who gave the event its id: a user, an API key's account or a visit.",
                max_length=64,
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="event",
            name="event_id",
            field=models.CharField(blank=True, max_length=100, null=True),
        ),
        migrations.AlterField(
            model_name="servedlist",
            name="visitor",
            field=models.CharField(
                blank=True, help_text="Stands for the visit it was shown in, where nobody is known.", max_length=32
            ),
        ),
        migrations.RunPython(count_events_once, migrations.RunPython.noop),
    ]
