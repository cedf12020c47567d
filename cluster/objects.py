"""All that the API server's bytes become, in one place: the structs of each kind, the resources and the decoders."""

from __future__ import annotations

from cluster.decoding import (
    Broken,
    Event,
    Failure,
    Page,
    Unreadable,
    decode_event,
    decode_object,
    decode_page,
    decode_status,
)
from cluster.kinds.agent import Agent, Template
from cluster.kinds.eso import ClusterSecretStore, DynamicSecretGenerator, ExternalSecret, SecretStore
from cluster.kinds.meta import Condition, FullMeta, Meta, Owner, Reference, Selector, moment
from cluster.kinds.platform import (
    ClusterEvent,
    ConfigMap,
    EndpointSlice,
    MutatingWebhookConfiguration,
    Namespace,
    NetworkPolicy,
    Node,
    PodDisruptionBudget,
    Secret,
    ServiceAccount,
)
from cluster.kinds.pod import Container, ContainerStatus, EnvVar, Pod, PodSpec, PodTemplate, Volume
from cluster.kinds.rights import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from cluster.kinds.store_csi import CSIDriver, SecretProviderClass, SecretProviderClassPodStatus
from cluster.kinds.vso import (
    VaultAuth,
    VaultAuthGlobal,
    VaultConnection,
    VaultDynamicSecret,
    VaultPKISecret,
    VaultStaticSecret,
)
from cluster.kinds.workload import CronJob, DaemonSet, Deployment, Job, ReplicaSet, Rollout, StatefulSet, Workload
from cluster.resources import RESOURCES, Resource

__all__ = [
    "RESOURCES",
    "Agent",
    "Broken",
    "CSIDriver",
    "ClusterEvent",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterSecretStore",
    "Condition",
    "ConfigMap",
    "Container",
    "ContainerStatus",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "DynamicSecretGenerator",
    "EndpointSlice",
    "EnvVar",
    "Event",
    "ExternalSecret",
    "Failure",
    "FullMeta",
    "Job",
    "Meta",
    "MutatingWebhookConfiguration",
    "Namespace",
    "NetworkPolicy",
    "Node",
    "Owner",
    "Page",
    "Pod",
    "PodDisruptionBudget",
    "PodSpec",
    "PodTemplate",
    "Reference",
    "ReplicaSet",
    "Resource",
    "Role",
    "RoleBinding",
    "Rollout",
    "Secret",
    "SecretProviderClass",
    "SecretProviderClassPodStatus",
    "SecretStore",
    "Selector",
    "ServiceAccount",
    "StatefulSet",
    "Template",
    "Unreadable",
    "VaultAuth",
    "VaultAuthGlobal",
    "VaultConnection",
    "VaultDynamicSecret",
    "VaultPKISecret",
    "VaultStaticSecret",
    "Volume",
    "Workload",
    "decode_event",
    "decode_object",
    "decode_page",
    "decode_status",
    "moment",
]
