"""What people are told and asked: notices with their deliveries and tries, channels with their secrets, and answers."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Answer(models.Model):
    """One person's word to a step that asked: it belongs to that change, step, try and plan, and the first stands.

    `proof` is step_up or api_token.
    """

    change = models.ForeignKey("rotation.Change", models.CASCADE, related_name="answers")
    step = models.SmallIntegerField()
    attempt = models.SmallIntegerField()
    plan_hash = models.CharField(max_length=64)
    word = models.CharField(max_length=10)  # go_on, stop
    person_id = models.BigIntegerField()
    person_name = models.CharField(max_length=150)
    proof = models.CharField(max_length=10)
    note = models.TextField(blank=True, default="")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "step", "attempt"], name="rotation_answer_once")]

    def __str__(self) -> str:
        return f"{self.person_name}: {self.word}"


class ExecutorTrouble(models.Model):
    """That the executor has no identity at a vault, as the worker `operations` meets it; one row for each time.

    `seen_at` is when it was met last; `ended_at` is when it was met no more, or somebody looked into it.
    """

    vault = models.CharField(max_length=200)
    says = models.TextField()
    found_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True, default="")
    note = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["vault"], name="rotation_trouble_once", condition=models.Q(ended_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.vault}: {self.says}"


class Notice(models.Model):
    """One thing that people are told, written with the verb that it tells of.

    `told` holds the facts as they were then. `people` are told by e-mail besides the channels. `key` keeps one from
    being told twice. `spread_at` is when its deliveries were made.
    """

    kind = models.CharField(max_length=20)
    change = models.ForeignKey("rotation.Change", models.CASCADE, null=True, related_name="notices")
    who = models.CharField(max_length=150, blank=True, default="")
    told = models.JSONField(default=dict)
    people = ArrayField(models.BigIntegerField(), default=list)
    key = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001 - nothing where nothing could repeat it
    at = models.DateTimeField(db_default=Now())
    spread_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], name="rotation_notice_new", condition=models.Q(spread_at=None))]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The id by which a receiver drops what comes twice."""
        return f"keybook-notice-{self.pk}"


class Channel(models.Model):
    """Where notices go: a webhook or an e-mail address; `kinds` are those that it gets, none is all of them."""

    kind = models.CharField(max_length=10)  # webhook, email
    name = models.CharField(max_length=100)
    address = models.CharField(max_length=500)
    kinds = ArrayField(models.CharField(max_length=20), default=list)
    made_at = models.DateTimeField(db_default=Now())
    made_by = models.CharField(max_length=150)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["address"], name="rotation_channel_once", condition=models.Q(ended_at=None))
        ]

    def __str__(self) -> str:
        return self.name


class ChannelSecret(models.Model):
    """What a webhook is signed with, sealed under KEYBOOK_NOTICE_KEY; two hold at once while one replaces the other."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="secrets")
    sealed = models.TextField()
    made_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"secret {self.pk} of channel {self.channel_id}"


class Delivery(models.Model):
    """One notice on its way to one address; the row is the queue. `next_at` is when it is tried again."""

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(Channel, models.CASCADE, null=True)
    person_id = models.BigIntegerField(null=True)
    address = models.CharField(max_length=500)
    state = models.CharField(max_length=10, default="waiting")  # waiting, sent, given_up
    tries = models.SmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, db_default=Now())
    says = models.TextField(blank=True, default="")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notice", "address"], name="rotation_delivery_once")]
        indexes = [
            models.Index(fields=["next_at"], name="rotation_delivery_due", condition=models.Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.notice_id} to {self.address}: {self.state}"

    @property
    def place(self) -> str:
        """Where it goes, as logs and the trail name it: no path of a webhook, no address of a person."""
        return f"channel {self.channel.name}" if self.channel else f"person {self.person_id}"


class Try(models.Model):
    """One try of a delivery: begun before the call, its outcome after it; all are kept."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts")
    number = models.SmallIntegerField()
    began_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, blank=True, default="")  # sent, failed; empty while nothing is known
    says = models.TextField(blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="rotation_try_once")]
        ordering = ["delivery", "number"]

    def __str__(self) -> str:
        return f"try {self.number}: {self.outcome or 'no result'}"
