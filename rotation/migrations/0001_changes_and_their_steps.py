"""Tables of what is asked, decided, tried and proven."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ApprovalPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
                ("targets", django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ("effect", models.CharField(default="require", max_length=10)),
                ("risk", models.CharField(default="routine", max_length=10)),
                ("approvers", models.SmallIntegerField(default=1)),
                (
                    "roles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=16), default=list, size=None
                    ),
                ),
                (
                    "people",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), default=list, size=None
                    ),
                ),
                ("proof", models.CharField(default="step_up", max_length=10)),
                ("hours", models.SmallIntegerField(default=24)),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("made_by_change", models.BigIntegerField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ApproverKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user_id", models.BigIntegerField()),
                ("user_name", models.CharField(max_length=150)),
                ("credential", models.BinaryField(max_length=1024, unique=True)),
                ("public_key", models.BinaryField(max_length=2048)),
                ("sign_count", models.BigIntegerField(default=0)),
                ("name", models.CharField(blank=True, default="", max_length=100)),
                ("pinned_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("pinned_by_change", models.BigIntegerField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Freeze",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("scope", models.CharField(max_length=12)),
                ("subject", models.CharField(blank=True, default="", max_length=200)),
                ("reason", models.TextField()),
                ("by_id", models.BigIntegerField(null=True)),
                ("by_name", models.CharField(max_length=150)),
                ("since", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("lifted_at", models.DateTimeField(null=True)),
                ("lifted_by", models.CharField(blank=True, default="", max_length=150)),
                ("lifted_by_change", models.BigIntegerField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("target", models.CharField(max_length=40)),
                ("args", models.JSONField()),
                ("vault", models.CharField(blank=True, default="", max_length=200)),
                ("cluster", models.CharField(blank=True, default="", max_length=200)),
                ("verb", models.CharField(max_length=80)),
                ("subject", models.TextField()),
                ("reason", models.TextField()),
                ("evidence", models.TextField(blank=True, default="")),
                ("asker_id", models.BigIntegerField(null=True)),
                ("asker_name", models.CharField(max_length=150)),
                ("asked_by", models.CharField(default="page", max_length=20)),
                ("token_id", models.BigIntegerField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "requested"),
                            ("approved", "approved"),
                            ("running", "running"),
                            ("succeeded", "succeeded"),
                            ("failed", "failed"),
                            ("rejected", "rejected"),
                            ("cancelled", "cancelled"),
                            ("expired", "expired"),
                        ],
                        default="requested",
                        max_length=12,
                    ),
                ),
                ("risk", models.CharField(default="routine", max_length=10)),
                ("rule", models.JSONField(default=dict)),
                ("plan", models.JSONField()),
                ("plan_hash", models.CharField(max_length=64)),
                ("found", models.JSONField(default=dict)),
                ("checked_at", models.DateTimeField(null=True)),
                ("facts_hash", models.CharField(blank=True, default="", max_length=64)),
                ("asked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
                ("approved_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("break_glass", models.BooleanField(default=False)),
                ("review_due", models.DateTimeField(null=True)),
                ("reviewed_at", models.DateTimeField(null=True)),
                ("reviewed_by", models.CharField(blank=True, default="", max_length=150)),
                ("says", models.TextField(blank=True, default="")),
                ("cancel_wanted", models.BooleanField(default=False)),
                ("owner", models.CharField(blank=True, default="", max_length=100)),
                ("epoch", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("key", models.CharField(max_length=200, null=True)),
                ("body_hash", models.CharField(blank=True, default="", max_length=64)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ("requested", "approved", "running"))),
                        fields=["due_at"],
                        name="rotation_change_work",
                    ),
                    models.Index(fields=["state", "-id"], name="rotation_change_state"),
                    models.Index(fields=["subject", "-id"], name="rotation_change_subject"),
                ],
                "constraints": [models.UniqueConstraint(fields=("asker_id", "key"), name="rotation_change_key_once")],
            },
        ),
        migrations.CreateModel(
            name="Step",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.SmallIntegerField()),
                ("kind", models.CharField(max_length=40)),
                ("args", models.JSONField()),
                ("title", models.TextField()),
                ("state", models.CharField(default="planned", max_length=10)),
                ("says", models.TextField(blank=True, default="")),
                ("progress", models.JSONField(default=dict)),
                ("seen_at", models.DateTimeField(null=True)),
                ("seen_event", models.BigIntegerField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="steps", to="rotation.change"
                    ),
                ),
            ],
            options={
                "ordering": ["change", "number"],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.SmallIntegerField()),
                ("epoch", models.BigIntegerField()),
                ("worker", models.CharField(max_length=100)),
                ("intent", models.JSONField(default=dict)),
                ("began_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("outcome", models.CharField(blank=True, default="", max_length=10)),
                ("says", models.TextField(blank=True, default="")),
                ("receipt", models.JSONField(default=dict)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "step",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="attempts", to="rotation.step"
                    ),
                ),
            ],
            options={
                "ordering": ["step", "number"],
            },
        ),
        migrations.CreateModel(
            name="Verdict",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person_id", models.BigIntegerField()),
                ("person_name", models.CharField(max_length=150)),
                ("verdict", models.CharField(max_length=10)),
                ("plan_hash", models.CharField(max_length=64)),
                ("facts_hash", models.CharField(blank=True, default="", max_length=64)),
                ("proof", models.CharField(max_length=10)),
                ("assertion", models.JSONField(null=True)),
                ("token_id", models.BigIntegerField(null=True)),
                ("note", models.TextField(blank=True, default="")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("void", models.BooleanField(default=False)),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="verdicts", to="rotation.change"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Proof",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("step", models.SmallIntegerField()),
                ("kind", models.CharField(max_length=20)),
                ("subject", models.TextField()),
                ("holds", models.TextField(blank=True, default="")),
                ("state", models.CharField(default="waiting", max_length=10)),
                ("grade", models.CharField(blank=True, default="", max_length=30)),
                ("says", models.TextField(blank=True, default="")),
                ("event", models.BigIntegerField(null=True)),
                ("at", models.DateTimeField(null=True)),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="proofs", to="rotation.change"
                    ),
                ),
            ],
            options={
                "ordering": ["change", "step", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=("change", "step", "kind", "subject"), name="rotation_proof_once")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="step",
            constraint=models.UniqueConstraint(fields=("change", "number"), name="rotation_step_once"),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(fields=("step", "number"), name="rotation_attempt_once"),
        ),
        migrations.AddConstraint(
            model_name="verdict",
            constraint=models.UniqueConstraint(
                condition=models.Q(("void", False)), fields=("change", "person_id"), name="rotation_verdict_once"
            ),
        ),
    ]
