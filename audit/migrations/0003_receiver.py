"""What the receiver needs: its tokens, and the spool that it fills and ingestion empties."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

# A queue: rows live for seconds, so the dead ones must go often or every look walks over them.
QUEUE = """
ALTER TABLE audit_spool SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_threshold = -1,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
)
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_partitioned_events")]

    operations = [
        migrations.CreateModel(
            name="ReceiverToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.BinaryField(unique=True)),
                ("made_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="receiver_tokens", to="audit.device"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Spool",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.UUIDField()),
                ("micros", models.BigIntegerField()),
                ("sha256", models.BinaryField()),
                ("length", models.BigIntegerField()),
                ("line", models.BinaryField()),
                ("findings", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
                ("received_at", models.DateTimeField()),
                (
                    "device",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="audit.device",
                    ),
                ),
            ],
            options={"indexes": [models.Index(fields=["device", "id"], name="audit_spool_next")]},
        ),
        migrations.RunSQL(QUEUE, migrations.RunSQL.noop),
    ]
