"""For whom operators and providers read a vault, kept for a while after it has ended: what they read is asked later."""

from __future__ import annotations

from django.db import models


class DeliveryAccount(models.Model):
    """A service account that an operator was ever asked, or set up, to log in as; kept as long as its cluster."""

    cluster = models.ForeignKey("inventory.Cluster", models.CASCADE, related_name="+", db_index=False)
    namespace = models.TextField()
    name = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "namespace", "name"], name="inventory_delivery_account_once")
        ]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Delivery(models.Model):
    """One path that is read for one copy, as one service account: as `cluster.deliveries.Delivery` says it.

    It was so in [since, gone_at); one that changes, a lease that is followed by another among it, is another row.
    """

    cluster = models.ForeignKey("inventory.Cluster", models.CASCADE, related_name="+", db_index=False)
    digest = models.BinaryField(max_length=16)
    namespace = models.TextField()
    k8s_secret = models.TextField(blank=True)
    method = models.TextField()
    path = models.TextField(blank=True)
    vault_namespace = models.TextField(blank=True)
    auth_mount = models.TextField(blank=True)
    role = models.TextField(blank=True)
    account_namespace = models.TextField(blank=True)
    account_name = models.TextField(blank=True)
    lease_id = models.TextField(blank=True)
    request_id = models.TextField(blank=True)
    made_by_kind = models.TextField(blank=True)
    made_by_name = models.TextField(blank=True)
    made_by_uid = models.TextField(blank=True)
    since = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "digest"], name="inventory_delivery_once")]
        indexes = [
            models.Index(fields=["cluster", "account_namespace", "account_name", "path"], name="inventory_delivery_as"),
            models.Index(
                fields=["cluster", "request_id"], name="inventory_delivery_request", condition=~models.Q(request_id="")
            ),
            models.Index(
                fields=["cluster", "lease_id"], name="inventory_delivery_lease", condition=~models.Q(lease_id="")
            ),
            models.Index(fields=["gone_at"], name="inventory_delivery_gone", condition=models.Q(gone_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.made_by_kind} {self.namespace}/{self.made_by_name}"


class DeliveryPod(models.Model):
    """A pod that gets what is read for a delivery, or got it before."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="pods", db_index=False)
    uid = models.TextField()
    namespace = models.TextField()
    name = models.TextField()
    made_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "uid"], name="inventory_delivery_pod_once")]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
