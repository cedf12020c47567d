"""The tables of leases: each lease as it stands, and the facts that it follows from.

A lease's row can be computed anew from its issue, its facts and its last lookups at any time; `audit.leasing` alone
writes facts and rows, `audit.verifying` what only a vault can tell.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Lease(models.Model):
    """One lease; its key is that of the row that says who took it and when (`audit_leaseissue`).

    `state` and `how` are words of `inventory.leases`. `verified_at` is the last lookup and `verified` what it said,
    `found_at` and `found_ends` the last one that found it; `look_at` is when the next is due, null when it has ended.
    """

    issue = models.OneToOneField("audit.LeaseIssue", models.CASCADE, primary_key=True, db_column="id")
    vault = models.ForeignKey("audit.Vault", models.PROTECT, db_index=False)
    lease_id = models.TextField()
    namespace = models.TextField(blank=True)
    secret = models.ForeignKey("audit.Secret", models.PROTECT, db_index=False)
    principal = models.ForeignKey("audit.Principal", models.PROTECT, db_index=False)
    event_id = models.BigIntegerField()
    issued = models.DateTimeField()
    state = models.CharField(max_length=20)
    how = models.CharField(max_length=20, blank=True)
    since = models.DateTimeField()
    renewals = models.IntegerField(default=0)
    renewed = models.DateTimeField(null=True)
    asked = models.DateTimeField(null=True)
    expires = models.DateTimeField(null=True)
    token_ends = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    verified = models.CharField(max_length=20, blank=True)
    found_at = models.DateTimeField(null=True)
    found_ends = models.DateTimeField(null=True)
    look_at = models.DateTimeField(null=True)
    pod = models.TextField(blank=True)
    pod_uid = models.TextField(blank=True)
    grade = models.CharField(max_length=30, blank=True)
    pod_gone = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vault", "lease_id"], name="audit_lease_by_id")]
        indexes = [
            models.Index(fields=["lease_id"], name="audit_lease_prefix", opclasses=["text_pattern_ops"]),
            models.Index(fields=["secret", "issue"], name="audit_lease_secret"),
            models.Index(fields=["principal", "issue"], name="audit_lease_principal"),
            models.Index(fields=["state", "issue"], name="audit_lease_state"),
            models.Index(fields=["pod", "issue"], name="audit_lease_pod", condition=~Q(pod="")),
            models.Index(fields=["pod_uid"], name="audit_lease_pod_uid", condition=~Q(pod_uid="")),
            models.Index(fields=["issue"], name="audit_lease_outlived", condition=Q(pod_gone__isnull=False)),
            models.Index(fields=["vault", "look_at"], name="audit_lease_due", condition=Q(look_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.lease_id


class LeaseHolder(models.Model):
    """The token that took a lease, as one device shows it; `ends` is null for a token without an end.

    `born` is its issue, in whole seconds. Nothing of a token is here that could be used: HMACs, and an accessor where
    the device writes it in plain.
    """

    lease = models.ForeignKey(Lease, models.CASCADE, db_index=False)
    device = models.ForeignKey("audit.Device", models.PROTECT, db_index=False)
    token = models.TextField(blank=True)
    accessor = models.TextField(blank=True)
    born = models.DateTimeField(null=True)
    ends = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["lease", "device"], name="audit_leaseholder_once")]
        indexes = [
            models.Index(fields=["device", "token"], name="audit_leaseholder_token"),
            models.Index(fields=["device", "accessor"], name="audit_leaseholder_accessor"),
        ]

    def __str__(self) -> str:
        return f"holder of {self.lease_id}"


class LeaseHash(models.Model):
    """A lease's id as one device's HMAC shows it, so that a call with the id in its body can be read."""

    lease = models.ForeignKey(Lease, models.CASCADE, db_index=False)
    device = models.ForeignKey("audit.Device", models.PROTECT, db_index=False)
    hmac = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lease", "device"], name="audit_leasehash_once"),
            models.UniqueConstraint(fields=["device", "hmac"], name="audit_leasehash_by_hmac"),
        ]

    def __str__(self) -> str:
        return f"hash of {self.lease_id}"


class LeaseFact(models.Model):
    """One call about leases or tokens, as one device shows it; a call in which two devices agree is two rows.

    `kind` is a verb of `vault.lease_calls`. What it is about stands in one of `lease` (a plain id), `hmac` (of an id),
    `prefix`, and `token` with `accessor`; `by_token` and `by_accessor` are a new token's parent.
    """

    vault = models.ForeignKey("audit.Vault", models.PROTECT, db_index=False)
    device = models.ForeignKey("audit.Device", models.PROTECT, db_index=False)
    event_id = models.BigIntegerField()
    time = models.DateTimeField()
    kind = models.CharField(max_length=20)
    ok = models.BooleanField()
    namespace = models.TextField(blank=True)
    lease = models.TextField(blank=True)
    hmac = models.TextField(blank=True)
    prefix = models.TextField(blank=True)
    token = models.TextField(blank=True)
    accessor = models.TextField(blank=True)
    ends = models.DateTimeField(null=True)
    by_token = models.TextField(blank=True)
    by_accessor = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event_id", "device", "kind"], name="audit_leasefact_once")]
        indexes = [
            models.Index(fields=["vault", "lease"], name="audit_leasefact_lease", condition=~Q(lease="")),
            models.Index(fields=["device", "hmac"], name="audit_leasefact_hmac", condition=~Q(hmac="")),
            models.Index(fields=["vault", "time"], name="audit_leasefact_prefix", condition=~Q(prefix="")),
            models.Index(fields=["device", "token"], name="audit_leasefact_token", condition=~Q(token="")),
            models.Index(fields=["device", "accessor"], name="audit_leasefact_accessor", condition=~Q(accessor="")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.time}"


class LeaseCursor(models.Model):
    """How far the record was read for leases: the number of the last item, in the stream's own order."""

    after = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"read to {self.after}"
