"""What our own identities did, as the audit logs of vaults show it."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0008_kubernetes_audit"),
    ]

    operations = [
        migrations.CreateModel(
            name="OurCall",
            fields=[
                ("event_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField()),
                ("time", models.DateTimeField()),
                ("request_id", models.UUIDField()),
                ("kind", models.CharField(max_length=10)),
                ("change", models.TextField(blank=True)),
                ("step", models.TextField(blank=True)),
                ("plan", models.TextField(blank=True)),
                ("head", models.TextField(blank=True)),
                ("role", models.TextField(blank=True)),
                (
                    "policies",
                    django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None),
                ),
                ("operation", models.CharField(max_length=40)),
                ("namespace", models.TextField(blank=True)),
                ("path", models.TextField()),
                ("version", models.IntegerField(default=0)),
                (
                    "versions",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                ("lease", models.TextField(blank=True)),
                ("prefix", models.TextField(blank=True)),
                ("outcome", models.CharField(max_length=12)),
                (
                    "address",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.address"),
                ),
                (
                    "principal",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.principal"
                    ),
                ),
                (
                    "secret",
                    models.ForeignKey(
                        db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to="audit.secret"
                    ),
                ),
                (
                    "vault",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.vault"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="OurSight",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("accessor", models.TextField(blank=True)),
                ("made", models.TextField(blank=True)),
                ("about", models.TextField(blank=True)),
                ("lease", models.TextField(blank=True)),
                (
                    "call",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sights",
                        to="audit.ourcall",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.device"),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="ourcall",
            index=models.Index(fields=["seq"], name="audit_ourcall_seq"),
        ),
        migrations.AddIndex(
            model_name="ourcall",
            index=models.Index(
                condition=models.Q(("change", ""), _negated=True),
                fields=["change", "event_id"],
                name="audit_ourcall_change",
            ),
        ),
        migrations.AddIndex(
            model_name="ourcall",
            index=models.Index(
                condition=models.Q(("secret__isnull", False)), fields=["secret", "time"], name="audit_ourcall_secret"
            ),
        ),
        migrations.AddIndex(
            model_name="oursight",
            index=models.Index(
                condition=models.Q(("made", ""), _negated=True), fields=["device", "made"], name="audit_oursight_made"
            ),
        ),
        migrations.AddConstraint(
            model_name="oursight",
            constraint=models.UniqueConstraint(fields=("call", "device"), name="audit_oursight_once"),
        ),
    ]
