"""A passkey ends once and for good; the policy of powers is about that too; changes count their ballots."""

from django.db import migrations, models
from django.db.models.functions import Now

# Whoever may write the column can end a key, and do nothing else with it: neither move nor take back an end.
ENDS = """
CREATE FUNCTION rotation_key_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'A passkey that has ended stays so.' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF to_jsonb(NEW) - 'ended_at' - 'name' IS DISTINCT FROM to_jsonb(OLD) - 'ended_at' - 'name' THEN
        RAISE EXCEPTION 'A pinned passkey changes no more.' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.ended_at IS NOT NULL THEN
        NEW.ended_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rotation_key_only_ends BEFORE UPDATE ON rotation_approverkey
    FOR EACH ROW EXECUTE FUNCTION rotation_key_only_ends();
"""
BACK = """
DROP TRIGGER rotation_key_only_ends ON rotation_approverkey;
DROP FUNCTION rotation_key_only_ends();
"""
ENDING = "end_key:*"


def take_in(apps, schema_editor):
    """Let a policy that is about pinning passkeys be about ending them: it ends, and another of its name begins."""
    policies = apps.get_model("rotation", "ApprovalPolicy").objects
    for row in policies.filter(ended_at=None, targets__contains=["enrol_key:*"]).exclude(targets__contains=[ENDING]):
        policies.filter(pk=row.pk).update(ended_at=Now())
        kept = ("name", "effect", "risk", "approvers", "roles", "people", "groups", "proof", "hours", "made_by_change")
        policies.create(targets=[*row.targets, ENDING], **{name: getattr(row, name) for name in kept})


class Migration(migrations.Migration):
    dependencies = [("rotation", "0008_causes_that_were_told")]

    operations = [
        migrations.AddField("change", "ballot", models.IntegerField(db_default=0)),
        migrations.RunPython(take_in, migrations.RunPython.noop),
        migrations.RunSQL(ENDS, BACK),
    ]
