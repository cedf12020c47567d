"""The tables of attribution: tokens and whence they called, which pods that was, and what was said before."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now


class Bearer(models.Model):
    """What the log shows of a token that may be a pod's: its login, its service account, what its metadata says.

    `signed` says that the auth method checked that metadata. `uids` are those of its values that look like uids.
    """

    token = models.OneToOneField("audit.Token", models.CASCADE, primary_key=True)
    vault = models.ForeignKey("audit.Vault", models.PROTECT, db_index=False)
    mount = models.TextField(blank=True)
    account_namespace = models.TextField(blank=True)
    account_name = models.TextField(blank=True)
    signed = models.BooleanField(default=False)
    claims = models.JSONField(default=dict)
    uids = ArrayField(models.TextField(), default=list)
    login_address = models.TextField(blank=True)
    login_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["vault", "login_at"], name="audit_bearer_login"),
            models.Index(fields=["account_namespace", "account_name"], name="audit_bearer_account"),
            GinIndex(fields=["uids"], name="audit_bearer_uids"),
        ]

    def __str__(self) -> str:
        return f"bearer of {self.token_id}"


class TokenUse(models.Model):
    """One address that a token called from, and when; `stale` until its calls are attributed anew.

    It is `untold` where the stream was walked past a call of it of which nothing was said yet.
    """

    vault = models.ForeignKey("audit.Vault", models.PROTECT, db_index=False)
    token = models.ForeignKey("audit.Token", models.CASCADE, db_index=False)
    address = models.ForeignKey("audit.Address", models.PROTECT)
    first = models.DateTimeField()
    last = models.DateTimeField()
    stale = models.BooleanField(default=True)
    untold = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "address"], name="audit_use_once")]
        indexes = [models.Index(fields=["id"], name="audit_use_stale", condition=models.Q(stale=True))]

    def __str__(self) -> str:
        return f"token {self.token_id} from address {self.address_id}"


class Attribution(models.Model):
    """Which pod made the calls of one use in [since, until), how well that is proven, and by what.

    It is `provisional` where not all pods of that time were known yet.
    """

    use = models.ForeignKey(TokenUse, models.CASCADE, related_name="attributions", db_index=False)
    since = models.DateTimeField()
    until = models.DateTimeField()
    grade = models.CharField(max_length=30)
    cluster = models.TextField(blank=True)
    pod_uid = models.TextField(blank=True)
    pod_namespace = models.TextField(blank=True)
    pod_name = models.TextField(blank=True)
    delivered_by = models.TextField(blank=True)
    evidence = models.JSONField(default=dict)
    rule = models.SmallIntegerField()
    provisional = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["use", "since"], name="audit_attribution_once")]
        indexes = [
            models.Index(fields=["pod_uid"], name="audit_attribution_pod", condition=~models.Q(pod_uid="")),
            models.Index(fields=["since"], name="audit_attribution_late", condition=models.Q(provisional=True)),
        ]

    def __str__(self) -> str:
        return f"{self.grade} {self.pod_namespace}/{self.pod_name}"


class AttributionAmendment(models.Model):
    """What was said of the calls of one use in [since, until) before, and what is said of them since `at`."""

    use = models.ForeignKey(TokenUse, models.CASCADE, related_name="amendments")
    since = models.DateTimeField()
    until = models.DateTimeField()
    before = models.JSONField()
    after = models.JSONField()
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.before.get('grade')} became {self.after.get('grade')}"


class ToldPod(models.Model):
    """What the stream says of the pod of calls: a row for each pod, grade and operator; a row never changes."""

    grade = models.CharField(max_length=30)
    cluster = models.TextField(blank=True)
    pod_uid = models.TextField(blank=True)
    pod_namespace = models.TextField(blank=True)
    pod_name = models.TextField(blank=True)
    delivered_by = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pod_uid", "grade", "cluster", "pod_namespace", "pod_name", "delivered_by"],
                name="audit_toldpod_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.grade} {self.pod_namespace}/{self.pod_name}"


class Retelling(models.Model):
    """Calls of one use in [since, until) of which the stream may have been told something else than holds now.

    What is not after event `after` at the time `since` has been looked at.
    """

    use = models.ForeignKey(TokenUse, models.CASCADE)
    since = models.DateTimeField()
    until = models.DateTimeField()
    after = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"calls of use {self.use_id} from {self.since} to {self.until}"


class AttributionCursor(models.Model):
    """How far attribution has read: events, the pods and service accounts of each cluster, what the stream was told."""

    name = models.CharField(max_length=300, unique=True)
    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.position}"


class VaultCalibration(models.Model):
    """What a vault's newest logins prove: which cluster each auth mount serves, and whether addresses tell pods.

    `seen` is what it was worked out from: as long as that is the same, so is this.
    """

    vault = models.OneToOneField("audit.Vault", models.CASCADE)
    links = models.JSONField(default=dict)
    clusters = models.JSONField(default=dict)
    proxies = models.JSONField(null=True)
    rule = models.SmallIntegerField(default=0)
    seen = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"calibration of {self.vault}"
