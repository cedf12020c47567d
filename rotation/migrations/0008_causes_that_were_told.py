"""Which causes that keep a schedule back people were told of, so that each is told once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rotation", "0007_wrapped_values")]

    operations = [migrations.AddField("schedule", "kept_by", models.JSONField(default=list))]
