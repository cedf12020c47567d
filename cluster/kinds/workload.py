"""Workloads: what makes pods, from a Deployment to a Rollout of Argo."""

from __future__ import annotations

import msgspec

from cluster.kinds.meta import Condition, FullMeta, Meta, Reference, Selector, Shape
from cluster.kinds.pod import PodTemplate


class RollingUpdate(Shape):
    """How many pods may be away, or more than wanted, meanwhile: a number or "25%"; of a StatefulSet its partition."""

    max_unavailable: int | str | None = None
    max_surge: int | str | None = None
    partition: int = 0


class Strategy(Shape):
    """How pods are replaced: RollingUpdate, Recreate or OnDelete."""

    type: str = ""
    rolling_update: RollingUpdate | None = None


class WorkloadSpec(Shape):
    """`spec` of any workload that keeps pods running; `restart_at` is Argo's."""

    replicas: int | None = None
    paused: bool = False
    selector: Selector = msgspec.field(default_factory=Selector)
    template: PodTemplate = msgspec.field(default_factory=PodTemplate)
    strategy: Strategy | None = None
    update_strategy: Strategy | None = None
    progress_deadline_seconds: int | None = None
    min_ready_seconds: int = 0
    pod_management_policy: str = ""
    restart_at: str | None = None


class WorkloadStatus(Shape):
    """`status` of any such workload; each kind fills its own part. Argo's `observedGeneration` is text."""

    observed_generation: int | str = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    terminating_replicas: int = 0
    current_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""
    desired_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    number_ready: int = 0
    conditions: list[Condition] = []
    phase: str = ""
    restarted_at: str | None = None


class Workload(Shape):
    """What the four kinds have in common."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: WorkloadSpec = msgspec.field(default_factory=WorkloadSpec)
    status: WorkloadStatus = msgspec.field(default_factory=WorkloadStatus)


class Deployment(Workload):
    """apps/v1 Deployment."""


class StatefulSet(Workload):
    """apps/v1 StatefulSet."""


class DaemonSet(Workload):
    """apps/v1 DaemonSet."""


class Rollout(Workload):
    """argoproj.io/v1alpha1 Rollout."""


class ReplicaSet(Shape):
    """apps/v1 ReplicaSet: only its metadata are asked for, which is all that the chain of owners needs."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)


class JobSpec(Shape):
    """`spec` of a Job."""

    parallelism: int | None = None
    completions: int | None = None
    suspend: bool = False
    template: PodTemplate = msgspec.field(default_factory=PodTemplate)


class JobStatus(Shape):
    """`status` of a Job."""

    active: int = 0
    succeeded: int = 0
    failed: int = 0
    start_time: str | None = None
    completion_time: str | None = None
    conditions: list[Condition] = []


class Job(Shape):
    """batch/v1 Job."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: JobSpec = msgspec.field(default_factory=JobSpec)
    status: JobStatus = msgspec.field(default_factory=JobStatus)


Templated = Deployment | StatefulSet | DaemonSet | Rollout | Job
TEMPLATED: tuple[type[Templated], ...] = (Deployment, StatefulSet, DaemonSet, Rollout, Job)


class JobTemplate(Shape):
    """`spec.jobTemplate` of a CronJob."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: JobSpec = msgspec.field(default_factory=JobSpec)


class CronJobSpec(Shape):
    """`spec` of a CronJob."""

    schedule: str = ""
    suspend: bool = False
    job_template: JobTemplate = msgspec.field(default_factory=JobTemplate)


class CronJobStatus(Shape):
    """`status` of a CronJob."""

    active: list[Reference] = []
    last_schedule_time: str | None = None


class CronJob(Shape):
    """batch/v1 CronJob."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: CronJobSpec = msgspec.field(default_factory=CronJobSpec)
    status: CronJobStatus = msgspec.field(default_factory=CronJobStatus)


WORKLOADS: tuple[type[Templated | CronJob], ...] = (*TEMPLATED, CronJob)
