"""Two small rollups: totals of a closed hour, and which addresses a principal used on a closed day."""

from django.db import migrations

FORWARD = """
CREATE TABLE audit_rollup_total (
    hour timestamptz NOT NULL, vault smallint NOT NULL, device smallint NOT NULL, operation smallint NOT NULL,
    outcome smallint NOT NULL, disclosed smallint NOT NULL, events integer NOT NULL
);
CREATE INDEX audit_rollup_total_hour ON audit_rollup_total (hour);
CREATE TABLE audit_rollup_address (
    day timestamptz NOT NULL, principal integer NOT NULL, address integer NOT NULL, outcome smallint NOT NULL,
    events integer NOT NULL, reads integer NOT NULL, first timestamptz NOT NULL, last timestamptz NOT NULL
);
CREATE INDEX audit_rollup_address_principal ON audit_rollup_address (principal, day);
CREATE INDEX audit_rollup_address_address ON audit_rollup_address (address, day);
CREATE INDEX audit_rollup_address_day ON audit_rollup_address (day);
CREATE INDEX audit_path_pattern ON audit_path (path text_pattern_ops);
"""
BACK = "DROP TABLE audit_rollup_total, audit_rollup_address; DROP INDEX audit_path_pattern;"


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_receiver")]
    operations = [migrations.RunSQL(FORWARD, BACK)]
