"""Approval policies keep their past and name groups; the worker notes which plans it drew; two policies to begin with."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


def begin(apps, schema_editor):
    """Make the policies to begin with: one approver with a fresh proof for everything, an administrator for powers."""
    policies = apps.get_model("rotation", "ApprovalPolicy").objects
    policies.create(
        name="everything", targets=["*"], roles=["approver", "administrator"], approvers=1, proof="step_up", hours=24
    )
    powers = ["grant_role:*", "approval_policy:*", "enrol_key:*", "freeze_off:*"]
    policies.create(name="powers", targets=powers, roles=["administrator"], approvers=1, proof="step_up", hours=24)


class Migration(migrations.Migration):
    dependencies = [("rotation", "0001_changes_and_their_steps")]

    operations = [
        migrations.AlterField("approvalpolicy", "name", models.CharField(max_length=100)),
        migrations.AddField("approvalpolicy", "groups", models.JSONField(default=list)),
        migrations.AddConstraint(
            "approvalpolicy",
            models.UniqueConstraint(
                condition=models.Q(("ended_at", None)), fields=("name",), name="rotation_policy_once"
            ),
        ),
        migrations.CreateModel(
            name="Redrawn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("plan_hash", models.CharField(max_length=64)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="redrawn", to="rotation.change"
                    ),
                ),
            ],
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
