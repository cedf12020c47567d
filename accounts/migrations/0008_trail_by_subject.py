"""What approvals ask of the trail is found by index: what was done to a subject, by an account, under a name."""

import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_api_counts"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="trailentry",
            index=models.Index(
                condition=models.Q(("subject_id__isnull", False)),
                fields=["subject_kind", "subject_id"],
                name="accounts_trail_by_subject",
            ),
        ),
        migrations.AddIndex(
            model_name="trailentry",
            index=models.Index(
                condition=models.Q(("actor_id__isnull", False)),
                fields=["actor_id", "actor_name"],
                name="accounts_trail_by_account",
            ),
        ),
        migrations.AddIndex(
            model_name="trailentry",
            index=models.Index(
                django.db.models.functions.text.Upper("subject_text"),
                condition=models.Q(("subject_kind", "user")),
                name="accounts_trail_by_name",
            ),
        ),
    ]
