"""The trail: entries that the database refuses to change or remove."""

from django.db import migrations, models
from django.db.models.functions import Now

REFUSE = """
CREATE FUNCTION accounts_trail_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The trail is append-only: % is refused.', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER accounts_trail_unchanged BEFORE UPDATE OR DELETE ON accounts_trailentry
    FOR EACH ROW EXECUTE FUNCTION accounts_trail_refuse();
CREATE TRIGGER accounts_trail_whole BEFORE TRUNCATE ON accounts_trailentry
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_trail_refuse();
"""
ALLOW = """
DROP TRIGGER accounts_trail_whole ON accounts_trailentry;
DROP TRIGGER accounts_trail_unchanged ON accounts_trailentry;
DROP FUNCTION accounts_trail_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_people_and_entry_links")]

    operations = [
        migrations.CreateModel(
            name="TrailEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=Now())),
                ("actor_id", models.BigIntegerField(null=True)),
                ("actor_name", models.CharField(max_length=500)),
                ("verb", models.CharField(max_length=100)),
                ("subject_kind", models.CharField(max_length=40)),
                ("subject_id", models.BigIntegerField(null=True)),
                ("subject_text", models.CharField(max_length=500)),
                ("details", models.JSONField(default=dict)),
                ("address", models.CharField(max_length=45)),
                ("session", models.CharField(max_length=16)),
            ],
        ),
        migrations.RunSQL(REFUSE, ALLOW),
    ]
