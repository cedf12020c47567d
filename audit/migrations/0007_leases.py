"""Leases as they stand, the facts that they follow from, and how far the record was read for them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0006_pods"),
    ]

    operations = [
        migrations.CreateModel(
            name="Lease",
            fields=[
                (
                    "issue",
                    models.OneToOneField(
                        db_column="id",
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="audit.leaseissue",
                    ),
                ),
                ("lease_id", models.TextField()),
                ("namespace", models.TextField(blank=True)),
                ("event_id", models.BigIntegerField()),
                ("issued", models.DateTimeField()),
                ("state", models.CharField(max_length=20)),
                ("how", models.CharField(blank=True, max_length=20)),
                ("since", models.DateTimeField()),
                ("renewals", models.IntegerField(default=0)),
                ("renewed", models.DateTimeField(null=True)),
                ("asked", models.DateTimeField(null=True)),
                ("expires", models.DateTimeField(null=True)),
                ("token_ends", models.DateTimeField(null=True)),
                ("verified_at", models.DateTimeField(null=True)),
                ("verified", models.CharField(blank=True, max_length=20)),
                ("found_at", models.DateTimeField(null=True)),
                ("found_ends", models.DateTimeField(null=True)),
                ("look_at", models.DateTimeField(null=True)),
                ("pod", models.TextField(blank=True)),
                ("pod_uid", models.TextField(blank=True)),
                ("grade", models.CharField(blank=True, max_length=30)),
                ("pod_gone", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="LeaseCursor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("after", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="LeaseFact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.BigIntegerField()),
                ("time", models.DateTimeField()),
                ("kind", models.CharField(max_length=20)),
                ("ok", models.BooleanField()),
                ("namespace", models.TextField(blank=True)),
                ("lease", models.TextField(blank=True)),
                ("hmac", models.TextField(blank=True)),
                ("prefix", models.TextField(blank=True)),
                ("token", models.TextField(blank=True)),
                ("accessor", models.TextField(blank=True)),
                ("ends", models.DateTimeField(null=True)),
                ("by_token", models.TextField(blank=True)),
                ("by_accessor", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="LeaseHash",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hmac", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="LeaseHolder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", models.TextField(blank=True)),
                ("accessor", models.TextField(blank=True)),
                ("born", models.DateTimeField(null=True)),
                ("ends", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="leaseissue",
            index=models.Index(fields=["event_id"], name="audit_leaseissue_event"),
        ),
        migrations.AddField(
            model_name="lease",
            name="principal",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.principal"),
        ),
        migrations.AddField(
            model_name="lease",
            name="secret",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.secret"),
        ),
        migrations.AddField(
            model_name="lease",
            name="vault",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.vault"),
        ),
        migrations.AddField(
            model_name="leasefact",
            name="device",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.device"),
        ),
        migrations.AddField(
            model_name="leasefact",
            name="vault",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.vault"),
        ),
        migrations.AddField(
            model_name="leasehash",
            name="device",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.device"),
        ),
        migrations.AddField(
            model_name="leasehash",
            name="lease",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to="audit.lease"),
        ),
        migrations.AddField(
            model_name="leaseholder",
            name="device",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.device"),
        ),
        migrations.AddField(
            model_name="leaseholder",
            name="lease",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to="audit.lease"),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(fields=["lease_id"], name="audit_lease_prefix", opclasses=["text_pattern_ops"]),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(fields=["secret", "issue"], name="audit_lease_secret"),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(fields=["principal", "issue"], name="audit_lease_principal"),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(fields=["state", "issue"], name="audit_lease_state"),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(
                condition=models.Q(("pod", ""), _negated=True), fields=["pod", "issue"], name="audit_lease_pod"
            ),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(
                condition=models.Q(("pod_uid", ""), _negated=True), fields=["pod_uid"], name="audit_lease_pod_uid"
            ),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(
                condition=models.Q(("pod_gone__isnull", False)), fields=["issue"], name="audit_lease_outlived"
            ),
        ),
        migrations.AddIndex(
            model_name="lease",
            index=models.Index(
                condition=models.Q(("look_at__isnull", False)), fields=["vault", "look_at"], name="audit_lease_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="lease",
            constraint=models.UniqueConstraint(fields=("vault", "lease_id"), name="audit_lease_by_id"),
        ),
        migrations.AddIndex(
            model_name="leasefact",
            index=models.Index(
                condition=models.Q(("lease", ""), _negated=True),
                fields=["vault", "lease"],
                name="audit_leasefact_lease",
            ),
        ),
        migrations.AddIndex(
            model_name="leasefact",
            index=models.Index(
                condition=models.Q(("hmac", ""), _negated=True), fields=["device", "hmac"], name="audit_leasefact_hmac"
            ),
        ),
        migrations.AddIndex(
            model_name="leasefact",
            index=models.Index(
                condition=models.Q(("prefix", ""), _negated=True),
                fields=["vault", "time"],
                name="audit_leasefact_prefix",
            ),
        ),
        migrations.AddIndex(
            model_name="leasefact",
            index=models.Index(
                condition=models.Q(("token", ""), _negated=True),
                fields=["device", "token"],
                name="audit_leasefact_token",
            ),
        ),
        migrations.AddIndex(
            model_name="leasefact",
            index=models.Index(
                condition=models.Q(("accessor", ""), _negated=True),
                fields=["device", "accessor"],
                name="audit_leasefact_accessor",
            ),
        ),
        migrations.AddConstraint(
            model_name="leasefact",
            constraint=models.UniqueConstraint(fields=("event_id", "device", "kind"), name="audit_leasefact_once"),
        ),
        migrations.AddConstraint(
            model_name="leasehash",
            constraint=models.UniqueConstraint(fields=("lease", "device"), name="audit_leasehash_once"),
        ),
        migrations.AddConstraint(
            model_name="leasehash",
            constraint=models.UniqueConstraint(fields=("device", "hmac"), name="audit_leasehash_by_hmac"),
        ),
        migrations.AddIndex(
            model_name="leaseholder",
            index=models.Index(fields=["device", "token"], name="audit_leaseholder_token"),
        ),
        migrations.AddIndex(
            model_name="leaseholder",
            index=models.Index(fields=["device", "accessor"], name="audit_leaseholder_accessor"),
        ),
        migrations.AddConstraint(
            model_name="leaseholder",
            constraint=models.UniqueConstraint(fields=("lease", "device"), name="audit_leaseholder_once"),
        ),
    ]
