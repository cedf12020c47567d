"""Which pods hold an old version of a secret, kept when it was worked out."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0006_deliveries"),
    ]

    operations = [
        migrations.CreateModel(
            name="OldHolding",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("secret", models.BigIntegerField(unique=True)),
                (
                    "pods",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("at", models.DateTimeField()),
            ],
        ),
    ]
