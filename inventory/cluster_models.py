"""The picture of each cluster: how far each watch has come, the objects that exist, and what was worked out of them.

Objects are kept as `cluster.objects` has them: without any value of a Secret, a ConfigMap or a variable.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models


class ClusterLink(models.Model):
    """How a cluster was connected; where it is and who we are there stands in KEYBOOK_KUBECONFIG alone.

    `secrets`: whether the names and times of Secrets are asked for. `trouble`: why the last turn could not begin.
    """

    cluster = models.OneToOneField("inventory.Cluster", models.CASCADE, related_name="link")
    address = models.TextField(blank=True)
    context = models.TextField(blank=True)
    secrets = models.BooleanField(default=False)
    connected_at = models.DateTimeField()
    looked_at = models.DateTimeField(null=True)
    turn_at = models.DateTimeField(null=True)
    trouble = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.cluster} at {self.address}"


class ClusterLine(models.Model):
    """One line of the last look at a cluster's rights; `mend` is empty when it is well."""

    link = models.ForeignKey(ClusterLink, models.CASCADE, related_name="lines")
    place = models.SmallIntegerField()
    name = models.TextField()
    ok = models.BooleanField()
    detail = models.TextField()
    mend = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["link", "place"], name="inventory_cluster_line_once")]
        ordering = ["link", "place"]

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


class Watch(models.Model):
    """How far the watch of one resource has come; `version` is committed with everything that it covers.

    `state` has lasted since `since`; `heard_at` is when the API server last showed that the picture is whole.
    """

    cluster = models.ForeignKey("inventory.Cluster", models.CASCADE, related_name="watches", db_index=False)
    resource = models.CharField(max_length=100)
    version = models.TextField(blank=True)
    state = models.CharField(max_length=20, blank=True)
    detail = models.TextField(blank=True)
    since = models.DateTimeField()
    heard_at = models.DateTimeField(null=True)
    listed_at = models.DateTimeField(null=True)
    event_at = models.DateTimeField(null=True)
    bookmark_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "resource"], name="inventory_watch_once")]

    def __str__(self) -> str:
        return f"{self.resource}: {self.state}"


class KubeObject(models.Model):
    """One object of a cluster; `data` is its slim struct as JSON, or empty and `broken` says why it can't be read.

    `gone_at` is when it was deleted, exactly (`gone_exact`) or when a list first did not show it.
    """

    cluster = models.ForeignKey("inventory.Cluster", models.CASCADE, related_name="objects_seen", db_index=False)
    resource = models.CharField(max_length=100)
    uid = models.TextField()
    namespace = models.TextField(blank=True)
    name = models.TextField()
    version = models.TextField(blank=True)
    data = models.BinaryField()
    broken = models.TextField(blank=True)
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)
    gone_exact = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "resource", "uid"], name="inventory_object_once")]
        indexes = [
            models.Index(
                fields=["cluster", "namespace", "resource", "name"],
                name="inventory_object_there",
                condition=models.Q(gone_at=None),
            ),
            models.Index(fields=["gone_at"], name="inventory_object_gone", condition=models.Q(gone_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.resource} {self.namespace}/{self.name}"


class ClusterWarning(models.Model):
    """A warning Event, kept after the API server has forgotten it, which it does within an hour."""

    cluster = models.ForeignKey("inventory.Cluster", models.CASCADE, related_name="warnings", db_index=False)
    uid = models.TextField()
    about_uid = models.TextField(blank=True)
    kind = models.TextField(blank=True)
    namespace = models.TextField(blank=True)
    name = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    message = models.TextField(blank=True)
    times = models.IntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "uid"], name="inventory_warning_once")]
        indexes = [
            models.Index(fields=["cluster", "about_uid", "last_at"], name="inventory_warning_about"),
            models.Index(fields=["last_at"], name="inventory_warning_age"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} of {self.kind} {self.namespace}/{self.name}"


class ContentChange(models.Model):
    """When a watch saw the content of a copy change: of a Secret its data, of what the CSI driver mounted its versions.

    It says that there was a change, never what: which version a pod can hold follows from these times.
    """

    cluster = models.ForeignKey("inventory.Cluster", models.CASCADE, related_name="+", db_index=False)
    uid = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "uid", "at"], name="inventory_change_once")]
        indexes = [models.Index(fields=["at"], name="inventory_change_age")]

    def __str__(self) -> str:
        return f"{self.uid} at {self.at}"


class Reckoning(models.Model):
    """When a cluster's pods, workloads, consumers and troubles were worked out, and whether it has changed since.

    `whole_since` is since when everything that asks operators to deliver has been seen, None while it is not.
    """

    cluster = models.OneToOneField("inventory.Cluster", models.CASCADE, related_name="reckoning")
    changed_at = models.DateTimeField(null=True)
    at = models.DateTimeField(null=True)
    took = models.FloatField(default=0)
    again_at = models.DateTimeField(null=True)
    whole_since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.cluster} at {self.at}"


class Reckoned(models.Model):
    """One row that was worked out of the objects; one that changes is replaced, `digest` tells which do."""

    cluster = models.ForeignKey("inventory.Cluster", models.CASCADE, db_index=False, related_name="+")
    digest = models.BinaryField(max_length=16)
    namespace = models.TextField(blank=True)

    class Meta:
        abstract = True


class PodState(Reckoned):
    """A pod that exists: `state` is running, not ready, starting, ending or ended, and `reason` the kubelet's word."""

    uid = models.TextField()
    name = models.TextField()
    state = models.CharField(max_length=20)
    reason = models.TextField(blank=True)
    node = models.TextField(blank=True)
    service_account = models.TextField(blank=True)
    restarts = models.IntegerField(default=0)
    made_at = models.DateTimeField(null=True)
    workload_kind = models.TextField()
    workload_name = models.TextField()
    workload_uid = models.TextField()
    methods = ArrayField(models.TextField(), default=list)
    secrets = models.IntegerField(default=0)
    troubles = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "uid"], name="inventory_pod_state_once")]
        indexes = [
            models.Index(fields=["cluster", "namespace", "name"], name="inventory_pod_state_name"),
            models.Index(fields=["namespace", "name", "id"], name="inventory_pod_state_all"),
            models.Index(fields=["cluster", "workload_uid"], name="inventory_pod_state_of"),
            models.Index(fields=["namespace", "service_account"], name="inventory_pod_state_as"),
            models.Index(
                fields=["namespace", "name", "id"], name="inventory_pod_state_bad", condition=models.Q(troubles__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Workload(Reckoned):
    """What makes pods, by the end of their chain of owners; `wanted` is None where the kind does not say it."""

    uid = models.TextField()
    kind = models.TextField()
    name = models.TextField()
    wanted = models.IntegerField(null=True)
    pods = models.IntegerField(default=0)
    ready = models.IntegerField(default=0)
    service_account = models.TextField(blank=True)
    methods = ArrayField(models.TextField(), default=list)
    secrets = models.IntegerField(default=0)
    troubles = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "uid"], name="inventory_workload_once")]
        indexes = [
            models.Index(fields=["cluster", "namespace", "name"], name="inventory_workload_name"),
            models.Index(fields=["namespace", "name", "id"], name="inventory_workload_all"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class SecretConsumer(Reckoned):
    """One container that gets one secret by one method, as `cluster.consumption.Consumer` says it."""

    pod_uid = models.TextField()
    pod_name = models.TextField()
    container = models.TextField(blank=True)
    workload_kind = models.TextField()
    workload_name = models.TextField()
    workload_uid = models.TextField()
    method = models.TextField()
    path = models.TextField(blank=True)
    credential = models.TextField(blank=True)
    address = models.TextField(blank=True)
    vault_namespace = models.TextField(blank=True)
    auth_mount = models.TextField(blank=True)
    auth_method = models.TextField(blank=True)
    role = models.TextField(blank=True)
    service_account = models.TextField(blank=True)
    refresh_seconds = models.FloatField(null=True)
    last_sync = models.DateTimeField(null=True)
    fingerprint = models.TextField(blank=True)
    pinned = models.IntegerField(default=0)
    lease_id = models.TextField(blank=True)
    request_id = models.TextField(blank=True)
    lease_seconds = models.BigIntegerField(default=0)
    made_by_kind = models.TextField(blank=True)
    made_by_namespace = models.TextField(blank=True)
    made_by_name = models.TextField(blank=True)
    made_by_uid = models.TextField(blank=True)
    k8s_secret = models.TextField(blank=True)
    uses = ArrayField(models.TextField(), default=list)
    needs_restart = models.CharField(max_length=20)
    why = models.TextField(blank=True)
    restarted_by = models.TextField(blank=True)
    ended = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["path", "namespace", "pod_name", "id"], name="inventory_consumer_path"),
            models.Index(fields=["cluster", "pod_uid"], name="inventory_consumer_pod"),
            models.Index(fields=["cluster", "workload_uid"], name="inventory_consumer_workload"),
            models.Index(fields=["cluster", "namespace", "k8s_secret"], name="inventory_consumer_copy"),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod_name} {self.container} gets {self.path} by {self.method}"


class SecretTrouble(Reckoned):
    """One cause that keeps a workload from its secrets, as `cluster.consumption.Trouble` says it."""

    symptom = models.CharField(max_length=2)
    cause = models.IntegerField()
    object_kind = models.TextField()
    object_name = models.TextField()
    object_uid = models.TextField(blank=True)
    workload_kind = models.TextField()
    workload_name = models.TextField()
    workload_uid = models.TextField()
    says = models.TextField()
    mend = models.TextField(blank=True)
    sure = models.BooleanField(default=True)
    also = ArrayField(models.IntegerField(), default=list)
    evidence = models.TextField(blank=True)
    pods = ArrayField(models.TextField(), default=list)

    class Meta:
        indexes = [
            models.Index(fields=["cluster", "namespace", "workload_name"], name="inventory_trouble_of"),
            GinIndex(fields=["pods"], name="inventory_trouble_pods"),
        ]

    def __str__(self) -> str:
        return f"{self.workload_kind} {self.namespace}/{self.workload_name}: {self.says}"
