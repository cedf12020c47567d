"""Connections of vaults, the lines of the last look, and what exists there: mounts, entities, aliases."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Connection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("vault", models.CharField(max_length=200)),
                ("namespace", models.TextField(blank=True)),
                ("address", models.TextField()),
                ("plain_http", models.BooleanField(default=False)),
                ("ca_file", models.TextField(blank=True)),
                ("version", models.CharField(blank=True, max_length=80)),
                ("cluster_id", models.CharField(blank=True, max_length=200)),
                ("token_until", models.DateTimeField(null=True)),
                ("wanted_at", models.DateTimeField(null=True)),
                ("looked_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("vault", "namespace"), name="inventory_connection_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Entity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entity_id", models.CharField(max_length=100)),
                ("name", models.TextField()),
                ("disabled", models.BooleanField(default=False)),
                ("metadata", models.JSONField(default=dict)),
                ("seen_first", models.DateTimeField()),
                ("gone_at", models.DateTimeField(null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="entities", to="inventory.connection"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Alias",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("mount_accessor", models.TextField()),
                ("mount_path", models.TextField(blank=True)),
                ("name", models.TextField()),
                ("metadata", models.JSONField(default=dict)),
                (
                    "entity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="aliases", to="inventory.entity"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Mount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("path", models.TextField()),
                ("accessor", models.TextField()),
                ("type", models.CharField(max_length=80)),
                ("kv_version", models.SmallIntegerField(default=0)),
                ("seen_first", models.DateTimeField()),
                ("gone_at", models.DateTimeField(null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="mounts", to="inventory.connection"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CheckLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.SmallIntegerField()),
                ("name", models.TextField()),
                ("ok", models.BooleanField()),
                ("detail", models.TextField()),
                ("mend", models.TextField(blank=True)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="lines", to="inventory.connection"
                    ),
                ),
            ],
            options={
                "ordering": ["connection", "place"],
                "constraints": [models.UniqueConstraint(fields=("connection", "place"), name="inventory_check_once")],
            },
        ),
        migrations.AddConstraint(
            model_name="entity",
            constraint=models.UniqueConstraint(fields=("connection", "entity_id"), name="inventory_entity_once"),
        ),
        migrations.AddConstraint(
            model_name="alias",
            constraint=models.UniqueConstraint(
                fields=("entity", "mount_accessor", "name"), name="inventory_alias_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="mount",
            constraint=models.UniqueConstraint(fields=("connection", "path", "accessor"), name="inventory_mount_once"),
        ),
    ]
