"""What exists now, as a vault told it last; a vault is named by its name alone, as audit names it."""

from __future__ import annotations

from django.db import models

from inventory import cluster_models, delivery_models, holding_models  # noqa: F401 - Django finds tables here


class Connection(models.Model):
    """How one vault (or one of its namespaces) is asked, and what it said last; it holds no token.

    `wanted_at` is when a person asked on a page for a look, or an event told of a change of rights; a worker with a
    token then takes it. `access_at` is when policies, roles and groups were last read, `heard` the number of the last
    event that was heard for such a change.
    """

    vault = models.CharField(max_length=200)
    namespace = models.TextField(blank=True)
    address = models.TextField()
    plain_http = models.BooleanField(default=False)
    ca_file = models.TextField(blank=True)
    version = models.CharField(max_length=80, blank=True)
    cluster_id = models.CharField(max_length=200, blank=True)
    token_until = models.DateTimeField(null=True)
    wanted_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    access_at = models.DateTimeField(null=True)
    heard = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vault", "namespace"], name="inventory_connection_once")]

    def __str__(self) -> str:
        return f"{self.vault}/{self.namespace}".rstrip("/")


class CheckLine(models.Model):
    """One line of the last look at a connection: a right, the token, the clock; `mend` is empty when it is well."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="lines")
    place = models.SmallIntegerField()
    name = models.TextField()
    ok = models.BooleanField()
    detail = models.TextField()
    mend = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "place"], name="inventory_check_once")]
        ordering = ["connection", "place"]

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


class Mount(models.Model):
    """One secrets engine or auth method (`auth/...`) from its mounting to its going; another accessor is another."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="mounts")
    path = models.TextField()
    accessor = models.TextField()
    type = models.CharField(max_length=80)
    kv_version = models.SmallIntegerField(default=0)
    seen_first = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "path", "accessor"], name="inventory_mount_once")]

    def __str__(self) -> str:
        return self.path


class Entity(models.Model):
    """One person or machine as the identity store knows it; `gone_at` is when it was first missing."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="entities")
    entity_id = models.CharField(max_length=100)
    name = models.TextField()
    disabled = models.BooleanField(default=False)
    metadata = models.JSONField(default=dict)
    policies = models.JSONField(default=list)
    seen_first = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "entity_id"], name="inventory_entity_once")]

    def __str__(self) -> str:
        return self.name


class Alias(models.Model):
    """One name of an entity at one auth method."""

    entity = models.ForeignKey(Entity, models.CASCADE, related_name="aliases")
    mount_accessor = models.TextField()
    mount_path = models.TextField(blank=True)
    name = models.TextField()
    metadata = models.JSONField(default=dict)
    alias_id = models.CharField(max_length=100, blank=True)
    custom_metadata = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entity", "mount_accessor", "name"], name="inventory_alias_once")
        ]

    def __str__(self) -> str:
        return self.name


class Policy(models.Model):
    """One ACL policy of a vault; `text` is its print without comments and values, `sha256` that of the text as it is.

    `unreadable` is the sentence with line and column where it could not be read: such a policy grants what we do not
    know. `slashes` and `wildcards` tell what may fill its templates.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="policies")
    name = models.TextField()
    text = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64)
    unreadable = models.TextField(blank=True)
    slashes = models.BooleanField(default=False)
    wildcards = models.BooleanField(default=False)
    expires = models.DateTimeField(null=True)
    seen_first = models.DateTimeField()
    changed_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="inventory_policy_once")]

    def __str__(self) -> str:
        return self.name


class AuthRole(models.Model):
    """One role, user or certificate of an auth method: which policies it gives, and what it binds; no secret."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="roles")
    method = models.TextField()
    type = models.CharField(max_length=80)
    name = models.TextField()
    policies = models.JSONField(default=list)
    no_default = models.BooleanField(default=False)
    binds = models.JSONField(default=dict)
    seen_first = models.DateTimeField()
    changed_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "method", "name"], name="inventory_role_once")]

    def __str__(self) -> str:
        return f"{self.method}{self.name}"


class Group(models.Model):
    """One group of identities: its policies, the entities and the groups in it, by the vault's ids."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="groups")
    group_id = models.CharField(max_length=100)
    name = models.TextField()
    type = models.CharField(max_length=20)
    policies = models.JSONField(default=list)
    entities = models.JSONField(default=list)
    groups = models.JSONField(default=list)
    metadata = models.JSONField(default=dict)
    seen_first = models.DateTimeField()
    changed_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "group_id"], name="inventory_group_once")]

    def __str__(self) -> str:
        return self.name


class Unseen(models.Model):
    """A path of a vault that the last look at policies, roles and groups could not read, and why."""

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="unseen")
    path = models.TextField()
    why = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "path"], name="inventory_unseen_once")]

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class Cluster(models.Model):
    """One Kubernetes cluster; `uid` is that of its namespace kube-system.

    `change` counts what was written of its pods. `known_until` is the moment until which its pods are all known.
    """

    name = models.CharField(max_length=200, unique=True)
    uid = models.CharField(max_length=100, unique=True)
    change = models.BigIntegerField(default=0)
    known_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class PodLife(models.Model):
    """One pod from its start to its end; with `ended_uncertain` nobody watched when it ended.

    `change` is the cluster's count when it was last written: whoever has read so far reads on from there.
    """

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="lives", db_index=False)
    uid = models.CharField(max_length=100)
    namespace = models.TextField()
    name = models.TextField()
    service_account = models.TextField()
    node = models.TextField(blank=True)
    host_network = models.BooleanField(default=False)
    started = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    ended_uncertain = models.BooleanField(default=False)
    labels = models.JSONField(default=dict)
    change = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "uid"], name="inventory_pod_once")]
        indexes = [
            models.Index(fields=["cluster", "change"], name="inventory_pod_change"),
            models.Index(fields=["namespace", "name"], name="inventory_pod_name"),
            models.Index(fields=["namespace", "service_account"], name="inventory_pod_account"),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class PodAddress(models.Model):
    """An address that a pod had in [started, ended); after `sure_until` it may have been released already."""

    life = models.ForeignKey(PodLife, models.CASCADE, related_name="addresses")
    address = models.TextField()
    started = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    sure_until = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["address", "started"], name="inventory_address_of_pod")]

    def __str__(self) -> str:
        return self.address


class PodGap(models.Model):
    """A stretch in which nobody watched a cluster's pods: who came and went then was never seen."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="gaps")
    since = models.DateTimeField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.cluster} from {self.since} to {self.until}"


class ServiceAccount(models.Model):
    """A service account by its uid, which no other cluster has: it tells which cluster a login is of."""

    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="service_accounts", db_index=False)
    uid = models.CharField(max_length=100, unique=True)
    namespace = models.TextField()
    name = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["namespace", "name"], name="inventory_account_name")]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Listener(models.Model):
    """Whose forwarded addresses a vault believes, as an operator said: without a row that is not known."""

    vault = models.CharField(max_length=200, unique=True)
    proxies = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.vault} believes {len(self.proxies)} proxies"
