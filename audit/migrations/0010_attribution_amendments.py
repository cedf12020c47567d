"""What is found out later of a call's pod becomes an item of the stream, with a number of its own."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

# Leaves for the days that are there already are made as `audit.partitions` makes those of new ones.
FORWARD = """
CREATE TABLE audit_told (
    seq bigint NOT NULL, event_id bigint NOT NULL, row_id bigint NOT NULL, time timestamptz NOT NULL,
    pod integer NOT NULL
) PARTITION BY RANGE (time);
CREATE INDEX audit_told_seq ON audit_told (seq);
DO $$
DECLARE day date;
BEGIN
    EXECUTE format('ALTER TABLE audit_told OWNER TO %I',
                   (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'audit_event'::regclass));
    FOR day IN SELECT substring(relname from '[0-9]{8}$')::date FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
               WHERE inhparent = 'audit_event'::regclass
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF audit_told FOR VALUES FROM (%L) TO (%L)',
                       'audit_told_' || to_char(day, 'YYYYMMDD'), day || ' 00:00:00+00', day + 1 || ' 00:00:00+00');
        EXECUTE format('CREATE UNIQUE INDEX ON %I (event_id, seq)', 'audit_told_' || to_char(day, 'YYYYMMDD'));
        EXECUTE format('ALTER TABLE %I OWNER TO %I', 'audit_told_' || to_char(day, 'YYYYMMDD'),
                       (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'audit_event'::regclass));
    END LOOP;
END $$;
"""
BACK = "DROP TABLE audit_told;"


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_our_calls")]

    operations = [
        migrations.RunSQL(FORWARD, BACK),
        migrations.AddField("tokenuse", "untold", models.BooleanField(db_default=False, default=False)),
        migrations.CreateModel(
            name="ToldPod",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("grade", models.CharField(max_length=30)),
                ("cluster", models.TextField(blank=True)),
                ("pod_uid", models.TextField(blank=True)),
                ("pod_namespace", models.TextField(blank=True)),
                ("pod_name", models.TextField(blank=True)),
                ("delivered_by", models.TextField(blank=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=["pod_uid", "grade", "cluster", "pod_namespace", "pod_name", "delivered_by"],
                        name="audit_toldpod_once",
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="Retelling",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("after", models.BigIntegerField(default=0)),
                ("use", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="audit.tokenuse")),
            ],
        ),
    ]
