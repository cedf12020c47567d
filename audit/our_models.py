"""The tables of what our own identities did, as vaults' audit logs show it: `audit.ours` alone writes them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class OurCall(models.Model):
    """One accepted call of a token that claims to be ours, or that made such a token.

    `event_id` is the event's number, which orders calls by acceptance; `seq` that of the item which told of it last, a
    late response's included: what is read "after seq" misses nothing. `kind` is call, mint or login. `change`, `step`,
    `plan` and `head` are what the token claims, at a mint the token that was made. `version` is that of KV v2 which
    was written, `versions` those that were deleted or destroyed.
    """

    event_id = models.BigIntegerField(primary_key=True)
    seq = models.BigIntegerField()
    vault = models.ForeignKey("audit.Vault", models.PROTECT, db_index=False)
    time = models.DateTimeField()
    request_id = models.UUIDField()
    kind = models.CharField(max_length=10)
    change = models.TextField(blank=True)
    step = models.TextField(blank=True)
    plan = models.TextField(blank=True)
    head = models.TextField(blank=True)
    role = models.TextField(blank=True)
    policies = ArrayField(models.TextField(), default=list)
    principal = models.ForeignKey("audit.Principal", models.PROTECT, db_index=False)
    address = models.ForeignKey("audit.Address", models.PROTECT, db_index=False)
    operation = models.CharField(max_length=40)
    namespace = models.TextField(blank=True)
    path = models.TextField()
    secret = models.ForeignKey("audit.Secret", models.PROTECT, null=True, db_index=False)
    version = models.IntegerField(default=0)
    versions = ArrayField(models.BigIntegerField(), default=list)
    lease = models.TextField(blank=True)
    prefix = models.TextField(blank=True)
    outcome = models.CharField(max_length=12)

    class Meta:
        indexes = [
            models.Index(fields=["seq"], name="audit_ourcall_seq"),
            models.Index(fields=["change", "event_id"], name="audit_ourcall_change", condition=~Q(change="")),
            models.Index(fields=["secret", "time"], name="audit_ourcall_secret", condition=Q(secret__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.change or self.kind}: {self.operation} {self.path}"


class OurSight(models.Model):
    """The tokens of one such call as one device shows them, in its own HMACs (or plain, where it is set to).

    `accessor` is the caller's, `made` that of the token that the call made, `about` that of the token which it is
    about; `lease` is the HMAC of a lease's id in the call's body.
    """

    call = models.ForeignKey(OurCall, models.CASCADE, db_index=False, related_name="sights")
    device = models.ForeignKey("audit.Device", models.PROTECT, db_index=False)
    accessor = models.TextField(blank=True)
    made = models.TextField(blank=True)
    about = models.TextField(blank=True)
    lease = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "device"], name="audit_oursight_once")]
        indexes = [models.Index(fields=["device", "made"], name="audit_oursight_made", condition=~Q(made=""))]

    def __str__(self) -> str:
        return f"{self.call_id} on device {self.device_id}"
