from django.db import migrations, models


class Migration(migrations.Migration):
    """Apart from the rows that 0009 changes: PostgreSQL makes no index of a table with changes still under way."""

    dependencies = [("recommender", "0009_event_senders")]

    operations = [
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(fields=("sender", "event_id"), name="event_once_for_a_sender"),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(fields=("recommendation", "kind", "item"), name="event_once_in_a_list"),
        ),
    ]
