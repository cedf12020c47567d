"""What is asked to happen, who decided it, and all that was tried: changes with their steps, attempts and proofs.

A change's `state` is written by `rotation.moves` alone. People's rows (change, verdict) are written by the web process;
steps, attempts and proofs by the worker that runs them: `config.roles` keeps the two apart.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from rotation import lifecycle, notice_models, schedule_models, silence  # noqa: F401 - Django finds tables here

_OPEN = (lifecycle.REQUESTED, lifecycle.APPROVED, lifecycle.RUNNING)


class Change(models.Model):
    """One thing that somebody asked for, with the plan that approvals bind to.

    `plan` is canonical JSON as `rotation.plan` makes it, `plan_hash` its SHA-256; `rule` the approval policy as it was
    when this was asked. `found` is what the worker saw when it last held the plan against Vault and the clusters,
    `facts_hash` a digest of the facts among it. `owner`, `epoch` and `lease_until` are a worker's claim; `due_at` is
    when a parked change is looked at again; `cancel_wanted` and `pause_before` are heeded between two steps.
    `ballot` grows whenever what was approved is no longer so: an approval of an earlier one is none; the worker counts.
    """

    target = models.CharField(max_length=40)
    args = models.JSONField()
    vault = models.CharField(max_length=200, blank=True, default="")
    cluster = models.CharField(max_length=200, blank=True, default="")
    verb = models.CharField(max_length=80)  # how pages name it: "Rotate", "Revoke 37 leases"
    subject = models.TextField()  # what it is done to, as Vault or Kubernetes writes it
    reason = models.TextField()
    evidence = models.TextField(blank=True, default="")
    asker_id = models.BigIntegerField(null=True)
    asker_name = models.CharField(max_length=150)
    asked_by = models.CharField(max_length=20, default="page")  # page, api, command, schedule, playbook
    token_id = models.BigIntegerField(null=True)
    state = models.CharField(max_length=12, choices=[(one, one) for one in lifecycle.STATES], default="requested")
    risk = models.CharField(max_length=10, default="routine")  # routine, high, highest
    rule = models.JSONField(default=dict)
    plan = models.JSONField()
    plan_hash = models.CharField(max_length=64)
    found = models.JSONField(default=dict)
    checked_at = models.DateTimeField(null=True)
    facts_hash = models.CharField(max_length=64, blank=True, default="")
    asked_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    break_glass = models.BooleanField(default=False)
    review_due = models.DateTimeField(null=True)
    reviewed_at = models.DateTimeField(null=True)
    reviewed_by = models.CharField(max_length=150, blank=True, default="")
    review_note = models.TextField(blank=True, default="")
    says = models.TextField(blank=True, default="")  # why it stands where it stands, and what to do next
    cancel_wanted = models.BooleanField(default=False)
    pause_before = models.SmallIntegerField(null=True)  # the number of the step before which a person wants to look
    paused_by = models.CharField(max_length=150, blank=True, default="")
    owner = models.CharField(max_length=100, blank=True, default="")
    epoch = models.BigIntegerField(default=0)
    ballot = models.IntegerField(db_default=0)
    lease_until = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    key = models.CharField(max_length=200, null=True)  # the Idempotency-Key; nothing where there was none  # noqa: DJ001
    body_hash = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asker_id", "key"], name="rotation_change_key_once")]
        indexes = [
            models.Index(fields=["due_at"], name="rotation_change_work", condition=models.Q(state__in=_OPEN)),
            models.Index(fields=["state", "-id"], name="rotation_change_state"),
            models.Index(fields=["subject", "-id"], name="rotation_change_subject"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """How people, Vault's log and messages name it: `C-215`."""
        return f"C-{self.pk}"


class Verdict(models.Model):
    """One person's yes or no to one plan; a person has one, and the first stands.

    `proof` is how they proved who they are: passkey (with `assertion`), step_up or api_token. `facts_hash` is what the
    worker had found when they decided.
    """

    change = models.ForeignKey(Change, models.CASCADE, related_name="verdicts")
    person_id = models.BigIntegerField()
    person_name = models.CharField(max_length=150)
    verdict = models.CharField(max_length=10)  # approve, reject
    plan_hash = models.CharField(max_length=64)
    facts_hash = models.CharField(max_length=64, blank=True, default="")
    proof = models.CharField(max_length=10)
    assertion = models.JSONField(null=True)
    token_id = models.BigIntegerField(null=True)
    note = models.TextField(blank=True, default="")
    at = models.DateTimeField(db_default=Now())
    void = models.BooleanField(default=False)  # the plan or the facts changed after it

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["change", "person_id"], name="rotation_verdict_once", condition=models.Q(void=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.person_name}: {self.verdict} {self.change_id}"


class Step(models.Model):
    """One outside effect of a change, in its place; its kind is a module of `rotation.steps`."""

    change = models.ForeignKey(Change, models.CASCADE, related_name="steps")
    number = models.SmallIntegerField()
    kind = models.CharField(max_length=40)
    args = models.JSONField()
    title = models.TextField()
    state = models.CharField(max_length=10, default="planned")  # planned, running, waiting, done, stopped
    says = models.TextField(blank=True, default="")
    progress = models.JSONField(default=dict)  # {"done": 3, "of": 12} while it works
    seen_at = models.DateTimeField(null=True)  # when the audit log says that Vault did it
    seen_event = models.BigIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "number"], name="rotation_step_once")]
        ordering = ["change", "number"]

    def __str__(self) -> str:
        return f"{self.number}. {self.title}"


class Attempt(models.Model):
    """One try of a step: the intent was committed before the call, the result after it; all are kept.

    `outcome` is empty while nothing is known, then done, waiting, refused, unknown, drifted or failed. `receipt` holds
    what may be shown of request and answer: paths, versions, lease ids, never a value.
    """

    step = models.ForeignKey(Step, models.CASCADE, related_name="attempts")
    number = models.SmallIntegerField()
    epoch = models.BigIntegerField()
    worker = models.CharField(max_length=100)
    intent = models.JSONField(default=dict)
    began_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=10, blank=True, default="")
    says = models.TextField(blank=True, default="")
    receipt = models.JSONField(default=dict)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step", "number"], name="rotation_attempt_once")]
        ordering = ["step", "number"]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome or 'no result'}"

    @property
    def brought(self) -> dict[str, object]:
        """Return what people are shown of the receipt: all but the machine's own clock."""
        return silence.broken(self.receipt)


class Proof(models.Model):
    """One line of proof: one pod, lease, version or login, and what is known of it.

    `state` is proven, waiting, or short: what is known falls short of proof, and `says` says by what.
    """

    change = models.ForeignKey(Change, models.CASCADE, related_name="proofs")
    step = models.SmallIntegerField()
    kind = models.CharField(max_length=20)  # pod, lease, version, login, token, entity, cluster
    subject = models.TextField()
    holds = models.TextField(blank=True, default="")
    state = models.CharField(max_length=10, default="waiting")
    grade = models.CharField(max_length=30, blank=True, default="")
    says = models.TextField(blank=True, default="")
    event = models.BigIntegerField(null=True)
    at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["change", "step", "kind", "subject"], name="rotation_proof_once")
        ]
        ordering = ["change", "step", "id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.state}"


class ApprovalPolicy(models.Model):
    """Who must approve what: `targets` are globs over `target:subject`; the strictest that fits counts, deny wins.

    `roles`, `people` and `groups` (lists of issuer, id and name) say who may approve; `proof` is the least proof:
    api_token, step_up or passkey. A row is never changed: it ends, and another one of its name begins.
    """

    name = models.CharField(max_length=100)
    targets = ArrayField(models.TextField())
    effect = models.CharField(max_length=10, default="require")  # require, deny
    risk = models.CharField(max_length=10, default="routine")
    approvers = models.SmallIntegerField(default=1)
    roles = ArrayField(models.CharField(max_length=16), default=list)
    people = ArrayField(models.BigIntegerField(), default=list)
    groups = models.JSONField(default=list)
    proof = models.CharField(max_length=10, default="step_up")
    hours = models.SmallIntegerField(default=24)
    made_at = models.DateTimeField(db_default=Now())
    made_by_change = models.BigIntegerField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], name="rotation_policy_once", condition=models.Q(ended_at=None))
        ]

    def __str__(self) -> str:
        return self.name


class Redrawn(models.Model):
    """That the worker drew a plan itself, by the target and its arguments, and came to the same steps.

    Only the operations worker writes here: a plan that the web process made up has no such row.
    """

    change = models.ForeignKey(Change, models.CASCADE, related_name="redrawn")
    plan_hash = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"plan of C-{self.change_id}"


class ApproverKey(models.Model):
    """A passkey that was pinned for a person by an approved change; only the operations worker pins.

    The web process may end one, and a trigger lets nobody take an end back; `rotation.pinned_keys` says which stand.
    """

    user_id = models.BigIntegerField()
    user_name = models.CharField(max_length=150)
    credential = models.BinaryField(max_length=1024, unique=True)
    public_key = models.BinaryField(max_length=2048)
    sign_count = models.BigIntegerField(default=0)
    name = models.CharField(max_length=100, blank=True, default="")
    pinned_at = models.DateTimeField(db_default=Now())
    pinned_by_change = models.BigIntegerField(null=True)
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name or 'passkey'} of {self.user_name}"


class Freeze(models.Model):
    """Nothing happens within this scope until it is lifted: everything, one vault, one cluster, one person."""

    scope = models.CharField(max_length=12)  # everything, vault, cluster, person
    subject = models.CharField(max_length=200, blank=True, default="")
    reason = models.TextField()
    by_id = models.BigIntegerField(null=True)
    by_name = models.CharField(max_length=150)
    since = models.DateTimeField(db_default=Now())
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=150, blank=True, default="")
    lifted_by_change = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"freeze of {self.scope} {self.subject}".rstrip()


class Mismatch(models.Model):
    """Vault's log and our journal disagree: a write in our name without a step, or a step without its line.

    `event` is the call's event, 0 for a step without one; `ended_at` is when somebody looked into it, `note` what they
    found.
    """

    change = models.CharField(max_length=40, blank=True)
    step = models.CharField(max_length=10, blank=True)
    vault = models.CharField(max_length=200, blank=True)
    event = models.BigIntegerField(default=0)
    says = models.TextField()
    found_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True, default="")
    note = models.TextField(blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "step", "event"], name="rotation_mismatch_once")]

    def __str__(self) -> str:
        return self.says


class Heard(models.Model):
    """How far Vault's log was heard for what our identities did."""

    name = models.CharField(max_length=40, primary_key=True)
    seq = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} until {self.seq}"


class SealKey(models.Model):
    """The public key that wrapping tokens are sealed for; only the operations worker writes here."""

    public_key = models.BinaryField(max_length=32)
    mark = models.CharField(max_length=16)
    made_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.mark


class Handed(models.Model):
    """A wrapping token that somebody handed over for a change, as only the executor can read it.

    `sealed` is emptied once it was used, once another takes its place, and once the change is over.
    """

    change = models.ForeignKey(Change, models.CASCADE, related_name="handed")
    sealed = models.BinaryField(max_length=4096)
    key = models.ForeignKey(SealKey, models.PROTECT)
    by_id = models.BigIntegerField()
    by_name = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())
    opened_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"what {self.by_name} handed over for C-{self.change_id}"
