"""Who may read a Secret of Kubernetes, by the roles and bindings of its RBAC: outright, or by a way round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cluster.kinds.rights import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject

# What RBAC does not show; whoever shows an answer says it with it.
BLIND = (
    "members of the group system:masters may do everything, and no binding names them",
    "other authorizers (nodes, webhooks, a cloud's own rights) are not seen",
)


@dataclass(frozen=True, slots=True)
class Way:
    """One thing that lets somebody read a Secret; `wide` ones count only when they are given for the whole cluster."""

    name: str
    verbs: frozenset[str]
    group: str
    resources: tuple[str, ...]
    wide: bool = False
    named: bool = False  # whether a rule's resourceNames are names of Secrets

    @property
    def direct(self) -> bool:
        """Whether it is the right to read itself."""
        return self is READ


def _way(name: str, verbs: str, group: str, *resources: str, wide: bool = False, named: bool = False) -> Way:
    return Way(name, frozenset(verbs.split()), group, resources, wide, named)


READ = _way("reads it", "get list watch", "", "secrets", named=True)
_WORKLOADS = ("deployments", "daemonsets", "statefulsets", "replicasets")
_VSO, _ESO = "secrets.hashicorp.com", "external-secrets.io"
WAYS = (
    READ,
    _way("patches it, and the answer shows it", "patch", "", "secrets", named=True),
    _way("deletes Secrets, and the answer shows them", "deletecollection", "", "secrets"),
    _way("makes a pod that mounts it", "create", "", "pods"),
    _way("makes or changes workloads that mount it", "create update patch", "apps", *_WORKLOADS),
    _way("makes or changes workloads that mount it", "create update patch", "", "replicationcontrollers"),
    _way("makes or changes workloads that mount it", "create update patch", "batch", "jobs", "cronjobs"),
    _way("runs commands in pods that mount it", "create get", "", "pods/exec", "pods/attach"),
    _way("puts a container into pods that mount it", "update patch", "", "pods/ephemeralcontainers"),
    _way("makes tokens of service accounts", "create", "", "serviceaccounts/token"),
    _way("acts as a service account", "impersonate", "", "serviceaccounts"),
    _way("acts as another user or group", "impersonate", "", "users", "groups", wide=True),
    _way("gives itself any role", "bind escalate", "rbac.authorization.k8s.io", "roles", "clusterroles"),
    _way("reaches the kubelets' own API", "get create", "", "nodes/proxy", wide=True),
    _way("approves certificates of any user", "approve", "certificates.k8s.io", "signers", wide=True),
    _way(
        "sees each Secret that is written, by a webhook", "create update patch", "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations", "validatingwebhookconfigurations", wide=True,
    ),
    _way(
        "has an operator fetch secrets of its vault", "create update patch", _VSO,
        "vaultstaticsecrets", "vaultdynamicsecrets", "vaultpkisecrets",
    ),
    _way("has an operator fetch or push secrets", "create update patch", _ESO, "externalsecrets", "pushsecrets"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reader:
    """Who (kind User, Group or ServiceAccount, with its namespace), by which way, and by which binding of which role.

    `binding` and `role` are `namespace/name`, or a bare name for what holds in the whole cluster.
    """

    kind: str
    namespace: str
    name: str
    way: Way
    binding: str
    role: str

    def covers(self, namespace: str, account: str) -> bool:
        """Whether a service account is this subject, by its own name or by a group that every one is in."""
        if self.kind == "ServiceAccount":
            return (self.namespace, self.name) == (namespace, account)
        if self.kind == "User":
            return self.name == f"system:serviceaccount:{namespace}:{account}"
        groups = ("system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        return self.kind == "Group" and self.name in groups


class Rights:
    """The roles and bindings of a cluster, to be asked about any number of Secrets."""

    def __init__(
        self, roles: Iterable[Role], cluster_roles: Iterable[ClusterRole], bindings: Iterable[RoleBinding],
        cluster_bindings: Iterable[ClusterRoleBinding],
    ) -> None:  # fmt: skip
        self._rules = {("Role", one.metadata.namespace, one.metadata.name): one.rules for one in roles}
        self._rules |= {("ClusterRole", "", one.metadata.name): one.rules for one in cluster_roles}
        self._bindings: dict[str, list[RoleBinding]] = {}
        for one in bindings:
            self._bindings.setdefault(one.metadata.namespace, []).append(one)
        self._everywhere = list(cluster_bindings)

    def readers(self, namespace: str, name: str) -> list[Reader]:
        """Return who may read a Secret, those who may outright first; each subject once for each way and binding."""
        found = [one for binding in self._bindings.get(namespace, ()) for one in self._by(binding, namespace, name)]
        found += [one for binding in self._everywhere for one in self._by(binding, "", name)]
        ranks = {way: place for place, way in enumerate(WAYS)}
        return sorted(dict.fromkeys(found), key=lambda one: (ranks[one.way], one.kind, one.namespace, one.name))

    def dangling(self) -> list[str]:
        """Return bindings whose role does not exist: they give nothing until somebody makes a role of that name."""
        every = [one for listed in self._bindings.values() for one in listed] + self._everywhere
        return sorted(_called(one) for one in every if self._role(one) not in self._rules)

    def _by(self, binding: RoleBinding, namespace: str, name: str) -> Iterator[Reader]:
        kind, place, role = self._role(binding)
        rules = self._rules.get((kind, place, role), [])
        for way in WAYS:
            if way.wide and namespace:
                continue
            if any(gives(rule, way, name) for rule in rules):
                shown = f"{place}/{role}" if place else role
                for subject in binding.subjects:
                    whose = _whose(subject, binding)
                    yield Reader(subject.kind, whose, subject.name, way, _called(binding), shown)

    def _role(self, binding: RoleBinding) -> tuple[str, str, str]:
        ref = binding.role_ref
        return ref.kind, binding.metadata.namespace if ref.kind == "Role" else "", ref.name


def gives(rule: PolicyRule, way: Way, name: str) -> bool:
    """Whether a rule gives a way to the Secret of that name, as the API server evaluates it.

    A rule with resourceNames gives `get` of those, and `list` and `watch` narrowed to them: the value all the same.
    Names of other things than Secrets (pods, service accounts) are taken to fit; what is asked without a name - to
    create something, to delete many - such a rule never gives.
    """
    verbs = way.verbs - _nameless(way) if rule.resource_names else way.verbs
    if not (verbs and _has(rule.verbs, verbs) and _has(rule.api_groups, {way.group})):
        return False
    if rule.resource_names and way.named and name not in rule.resource_names:
        return False
    return any(_names(listed, resource) for listed in rule.resources for resource in way.resources)


def _nameless(way: Way) -> frozenset[str]:
    return frozenset({"deletecollection"} if "/" in way.resources[0] else {"deletecollection", "create"})


def _has(listed: Iterable[str], wanted: Iterable[str]) -> bool:
    return bool({"*", *wanted} & set(listed))


def _names(listed: str, resource: str) -> bool:
    """`*` is every resource and subresource, `*/exec` that subresource of all; `*/*` is neither."""
    part = resource.partition("/")[2]
    return listed in ("*", resource) or bool(part and listed == f"*/{part}")


def _whose(subject: Subject, binding: RoleBinding) -> str:
    return (subject.namespace or binding.metadata.namespace) if subject.kind == "ServiceAccount" else ""


def _called(binding: RoleBinding) -> str:
    about = binding.metadata
    return f"{about.namespace}/{about.name}" if about.namespace else about.name
