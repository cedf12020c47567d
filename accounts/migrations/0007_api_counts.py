"""Counts of requests by caller and minute; a crash may empty them, so they are written to no log."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_time_zone"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiCount",
            fields=[
                ("caller", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("minute", models.DateTimeField()),
                ("requests", models.IntegerField()),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE accounts_apicount SET UNLOGGED; ALTER TABLE accounts_apicount SET (fillfactor = 50)",
            migrations.RunSQL.noop,
        ),
    ]
