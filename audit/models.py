"""The small tables of the past; events, blocks and sightings live in daily partitions (migration 0002)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from audit import lease_models, our_models, pod_tables  # noqa: F401 - Django finds tables by way of this module


class Vault(models.Model):
    """One Vault or OpenBao cluster, or one Kubernetes cluster, by the name an operator gave it.

    `kind` is `vault` or `kubernetes`, and empty until a record is read under the name.
    """

    id = models.SmallAutoField(primary_key=True)
    name = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=20, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return self.name


class Device(models.Model):
    """One audit device of a vault: its own salt, its own clock reading, its own holes."""

    id = models.SmallAutoField(primary_key=True)
    vault = models.ForeignKey(Vault, models.PROTECT)
    name = models.CharField(max_length=200)
    last_time = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vault", "name"], name="audit_device_once")]

    def __str__(self) -> str:
        return f"{self.vault}/{self.name}"


class Source(models.Model):
    """A place that is followed live: its kind (a module of audit.sources) and that kind's settings."""

    device = models.ForeignKey(Device, models.PROTECT)
    kind = models.CharField(max_length=40, default="file")
    settings = models.JSONField(default=dict)
    live = models.ForeignKey("Generation", models.SET_NULL, null=True, related_name="+")
    live_inode = models.BigIntegerField(default=0)
    drained_at = models.DateTimeField(null=True)
    trouble = models.TextField(blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "kind", "settings"], name="audit_source_once")]

    def __str__(self) -> str:
        return f"{self.device}: {self.settings.get('path', self.kind)}"


RENAMED = "renamed"


class Generation(models.Model):
    """One log file, known by the hash of its first whole line however it is named or packed, and our cursor in it."""

    device = models.ForeignKey(Device, models.PROTECT)
    fingerprint = models.BinaryField()
    fork = models.SmallIntegerField(default=0)
    path = models.TextField()
    inode = models.BigIntegerField(default=0)
    position = models.BigIntegerField(default=0)
    tail = models.BinaryField(default=b"")
    skipping = models.BooleanField(default=False)
    turn = models.BigIntegerField(default=0)
    follows = models.ForeignKey("self", models.SET_NULL, null=True, db_index=False)
    border = models.CharField(max_length=20, blank=True, default="")
    first_time = models.DateTimeField(null=True)
    last_time = models.DateTimeField(null=True)
    lines = models.BigIntegerField(default=0)
    events = models.BigIntegerField(default=0)
    others = models.BigIntegerField(default=0, db_default=0)  # records that are none of ours, as of other resources
    bytes_event = models.BigIntegerField(default=0)
    bytes_duplicate = models.BigIntegerField(default=0)
    bytes_quarantine = models.BigIntegerField(default=0)
    bytes_framing = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device", "fingerprint", "fork"], name="audit_generation_once"),
        ]

    def __str__(self) -> str:
        return f"{self.path} (generation {self.pk})"


class Mount(models.Model):
    """A secrets engine as the log shows it; `kv_version` 0 = not a KV mount or not yet learned."""

    vault = models.ForeignKey(Vault, models.PROTECT)
    namespace = models.TextField(blank=True)
    path = models.TextField()
    accessor = models.TextField(blank=True)
    type = models.CharField(max_length=80)
    kv_version = models.SmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["vault", "namespace", "path", "accessor"], name="audit_mount_once"),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}{self.path}"


class Principal(models.Model):
    """Who called: the key holds the entity, so two clusters' service accounts of one name stay two."""

    vault = models.ForeignKey(Vault, models.PROTECT)
    kind = models.CharField(max_length=20)
    name = models.TextField()
    namespace = models.TextField(blank=True)
    entity_id = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["vault", "kind", "name", "namespace", "entity_id"], name="audit_principal_once"
            ),
        ]
        indexes = [models.Index(fields=["name"], name="audit_principal_name")]

    def __str__(self) -> str:
        return self.name


class Secret(models.Model):
    """What was read; its key is (vault, namespace, mount accessor, path) and `name` is only its print."""

    vault = models.ForeignKey(Vault, models.PROTECT)
    namespace = models.TextField(blank=True)
    mount = models.TextField()
    mount_accessor = models.TextField(blank=True)
    path = models.TextField()
    engine = models.CharField(max_length=80)
    name = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["vault", "namespace", "mount", "mount_accessor", "path"], name="audit_secret_once"
            ),
        ]
        indexes = [models.Index(fields=["name"], name="audit_secret_name", opclasses=["text_pattern_ops"])]

    def __str__(self) -> str:
        return self.name


class Path(models.Model):
    """A request path as the vault wrote it, relative to its namespace."""

    vault = models.ForeignKey(Vault, models.PROTECT)
    namespace = models.TextField(blank=True)
    path = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vault", "namespace", "path"], name="audit_path_once")]

    def __str__(self) -> str:
        return f"{self.namespace}{self.path}"


class Address(models.Model):
    """A caller's address as the vault wrote it (not always an IP address)."""

    address = models.TextField(unique=True)

    def __str__(self) -> str:
        return self.address


class Token(models.Model):
    """A token by one device's HMAC of it, and whose it is: the link from a nameless denial to its login."""

    device = models.ForeignKey(Device, models.PROTECT, db_index=False)
    hmac = models.BinaryField()
    principal = models.ForeignKey(Principal, models.PROTECT, db_index=False)
    accessor = models.TextField(blank=True)
    first_time = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "hmac"], name="audit_token_once")]

    def __str__(self) -> str:
        return f"token {self.pk}"


class PodClaim(models.Model):
    """The pod that a token is bound to, as the API server that checked it says: exact, not a guess."""

    token = models.OneToOneField(Token, models.CASCADE, primary_key=True)
    namespace = models.TextField()
    pod = models.TextField()
    uid = models.TextField()
    node = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["uid"], name="audit_podclaim_uid")]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod}"


class Wrap(models.Model):
    """A wrapping token by one device's HMAC, and the secret that it wraps: an unwrap's own entry does not name it."""

    device = models.ForeignKey(Device, models.PROTECT, db_index=False)
    hmac = models.BinaryField()
    secret = models.ForeignKey(Secret, models.PROTECT, db_index=False)
    disclosed = models.SmallIntegerField()
    time = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "hmac"], name="audit_wrap_once")]

    def __str__(self) -> str:
        return f"wrap of {self.secret}"


class Pending(models.Model):
    """A request line whose response has not come yet, masked, with its place."""

    device = models.ForeignKey(Device, models.PROTECT, db_index=False)
    request_id = models.UUIDField()
    generation = models.ForeignKey(Generation, models.PROTECT, db_index=False)
    position = models.BigIntegerField()
    length = models.IntegerField()
    sha256 = models.BinaryField()
    line = models.BinaryField()
    time = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "request_id"], name="audit_pending_once")]

    def __str__(self) -> str:
        return str(self.request_id)


class Quarantine(models.Model):
    """Bytes that are no audit line: where they stand, why, their SHA-256, and a preview without any value."""

    generation = models.ForeignKey(Generation, models.PROTECT, db_index=False)
    position = models.BigIntegerField()
    length = models.BigIntegerField()
    reason = models.TextField()
    sha256 = models.BinaryField()
    preview = models.TextField()
    provisional = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["generation", "position"], name="audit_quarantine_once")]

    def __str__(self) -> str:
        return f"{self.length} bytes at {self.position}: {self.reason}"


class Gap(models.Model):
    """What a device should have shown and did not, or what a file lost, with its time bounds."""

    device = models.ForeignKey(Device, models.PROTECT, db_index=False)
    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=120)
    start = models.DateTimeField(null=True)
    end = models.DateTimeField(null=True)
    bytes = models.BigIntegerField(default=0)
    detail = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "kind", "key"], name="audit_gap_once")]

    def __str__(self) -> str:
        return self.detail


class LeaseIssue(models.Model):
    """A credential that a read handed out: the plain lease id stands only in the line that issued it."""

    vault = models.ForeignKey(Vault, models.PROTECT, db_index=False)
    lease_id = models.TextField()
    event_id = models.BigIntegerField()
    time = models.DateTimeField()
    secret = models.ForeignKey(Secret, models.PROTECT)
    principal = models.ForeignKey(Principal, models.PROTECT)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vault", "lease_id"], name="audit_lease_once")]
        indexes = [models.Index(fields=["event_id"], name="audit_leaseissue_event")]

    def __str__(self) -> str:
        return self.lease_id


class Alarm(models.Model):
    """Something critical that ingestion itself saw, such as a token in plain text."""

    device = models.ForeignKey(Device, models.PROTECT, db_index=False)
    kind = models.CharField(max_length=40)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.BigIntegerField(default=0)
    detail = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "kind"], name="audit_alarm_once")]

    def __str__(self) -> str:
        return self.detail


class ReceiverToken(models.Model):
    """What one sender proves itself with to the receiver, as a SHA-256; at most two of a device live at a time."""

    device = models.ForeignKey(Device, models.PROTECT, related_name="receiver_tokens")
    digest = models.BinaryField(unique=True)
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"receiver token {self.pk} of {self.device}"


class Spool(models.Model):
    """One record that the receiver took, masked, until it is ingested; with a `reason` it is for quarantine.

    `key` and `micros` are the original's (zero for quarantine), as are `sha256` and `length`. The device is no
    enforced key: that would lock its row for each line.
    """

    device = models.ForeignKey(Device, models.DO_NOTHING, db_constraint=False, db_index=False)
    key = models.UUIDField()
    micros = models.BigIntegerField()
    sha256 = models.BinaryField()
    length = models.BigIntegerField()
    line = models.BinaryField()
    findings = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    received_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["device", "id"], name="audit_spool_next")]

    def __str__(self) -> str:
        return f"record {self.pk} of {self.device}"


class Forgotten(models.Model):
    """One day that retention dropped: which numbers of the stream it held, and how many items."""

    day = models.DateField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    items = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.items} items of {self.day}"
