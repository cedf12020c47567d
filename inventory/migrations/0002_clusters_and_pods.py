"""Clusters, the lives of their pods with the addresses they had, service accounts, and whom listeners believe."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0001_what_exists_in_a_vault"),
    ]

    operations = [
        migrations.CreateModel(
            name="Cluster",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, unique=True)),
                ("uid", models.CharField(max_length=100, unique=True)),
                ("change", models.BigIntegerField(default=0)),
                ("known_until", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Listener",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("vault", models.CharField(max_length=200, unique=True)),
                ("proxies", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="PodGap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                (
                    "cluster",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="gaps", to="inventory.cluster"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PodLife",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.CharField(max_length=100)),
                ("namespace", models.TextField()),
                ("name", models.TextField()),
                ("service_account", models.TextField()),
                ("node", models.TextField(blank=True)),
                ("host_network", models.BooleanField(default=False)),
                ("started", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("ended", models.DateTimeField(null=True)),
                ("ended_uncertain", models.BooleanField(default=False)),
                ("labels", models.JSONField(default=dict)),
                ("change", models.BigIntegerField()),
                (
                    "cluster",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lives",
                        to="inventory.cluster",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PodAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.TextField()),
                ("started", models.DateTimeField()),
                ("ended", models.DateTimeField(null=True)),
                ("sure_until", models.DateTimeField(null=True)),
                (
                    "life",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="addresses", to="inventory.podlife"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ServiceAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.CharField(max_length=100, unique=True)),
                ("namespace", models.TextField()),
                ("name", models.TextField()),
                (
                    "cluster",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="service_accounts",
                        to="inventory.cluster",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="podlife",
            index=models.Index(fields=["cluster", "change"], name="inventory_pod_change"),
        ),
        migrations.AddIndex(
            model_name="podlife",
            index=models.Index(fields=["namespace", "name"], name="inventory_pod_name"),
        ),
        migrations.AddIndex(
            model_name="podlife",
            index=models.Index(fields=["namespace", "service_account"], name="inventory_pod_account"),
        ),
        migrations.AddConstraint(
            model_name="podlife",
            constraint=models.UniqueConstraint(fields=("cluster", "uid"), name="inventory_pod_once"),
        ),
        migrations.AddIndex(
            model_name="podaddress",
            index=models.Index(fields=["address", "started"], name="inventory_address_of_pod"),
        ),
        migrations.AddIndex(
            model_name="serviceaccount",
            index=models.Index(fields=["namespace", "name"], name="inventory_account_name"),
        ),
    ]
