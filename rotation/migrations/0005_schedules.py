"""Tables of schedules, of what they asked for, and of how old secrets are known to be; a pause before a step."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("rotation", "0003_two_way_check"),
    ]

    operations = [
        migrations.AddField(
            model_name="change",
            name="pause_before",
            field=models.SmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="change",
            name="paused_by",
            field=models.CharField(blank=True, default="", max_length=150),
        ),
        migrations.CreateModel(
            name="Age",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("target", models.CharField(max_length=40)),
                ("vault", models.CharField(max_length=200)),
                ("subject", models.TextField()),
                ("seen", models.DateTimeField(null=True)),
                ("rotated", models.DateTimeField(null=True)),
                ("version", models.IntegerField(default=0)),
                ("by", models.TextField(blank=True, default="")),
                ("event", models.BigIntegerField(null=True)),
                ("heard", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("target", "vault", "subject"), name="rotation_age_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("target", models.CharField(max_length=40)),
                ("pattern", models.TextField()),
                ("args", models.JSONField(default=dict)),
                ("vault", models.CharField(blank=True, default="", max_length=200)),
                ("days", models.IntegerField()),
                ("lead_hours", models.IntegerField(default=12)),
                ("window", models.CharField(blank=True, default="", max_length=200)),
                ("reason", models.TextField()),
                ("owner_id", models.BigIntegerField()),
                ("owner_name", models.CharField(max_length=150)),
                ("enabled", models.BooleanField(default=True)),
                ("edition", models.IntegerField(default=1)),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("changed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
                ("says", models.TextField(blank=True, default="")),
                ("looked_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)), fields=("name",), name="rotation_schedule_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Asking",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("vault", models.CharField(max_length=200)),
                ("subject", models.TextField()),
                ("period", models.IntegerField()),
                ("edition", models.IntegerField()),
                ("due_at", models.DateTimeField()),
                ("opens", models.DateTimeField()),
                ("closes", models.DateTimeField(null=True)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("passed_at", models.DateTimeField(null=True)),
                ("passed_by", models.CharField(blank=True, default="", max_length=150)),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="asked_for", to="rotation.change"
                    ),
                ),
                (
                    "schedule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="askings", to="rotation.schedule"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("schedule", "vault", "subject", "period"), name="rotation_asking_once"
                    )
                ],
            },
        ),
    ]
