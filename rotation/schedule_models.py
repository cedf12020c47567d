"""What is asked for again and again: schedules, what they asked for, and how old they know each secret to be."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Schedule(models.Model):
    """A rotation that is asked for every `days` days, of one secret or of all that a glob fits.

    `args` are the target's arguments but the one that names the secret. `window` is a line of `rotation.windows`, empty
    for none; `lead_hours` how long before a change may start it is asked for. `edition` counts its changes. What it
    asks for is asked in the name of `owner`. `says` is why it asks nothing now, as the worker found it at `looked_at`;
    `kept_by` are the keys of the causes that stand and that people were told of (`rotation.kept_back`).
    """

    name = models.CharField(max_length=100)
    target = models.CharField(max_length=40)
    pattern = models.TextField()
    args = models.JSONField(default=dict)
    vault = models.CharField(max_length=200, blank=True, default="")
    days = models.IntegerField()
    lead_hours = models.IntegerField(default=12)
    window = models.CharField(max_length=200, blank=True, default="")
    reason = models.TextField()
    owner_id = models.BigIntegerField()
    owner_name = models.CharField(max_length=150)
    enabled = models.BooleanField(default=True)
    edition = models.IntegerField(default=1)
    made_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    says = models.TextField(blank=True, default="")
    looked_at = models.DateTimeField(null=True)
    kept_by = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], name="rotation_schedule_once", condition=models.Q(ended_at=None))
        ]

    def __str__(self) -> str:
        return self.name


class Asking(models.Model):
    """That a schedule asked for one secret in one period: the constraint lets no second one in, whatever rings twice.

    `opens` and `closes` are when the change may start. `passed_by` let the schedule go on after a change that did not
    succeed.
    """

    schedule = models.ForeignKey(Schedule, models.PROTECT, related_name="askings")
    vault = models.CharField(max_length=200)
    subject = models.TextField()
    period = models.IntegerField()
    edition = models.IntegerField()
    due_at = models.DateTimeField()
    opens = models.DateTimeField()
    closes = models.DateTimeField(null=True)
    at = models.DateTimeField(db_default=Now())
    change = models.ForeignKey("rotation.Change", models.PROTECT, related_name="asked_for")
    passed_at = models.DateTimeField(null=True)
    passed_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["schedule", "vault", "subject", "period"], name="rotation_asking_once")
        ]

    def __str__(self) -> str:
        return f"{self.subject}, period {self.period} of schedule {self.schedule_id}"


class Age(models.Model):
    """When a secret's value was last seen to change, by the audit log; `heard` is how far the log was looked through.

    `rotated` is empty for one that was never seen to change since `seen`, when the log first shows it.
    """

    target = models.CharField(max_length=40)
    vault = models.CharField(max_length=200)
    subject = models.TextField()
    seen = models.DateTimeField(null=True)
    rotated = models.DateTimeField(null=True)
    version = models.IntegerField(default=0)
    by = models.TextField(blank=True, default="")
    event = models.BigIntegerField(null=True)
    heard = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["target", "vault", "subject"], name="rotation_age_once")]

    def __str__(self) -> str:
        return self.subject
