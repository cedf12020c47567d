"""The resources that we list and watch: where each is served, and the struct that its objects become."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from cluster.kinds import eso, platform, pod, rights, store_csi, vso, workload

_APPS, _RBAC = ("apps", "v1"), ("rbac.authorization.k8s.io", "v1")
_CSI, _VSO = ("secrets-store.csi.x-k8s.io", "v1"), ("secrets.hashicorp.com", "v1beta1")
_ESO, _GENERATORS = ("external-secrets.io", "v1"), ("generators.external-secrets.io", "v1alpha1")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")  # and so nothing that leads elsewhere in a path


class Resource(msgspec.Struct, frozen=True, gc=False):
    """One resource of the API. `name` is the plural name, and where two groups share it, plural.group.

    `metadata_only`: ask for PartialObjectMetadata, since the rest is not needed or not our business. `optional`: it may
    be not installed or not permitted, and that is a state, not a fault. `older`: versions of the same shape, to be
    tried when `version` is not served.
    """

    name: str
    group: str
    version: str
    kind: str
    metadata_only: bool = False
    optional: bool = False
    older: tuple[str, ...] = ()

    @property
    def plural(self) -> str:
        """The name in the URL."""
        return self.name.partition(".")[0]

    @property
    def path(self) -> str:
        """The path of all objects of the cluster, in the version `version`."""
        return self.path_in(self.version)

    def path_in(self, version: str) -> str:
        """The path of all objects of the cluster, in one of the versions."""
        return f"{self._root(version)}/{self.plural}"

    def place(self, namespace: str, name: str = "", *, version: str = "") -> str:
        """The path of one object, or of all, in a namespace; raises ValueError for what can be no such name."""
        if not _NAME.fullmatch(namespace) or (name and not _NAME.fullmatch(name)):
            raise ValueError(f"{namespace!r} and {name!r} can't be a namespace and a name")
        return f"{self._root(version or self.version)}/namespaces/{namespace}/{self.plural}" + (
            f"/{name}" if name else ""
        )

    def _root(self, version: str) -> str:
        return f"/apis/{self.group}/{version}" if self.group else f"/api/{version}"


def _known() -> list[tuple[Resource, Any]]:
    return [
        (Resource("pods", "", "v1", "Pod"), pod.Pod),
        (Resource("namespaces", "", "v1", "Namespace"), platform.Namespace),
        (Resource("nodes", "", "v1", "Node"), platform.Node),
        (Resource("serviceaccounts", "", "v1", "ServiceAccount"), platform.ServiceAccount),
        (Resource("events", "", "v1", "Event"), platform.ClusterEvent),
        (Resource("secrets", "", "v1", "Secret", metadata_only=True, optional=True), platform.Secret),
        (Resource("configmaps", "", "v1", "ConfigMap", metadata_only=True, optional=True), platform.ConfigMap),
        (Resource("deployments", *_APPS, "Deployment"), workload.Deployment),
        (Resource("replicasets", *_APPS, "ReplicaSet", metadata_only=True), workload.ReplicaSet),
        (Resource("statefulsets", *_APPS, "StatefulSet"), workload.StatefulSet),
        (Resource("daemonsets", *_APPS, "DaemonSet"), workload.DaemonSet),
        (Resource("jobs", "batch", "v1", "Job"), workload.Job),
        (Resource("cronjobs", "batch", "v1", "CronJob"), workload.CronJob),
        (Resource("rollouts", "argoproj.io", "v1alpha1", "Rollout", optional=True), workload.Rollout),
        (Resource("endpointslices", "discovery.k8s.io", "v1", "EndpointSlice"), platform.EndpointSlice),
        (
            Resource("poddisruptionbudgets", "policy", "v1", "PodDisruptionBudget", optional=True),
            platform.PodDisruptionBudget,
        ),
        (
            Resource("networkpolicies", "networking.k8s.io", "v1", "NetworkPolicy", optional=True),
            platform.NetworkPolicy,
        ),
        (
            Resource(
                "mutatingwebhookconfigurations",
                "admissionregistration.k8s.io",
                "v1",
                "MutatingWebhookConfiguration",
                optional=True,
            ),
            platform.MutatingWebhookConfiguration,
        ),
        (Resource("roles", *_RBAC, "Role", optional=True), rights.Role),
        (Resource("rolebindings", *_RBAC, "RoleBinding", optional=True), rights.RoleBinding),
        (Resource("clusterroles", *_RBAC, "ClusterRole", optional=True), rights.ClusterRole),
        (Resource("clusterrolebindings", *_RBAC, "ClusterRoleBinding", optional=True), rights.ClusterRoleBinding),
        (Resource("csidrivers", "storage.k8s.io", "v1", "CSIDriver", optional=True), store_csi.CSIDriver),
        (Resource("secretproviderclasses", *_CSI, "SecretProviderClass", optional=True), store_csi.SecretProviderClass),
        (
            Resource("secretproviderclasspodstatuses", *_CSI, "SecretProviderClassPodStatus", optional=True),
            store_csi.SecretProviderClassPodStatus,
        ),
        (Resource("vaultconnections", *_VSO, "VaultConnection", optional=True), vso.VaultConnection),
        (Resource("vaultauths", *_VSO, "VaultAuth", optional=True), vso.VaultAuth),
        (Resource("vaultauthglobals", *_VSO, "VaultAuthGlobal", optional=True), vso.VaultAuthGlobal),
        (Resource("vaultstaticsecrets", *_VSO, "VaultStaticSecret", optional=True), vso.VaultStaticSecret),
        (Resource("vaultdynamicsecrets", *_VSO, "VaultDynamicSecret", optional=True), vso.VaultDynamicSecret),
        (Resource("vaultpkisecrets", *_VSO, "VaultPKISecret", optional=True), vso.VaultPKISecret),
        (Resource("secretstores", *_ESO, "SecretStore", optional=True, older=("v1beta1",)), eso.SecretStore),
        (
            Resource("clustersecretstores", *_ESO, "ClusterSecretStore", optional=True, older=("v1beta1",)),
            eso.ClusterSecretStore,
        ),
        (Resource("externalsecrets", *_ESO, "ExternalSecret", optional=True, older=("v1beta1",)), eso.ExternalSecret),
        (
            Resource(
                "vaultdynamicsecrets.generators.external-secrets.io",
                *_GENERATORS,
                "VaultDynamicSecret",
                optional=True,
            ),
            eso.DynamicSecretGenerator,
        ),
    ]


RESOURCES: dict[str, Resource] = {each.name: each for each, _ in _known()}
SHAPES: dict[str, Any] = {each.name: shape for each, shape in _known()}
