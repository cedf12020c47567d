"""Policies, auth roles and groups of a vault, what of them could not be seen, and what a template may ask for."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0002_clusters_and_pods"),
    ]

    operations = [
        migrations.AddField(
            model_name="alias",
            name="alias_id",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name="alias",
            name="custom_metadata",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="connection",
            name="access_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="connection",
            name="heard",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="entity",
            name="policies",
            field=models.JSONField(default=list),
        ),
        migrations.CreateModel(
            name="AuthRole",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("method", models.TextField()),
                ("type", models.CharField(max_length=80)),
                ("name", models.TextField()),
                ("policies", models.JSONField(default=list)),
                ("no_default", models.BooleanField(default=False)),
                ("binds", models.JSONField(default=dict)),
                ("seen_first", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                ("gone_at", models.DateTimeField(null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="roles", to="inventory.connection"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("connection", "method", "name"), name="inventory_role_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Group",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("group_id", models.CharField(max_length=100)),
                ("name", models.TextField()),
                ("type", models.CharField(max_length=20)),
                ("policies", models.JSONField(default=list)),
                ("entities", models.JSONField(default=list)),
                ("groups", models.JSONField(default=list)),
                ("metadata", models.JSONField(default=dict)),
                ("seen_first", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                ("gone_at", models.DateTimeField(null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="groups", to="inventory.connection"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("connection", "group_id"), name="inventory_group_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Policy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.TextField()),
                ("text", models.TextField(blank=True)),
                ("sha256", models.CharField(max_length=64)),
                ("unreadable", models.TextField(blank=True)),
                ("slashes", models.BooleanField(default=False)),
                ("wildcards", models.BooleanField(default=False)),
                ("expires", models.DateTimeField(null=True)),
                ("seen_first", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                ("gone_at", models.DateTimeField(null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="policies", to="inventory.connection"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("connection", "name"), name="inventory_policy_once")],
            },
        ),
        migrations.CreateModel(
            name="Unseen",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("path", models.TextField()),
                ("why", models.TextField()),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="unseen", to="inventory.connection"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("connection", "path"), name="inventory_unseen_once")],
            },
        ),
    ]
