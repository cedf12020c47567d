"""The resources that the simulated Kubernetes API serves: names, groups, kinds and what each kind is like."""

from __future__ import annotations

from dataclasses import dataclass, field

# plural Kind [marks]: c no namespace, s a status of its own, g a generation.
BUILT_IN = {
    "v1": """
        namespaces Namespace cs
        nodes Node cs
        pods Pod sg
        services Service s
        endpoints Endpoints
        events Event
        secrets Secret
        configmaps ConfigMap
        serviceaccounts ServiceAccount
        persistentvolumes PersistentVolume cs
        persistentvolumeclaims PersistentVolumeClaim s
        limitranges LimitRange
        resourcequotas ResourceQuota s
        replicationcontrollers ReplicationController sg""",
    "apps/v1": """
        deployments Deployment sg
        replicasets ReplicaSet sg
        statefulsets StatefulSet sg
        daemonsets DaemonSet sg
        controllerrevisions ControllerRevision""",
    "batch/v1": """
        jobs Job sg
        cronjobs CronJob sg""",
    "rbac.authorization.k8s.io/v1": """
        roles Role
        rolebindings RoleBinding
        clusterroles ClusterRole c
        clusterrolebindings ClusterRoleBinding c""",
    "admissionregistration.k8s.io/v1": """
        mutatingwebhookconfigurations MutatingWebhookConfiguration cg
        validatingadmissionpolicies ValidatingAdmissionPolicy csg
        validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding cg
        validatingwebhookconfigurations ValidatingWebhookConfiguration cg""",
    "apiextensions.k8s.io/v1": "customresourcedefinitions CustomResourceDefinition csg",
    "discovery.k8s.io/v1": "endpointslices EndpointSlice",
    "networking.k8s.io/v1": """
        networkpolicies NetworkPolicy g
        ingresses Ingress sg""",
    "policy/v1": "poddisruptionbudgets PodDisruptionBudget sg",
    "coordination.k8s.io/v1": "leases Lease",
    "storage.k8s.io/v1": "csidrivers CSIDriver c",
}
CUSTOM = {
    "argoproj.io/v1alpha1": "rollouts Rollout sg",
    "external-secrets.io/v1": """
        externalsecrets ExternalSecret sg
        clusterexternalsecrets ClusterExternalSecret csg
        secretstores SecretStore sg
        clustersecretstores ClusterSecretStore csg""",
    "external-secrets.io/v1alpha1": "pushsecrets PushSecret sg",
    "generators.external-secrets.io/v1alpha1": "vaultdynamicsecrets VaultDynamicSecret sg",
    "secrets-store.csi.x-k8s.io/v1": """
        secretproviderclasses SecretProviderClass g
        secretproviderclasspodstatuses SecretProviderClassPodStatus g""",
    "secrets.hashicorp.com/v1beta1": """
        vaultauths VaultAuth sg
        vaultauthglobals VaultAuthGlobal sg
        vaultconnections VaultConnection sg
        vaultdynamicsecrets VaultDynamicSecret sg
        vaultpkisecrets VaultPKISecret sg
        vaultstaticsecrets VaultStaticSecret sg
        secrettransformations SecretTransformation sg""",
}


@dataclass(frozen=True)
class Kind:
    """One resource: `plural` of `group` (empty for core) in `version`, and how its objects behave."""

    plural: str
    name: str
    group: str
    version: str
    namespaced: bool
    has_status: bool
    has_generation: bool
    custom: bool
    opening: bytes = field(compare=False, repr=False, default=b"")

    @property
    def api_version(self) -> str:
        """Return group/version as `apiVersion` has it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> tuple[str, str]:
        """Return what is unique among the resources."""
        return self.group, self.plural


def _kinds(table: dict[str, str], *, custom: bool) -> list[Kind]:
    found = []
    for api_version, rows in table.items():
        group, _, version = api_version.rpartition("/")
        for row in rows.strip().splitlines():
            plural, name, *rest = row.split()
            marks = rest[0] if rest else ""
            opening = f'{{"kind":"{name}","apiVersion":"{api_version}",'.encode()
            found.append(
                Kind(plural, name, group, version, "c" not in marks, "s" in marks, "g" in marks, custom, opening)
            )
    return found


KINDS = [*_kinds(BUILT_IN, custom=False), *_kinds(CUSTOM, custom=True)]
BY_KEY = {kind.key: kind for kind in KINDS}
BY_NAME = {(kind.api_version, kind.name): kind for kind in KINDS}


def kind_of(plural: str, group: str = "") -> Kind:
    """Return a resource by its plural name and group. Raises KeyError when there is none."""
    return BY_KEY[group, plural]
