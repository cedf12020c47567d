"""The small tables: vaults, devices, files and cursors, dictionaries, quarantine, gaps."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Address",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.TextField(unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="Device",
            fields=[
                ("id", models.SmallAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200)),
                ("last_time", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Principal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=20)),
                ("name", models.TextField()),
                ("namespace", models.TextField(blank=True)),
                ("entity_id", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="Vault",
            fields=[
                ("id", models.SmallAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="Generation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("fingerprint", models.BinaryField()),
                ("fork", models.SmallIntegerField(default=0)),
                ("path", models.TextField()),
                ("inode", models.BigIntegerField(default=0)),
                ("position", models.BigIntegerField(default=0)),
                ("tail", models.BinaryField(default=b"")),
                ("skipping", models.BooleanField(default=False)),
                ("turn", models.BigIntegerField(default=0)),
                ("border", models.CharField(blank=True, default="", max_length=20)),
                ("first_time", models.DateTimeField(null=True)),
                ("last_time", models.DateTimeField(null=True)),
                ("lines", models.BigIntegerField(default=0)),
                ("events", models.BigIntegerField(default=0)),
                ("bytes_event", models.BigIntegerField(default=0)),
                ("bytes_duplicate", models.BigIntegerField(default=0)),
                ("bytes_quarantine", models.BigIntegerField(default=0)),
                ("bytes_framing", models.BigIntegerField(default=0)),
                ("device", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audit.device")),
                (
                    "follows",
                    models.ForeignKey(
                        db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, to="audit.generation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Pending",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("request_id", models.UUIDField()),
                ("position", models.BigIntegerField()),
                ("length", models.IntegerField()),
                ("sha256", models.BinaryField()),
                ("line", models.BinaryField()),
                ("time", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                (
                    "device",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.device"),
                ),
                (
                    "generation",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.generation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Quarantine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.BigIntegerField()),
                ("length", models.BigIntegerField()),
                ("reason", models.TextField()),
                ("sha256", models.BinaryField()),
                ("preview", models.TextField()),
                ("provisional", models.BooleanField(default=False)),
                ("at", models.DateTimeField()),
                (
                    "generation",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.generation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Source",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(default="file", max_length=40)),
                ("settings", models.JSONField(default=dict)),
                ("live_inode", models.BigIntegerField(default=0)),
                ("drained_at", models.DateTimeField(null=True)),
                ("trouble", models.TextField(blank=True, default="")),
                ("device", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audit.device")),
                (
                    "live",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="audit.generation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Token",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hmac", models.BinaryField()),
                ("accessor", models.TextField(blank=True)),
                ("first_time", models.DateTimeField()),
                (
                    "device",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.device"),
                ),
                (
                    "principal",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.principal"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Secret",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("namespace", models.TextField(blank=True)),
                ("mount", models.TextField()),
                ("mount_accessor", models.TextField(blank=True)),
                ("path", models.TextField()),
                ("engine", models.CharField(max_length=80)),
                ("name", models.TextField()),
                ("vault", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audit.vault")),
            ],
        ),
        migrations.AddField(
            model_name="principal",
            name="vault",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audit.vault"),
        ),
        migrations.CreateModel(
            name="Path",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("namespace", models.TextField(blank=True)),
                ("path", models.TextField()),
                ("vault", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audit.vault")),
            ],
        ),
        migrations.CreateModel(
            name="Mount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("namespace", models.TextField(blank=True)),
                ("path", models.TextField()),
                ("accessor", models.TextField(blank=True)),
                ("type", models.CharField(max_length=80)),
                ("kv_version", models.SmallIntegerField(default=0)),
                ("vault", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audit.vault")),
            ],
        ),
        migrations.CreateModel(
            name="LeaseIssue",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lease_id", models.TextField()),
                ("event_id", models.BigIntegerField()),
                ("time", models.DateTimeField()),
                ("principal", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audit.principal")),
                ("secret", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audit.secret")),
                (
                    "vault",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.vault"),
                ),
            ],
        ),
        migrations.AddField(
            model_name="device",
            name="vault",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="audit.vault"),
        ),
        migrations.CreateModel(
            name="Wrap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hmac", models.BinaryField()),
                ("disclosed", models.SmallIntegerField()),
                ("time", models.DateTimeField()),
                (
                    "device",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.device"),
                ),
                (
                    "secret",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.secret"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Alarm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=40)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("count", models.BigIntegerField(default=0)),
                ("detail", models.TextField()),
                (
                    "device",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.device"),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("device", "kind"), name="audit_alarm_once")],
            },
        ),
        migrations.CreateModel(
            name="Gap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=40)),
                ("key", models.CharField(max_length=120)),
                ("start", models.DateTimeField(null=True)),
                ("end", models.DateTimeField(null=True)),
                ("bytes", models.BigIntegerField(default=0)),
                ("detail", models.TextField()),
                (
                    "device",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="audit.device"),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("device", "kind", "key"), name="audit_gap_once")],
            },
        ),
        migrations.AddConstraint(
            model_name="generation",
            constraint=models.UniqueConstraint(fields=("device", "fingerprint", "fork"), name="audit_generation_once"),
        ),
        migrations.AddConstraint(
            model_name="pending",
            constraint=models.UniqueConstraint(fields=("device", "request_id"), name="audit_pending_once"),
        ),
        migrations.AddConstraint(
            model_name="quarantine",
            constraint=models.UniqueConstraint(fields=("generation", "position"), name="audit_quarantine_once"),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.UniqueConstraint(fields=("device", "kind", "settings"), name="audit_source_once"),
        ),
        migrations.AddConstraint(
            model_name="token",
            constraint=models.UniqueConstraint(fields=("device", "hmac"), name="audit_token_once"),
        ),
        migrations.AddIndex(
            model_name="secret",
            index=models.Index(fields=["name"], name="audit_secret_name", opclasses=["text_pattern_ops"]),
        ),
        migrations.AddConstraint(
            model_name="secret",
            constraint=models.UniqueConstraint(
                fields=("vault", "namespace", "mount", "mount_accessor", "path"), name="audit_secret_once"
            ),
        ),
        migrations.AddIndex(
            model_name="principal",
            index=models.Index(fields=["name"], name="audit_principal_name"),
        ),
        migrations.AddConstraint(
            model_name="principal",
            constraint=models.UniqueConstraint(
                fields=("vault", "kind", "name", "namespace", "entity_id"), name="audit_principal_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="path",
            constraint=models.UniqueConstraint(fields=("vault", "namespace", "path"), name="audit_path_once"),
        ),
        migrations.AddConstraint(
            model_name="mount",
            constraint=models.UniqueConstraint(
                fields=("vault", "namespace", "path", "accessor"), name="audit_mount_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="leaseissue",
            constraint=models.UniqueConstraint(fields=("vault", "lease_id"), name="audit_lease_once"),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.UniqueConstraint(fields=("vault", "name"), name="audit_device_once"),
        ),
        migrations.AddConstraint(
            model_name="wrap",
            constraint=models.UniqueConstraint(fields=("device", "hmac"), name="audit_wrap_once"),
        ),
    ]
