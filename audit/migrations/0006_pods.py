"""Which pod made a call: tokens and whence they called, what is said of them, and what that was before."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0005_forgotten_days"),
    ]

    operations = [
        migrations.CreateModel(
            name="AttributionCursor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=300, unique=True)),
                ("position", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="TokenUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("first", models.DateTimeField()),
                ("last", models.DateTimeField()),
                ("stale", models.BooleanField(default=True)),
                ("address", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audit.address")),
                (
                    "token",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to="audit.token"),
                ),
                (
                    "vault",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.vault"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AttributionAmendment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("before", models.JSONField()),
                ("after", models.JSONField()),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "use",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="amendments", to="audit.tokenuse"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Attribution",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("grade", models.CharField(max_length=30)),
                ("cluster", models.TextField(blank=True)),
                ("pod_uid", models.TextField(blank=True)),
                ("pod_namespace", models.TextField(blank=True)),
                ("pod_name", models.TextField(blank=True)),
                ("delivered_by", models.TextField(blank=True)),
                ("evidence", models.JSONField(default=dict)),
                ("rule", models.SmallIntegerField()),
                ("provisional", models.BooleanField(default=False)),
                (
                    "use",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attributions",
                        to="audit.tokenuse",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="VaultCalibration",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("links", models.JSONField(default=dict)),
                ("clusters", models.JSONField(default=dict)),
                ("proxies", models.JSONField(null=True)),
                ("rule", models.SmallIntegerField(default=0)),
                ("seen", models.JSONField(default=list)),
                ("vault", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, to="audit.vault")),
            ],
        ),
        migrations.CreateModel(
            name="Bearer",
            fields=[
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False, to="audit.token"
                    ),
                ),
                ("mount", models.TextField(blank=True)),
                ("account_namespace", models.TextField(blank=True)),
                ("account_name", models.TextField(blank=True)),
                ("signed", models.BooleanField(default=False)),
                ("claims", models.JSONField(default=dict)),
                (
                    "uids",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("login_address", models.TextField(blank=True)),
                ("login_at", models.DateTimeField(null=True)),
                (
                    "vault",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.vault"),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["vault", "login_at"], name="audit_bearer_login"),
                    models.Index(fields=["account_namespace", "account_name"], name="audit_bearer_account"),
                    django.contrib.postgres.indexes.GinIndex(fields=["uids"], name="audit_bearer_uids"),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="tokenuse",
            index=models.Index(condition=models.Q(("stale", True)), fields=["id"], name="audit_use_stale"),
        ),
        migrations.AddConstraint(
            model_name="tokenuse",
            constraint=models.UniqueConstraint(fields=("token", "address"), name="audit_use_once"),
        ),
        migrations.AddIndex(
            model_name="attribution",
            index=models.Index(
                condition=models.Q(("pod_uid", ""), _negated=True), fields=["pod_uid"], name="audit_attribution_pod"
            ),
        ),
        migrations.AddIndex(
            model_name="attribution",
            index=models.Index(
                condition=models.Q(("provisional", True)), fields=["since"], name="audit_attribution_late"
            ),
        ),
        migrations.AddConstraint(
            model_name="attribution",
            constraint=models.UniqueConstraint(fields=("use", "since"), name="audit_attribution_once"),
        ),
    ]
