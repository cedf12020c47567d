"""The trail: every entry gets its place in one order without gaps and a hash over itself and the entry before.

PostgreSQL does it, when a transaction commits, so that no process chooses a place or a hash, and the lock that keeps
the order is the last thing a transaction takes; docs/decisions/0009-the-trail-is-chained-at-commit.md.
"""

from django.db import migrations, models

# Must stay what accounts/trail_chain.py computes: a test compares the two.
HASH = """
CREATE FUNCTION accounts_trail_hash(e accounts_trailentry) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(sha256(convert_to(string_agg(
        coalesce(octet_length(convert_to(value, 'UTF8')) || ':' || value, '-') || ',', '' ORDER BY place
    ), 'UTF8')), 'hex')
    FROM unnest(ARRAY[
        'keybook.trail.1', e.position::text, e.previous, e.id::text,
        CASE WHEN isfinite(e.at) THEN ((extract(epoch FROM e.at) * 1000000)::bigint)::text END,
        e.actor_id::text, e.actor_name, e.verb, e.subject_kind, e.subject_id::text, e.subject_text, e.details::text,
        e.address, e.session
    ]) WITH ORDINALITY AS field (value, place)
$$;
CREATE FUNCTION accounts_trail_append(entry bigint) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    e public.accounts_trailentry;
    head record;
BEGIN
    SELECT * INTO STRICT e FROM public.accounts_trailentry WHERE id = entry;
    SELECT position, hash INTO head FROM public.accounts_trailentry
        WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1;
    e.position := coalesce(head.position, 0) + 1;
    e.previous := coalesce(head.hash, repeat('0', 64));
    e.hash := public.accounts_trail_hash(e);
    UPDATE public.accounts_trailentry SET position = e.position, previous = e.previous, hash = e.hash WHERE id = e.id;
END $$;
REVOKE ALL ON FUNCTION accounts_trail_append(bigint) FROM PUBLIC;
"""
UNHASH = """
DROP FUNCTION accounts_trail_append(bigint);
DROP FUNCTION accounts_trail_hash(accounts_trailentry);
"""

# What was written before today keeps the order in which it was numbered.
CHAIN_THE_PAST = """
ALTER TABLE accounts_trailentry DISABLE TRIGGER accounts_trail_unchanged;
DO $$
DECLARE entry bigint;
BEGIN
    FOR entry IN SELECT id FROM accounts_trailentry ORDER BY id LOOP
        PERFORM accounts_trail_append(entry);
    END LOOP;
END $$;
ALTER TABLE accounts_trailentry ENABLE TRIGGER accounts_trail_unchanged;
"""

CHAIN = """
-- Whoever may not change an entry chooses neither its time nor its place.
CREATE FUNCTION accounts_trail_enter() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.position := NULL; NEW.previous := ''; NEW.hash := '';
    IF NOT has_table_privilege(TG_RELID, 'UPDATE') THEN NEW.at := statement_timestamp(); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_trail_enters BEFORE INSERT ON accounts_trailentry
    FOR EACH ROW EXECUTE FUNCTION accounts_trail_enter();

-- The only change that an entry ever sees: it gets its place, in the transaction that wrote it.
CREATE OR REPLACE FUNCTION accounts_trail_refuse() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.position IS NULL
           AND to_jsonb(OLD) - ARRAY['position', 'previous', 'hash'] = to_jsonb(NEW) - ARRAY['position', 'previous', 'hash']
        THEN RETURN NEW; END IF;
    END IF;
    RAISE EXCEPTION 'The trail is append-only: % is refused.', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

-- At commit, first round: stand in line behind every other check that waits for the commit, because those take locks.
CREATE FUNCTION accounts_trail_wait() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.accounts_trailentry SET position = NULL WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER accounts_trail_waits AFTER INSERT ON accounts_trailentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION accounts_trail_wait();

-- Second round: take the lock, which is held until the commit is seen by all, and take the next place.
CREATE FUNCTION accounts_trail_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'The trail needs READ COMMITTED: this transaction can''t see the entry before its own.'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM pg_advisory_xact_lock(x'6b620004'::bigint);
    PERFORM public.accounts_trail_append(NEW.id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER accounts_trail_chains AFTER UPDATE ON accounts_trailentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.position IS NULL) EXECUTE FUNCTION accounts_trail_chain();
"""
UNCHAIN = """
DROP TRIGGER accounts_trail_chains ON accounts_trailentry;
DROP TRIGGER accounts_trail_waits ON accounts_trailentry;
DROP TRIGGER accounts_trail_enters ON accounts_trailentry;
DROP FUNCTION accounts_trail_chain();
DROP FUNCTION accounts_trail_wait();
DROP FUNCTION accounts_trail_enter();
CREATE OR REPLACE FUNCTION accounts_trail_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The trail is append-only: % is refused.', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
ALTER FUNCTION accounts_trail_refuse() RESET ALL;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_areas")]

    operations = [
        migrations.AddField("trailentry", "position", models.BigIntegerField(editable=False, null=True, unique=True)),
        migrations.AddField("trailentry", "previous", models.CharField(default="", editable=False, max_length=64)),
        migrations.AddField("trailentry", "hash", models.CharField(default="", editable=False, max_length=64)),
        migrations.RunSQL(HASH, UNHASH),
        migrations.RunSQL(CHAIN_THE_PAST, migrations.RunSQL.noop),
        migrations.RunSQL(CHAIN, UNCHAIN),
        migrations.AddIndex(
            "trailentry", models.Index(fields=["actor_name", "position"], name="accounts_trail_by_actor")
        ),
        migrations.AddIndex("trailentry", models.Index(fields=["at"], name="accounts_trail_by_time")),
    ]
