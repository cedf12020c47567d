"""The rows that are worked out of a cluster's objects, by column, as they are written."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class PodRow(NamedTuple):
    """A row of `PodState`."""

    uid: str
    namespace: str
    name: str
    state: str
    reason: str
    node: str
    service_account: str
    restarts: int
    made_at: datetime | None
    workload_kind: str
    workload_name: str
    workload_uid: str
    methods: list[str]
    secrets: int
    troubles: int


class WorkloadRow(NamedTuple):
    """A row of `Workload`."""

    uid: str
    namespace: str
    kind: str
    name: str
    wanted: int | None
    pods: int
    ready: int
    service_account: str
    methods: list[str]
    secrets: int
    troubles: int


class ConsumerRow(NamedTuple):
    """A row of `SecretConsumer`."""

    namespace: str
    pod_uid: str
    pod_name: str
    container: str
    workload_kind: str
    workload_name: str
    workload_uid: str
    method: str
    path: str
    credential: str
    address: str
    vault_namespace: str
    auth_mount: str
    auth_method: str
    role: str
    service_account: str
    refresh_seconds: float | None
    last_sync: datetime | None
    fingerprint: str
    pinned: int
    lease_id: str
    request_id: str
    lease_seconds: int
    made_by_kind: str
    made_by_namespace: str
    made_by_name: str
    made_by_uid: str
    k8s_secret: str
    uses: list[str]
    needs_restart: str
    why: str
    restarted_by: str
    ended: bool


class TroubleRow(NamedTuple):
    """A row of `SecretTrouble`."""

    namespace: str
    symptom: str
    cause: int
    object_kind: str
    object_name: str
    object_uid: str
    workload_kind: str
    workload_name: str
    workload_uid: str
    says: str
    mend: str
    sure: bool
    also: list[int]
    evidence: str
    pods: list[str]


Shape = PodRow | WorkloadRow | ConsumerRow | TroubleRow
