"""Tables of what Vault's log says of our own calls."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rotation", "0002_policies_keep_their_past"),
    ]

    operations = [
        migrations.CreateModel(
            name="Heard",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Mismatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("change", models.CharField(blank=True, max_length=40)),
                ("step", models.CharField(blank=True, max_length=10)),
                ("vault", models.CharField(blank=True, max_length=200)),
                ("event", models.BigIntegerField(default=0)),
                ("says", models.TextField()),
                ("found_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("change", "step", "event"), name="rotation_mismatch_once")
                ],
            },
        ),
    ]
