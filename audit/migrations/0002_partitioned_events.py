"""Events, sightings and line blocks by day; pairs and closed-window rollups. Plain SQL: Django has no partitions."""

from django.db import migrations

FORWARD = """
CREATE SEQUENCE audit_event_seq;
CREATE SEQUENCE audit_block_seq AS integer;

CREATE TABLE audit_event (
    id bigint NOT NULL, time timestamptz NOT NULL, request_id uuid NOT NULL,
    principal integer NOT NULL, token integer NOT NULL, path integer NOT NULL, secret integer NOT NULL,
    address integer NOT NULL, version integer NOT NULL, duration integer NOT NULL, block integer NOT NULL,
    vault smallint NOT NULL, device smallint NOT NULL, operation smallint NOT NULL, outcome smallint NOT NULL,
    disclosed smallint NOT NULL, flags smallint NOT NULL, line smallint NOT NULL
) PARTITION BY RANGE (time);
CREATE INDEX audit_event_id ON audit_event (id);
CREATE INDEX audit_event_time ON audit_event (time);
CREATE INDEX audit_event_secret ON audit_event (secret, time) WHERE secret > 0;
CREATE INDEX audit_event_principal ON audit_event (principal, time);

CREATE TABLE audit_sighting (
    seq bigint NOT NULL, event_id bigint NOT NULL, time timestamptz NOT NULL, delta integer NOT NULL,
    block integer NOT NULL, device smallint NOT NULL, flags smallint NOT NULL, line smallint NOT NULL
) PARTITION BY RANGE (time);
CREATE INDEX audit_sighting_seq ON audit_sighting (seq);

CREATE TABLE audit_block (
    id integer NOT NULL, time timestamptz NOT NULL, device smallint NOT NULL, lines smallint NOT NULL,
    bytes integer NOT NULL, places bytea NOT NULL, body bytea NOT NULL
) PARTITION BY RANGE (time);
ALTER TABLE audit_block ALTER COLUMN places SET STORAGE EXTERNAL, ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE audit_pair (
    principal integer NOT NULL, secret integer NOT NULL, first timestamptz NOT NULL, last timestamptz NOT NULL,
    PRIMARY KEY (principal, secret)
) WITH (fillfactor = 70);
CREATE INDEX audit_pair_secret ON audit_pair (secret);
CREATE INDEX audit_pair_first ON audit_pair (first);

CREATE TABLE audit_rollup_hour (
    hour timestamptz NOT NULL, secret integer NOT NULL, outcome smallint NOT NULL, disclosed smallint NOT NULL,
    events integer NOT NULL
);
CREATE INDEX audit_rollup_hour_secret ON audit_rollup_hour (secret, hour) INCLUDE (outcome, disclosed, events);
CREATE INDEX audit_rollup_hour_hour ON audit_rollup_hour (hour);
CREATE TABLE audit_rollup_day (
    day timestamptz NOT NULL, secret integer NOT NULL, principal integer NOT NULL, outcome smallint NOT NULL,
    disclosed smallint NOT NULL, events integer NOT NULL, first timestamptz NOT NULL, last timestamptz NOT NULL
);
CREATE INDEX audit_rollup_day_secret ON audit_rollup_day (secret, day);
CREATE INDEX audit_rollup_day_principal ON audit_rollup_day (principal, day);
CREATE INDEX audit_rollup_day_day ON audit_rollup_day (day);
CREATE TABLE audit_closed (
    width "char" NOT NULL, start timestamptz NOT NULL, dirty boolean NOT NULL DEFAULT false, PRIMARY KEY (width, start)
);
"""

BACK = """
DROP TABLE audit_event, audit_sighting, audit_block, audit_pair, audit_rollup_hour, audit_rollup_day, audit_closed;
DROP SEQUENCE audit_event_seq, audit_block_seq;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_first_tables")]
    operations = [migrations.RunSQL(FORWARD, BACK)]
