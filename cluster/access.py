"""The rights that Keybook asks of a cluster, as the ClusterRole to apply, and a look at which of them it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from cluster.errors import BrokenAnswer, ClusterError, NotInstalled, NotPermitted, Refused
from cluster.resources import RESOURCES, Resource
from kit.check import Check

NAME = "keybook"
VERBS = ("list", "watch")
_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# Each right: what it is for, and what is lost without it; without a loss it is one that Keybook can't do without.
_WHY: dict[str, tuple[str, str]] = {
    "pods": ("which pods there are, at which address, and what they mount", ""),
    "namespaces": ("the namespaces, and which cluster this is", ""),
    "serviceaccounts": ("as whom pods log in", ""),
    "nodes": ("the nodes' addresses", "reads from pods on the host's network can't be told from their node's"),
    "events": ("why pods do not start", "the cause of a pod that is stuck is not told"),
    "secrets": (
        "names and times of Secrets, never their values",
        "the time of a Secret's last change is not known, so that pods on an old version are told only from the vault",
    ),
    "configmaps": (
        "names and times of ConfigMaps, never their values",
        "a ConfigMap that a pod waits for is not told to be missing",
    ),
    "deployments": ("the workloads of pods", ""),
    "replicasets": ("the way from a pod to its Deployment", ""),
    "statefulsets": ("the workloads of pods", ""),
    "daemonsets": ("the workloads of pods", ""),
    "jobs": ("the workloads of pods", ""),
    "cronjobs": ("the workloads of pods", ""),
    "rollouts": ("workloads of Argo Rollouts", "pods of Argo Rollouts end at their ReplicaSet"),
    "endpointslices": (
        "whether the injector can be reached",
        "a dead injector is told only from the pods that it should have changed",
    ),
    "poddisruptionbudgets": ("what holds up an eviction", "budgets are not shown beside a restart"),
    "networkpolicies": ("what keeps pods from the vault", "a policy that blocks the way is not named as a cause"),
    "mutatingwebhookconfigurations": (
        "why a pod was not injected",
        "why a pod was not injected is not told",
    ),
    "roles": ("who may read a Secret", "who may read a Secret is not told"),
    "rolebindings": ("who may read a Secret", "who may read a Secret is not told"),
    "clusterroles": ("who may read a Secret", "who may read a Secret is not told"),
    "clusterrolebindings": ("who may read a Secret", "who may read a Secret is not told"),
    "csidrivers": ("how often mounted secrets are renewed", "the age of secrets mounted by CSI is not told"),
}
_BY_GROUP: dict[str, tuple[str, str]] = {
    "secrets-store.csi.x-k8s.io": (
        "what the Secrets Store CSI driver mounts",
        "secrets that the CSI driver mounts are not told",
    ),
    "secrets.hashicorp.com": (
        "what the Vault Secrets Operator delivers",
        "secrets and leases that the Vault Secrets Operator delivers are not told",
    ),
    "external-secrets.io": (
        "what the External Secrets Operator delivers",
        "secrets that the External Secrets Operator delivers are not told",
    ),
    "generators.external-secrets.io": (
        "dynamic secrets of the External Secrets Operator",
        "leases that the External Secrets Operator makes are not told",
    ),
}


@dataclass(frozen=True, slots=True)
class Right:
    """List and watch one resource: what it is for, and what is lost without it if it is optional."""

    resource: Resource
    why: str
    without: str = ""

    @property
    def needed(self) -> bool:
        """Whether Keybook can't do its work without it."""
        return not self.without

    @property
    def name(self) -> str:
        """The resource as kubectl names it: `pods`, `externalsecrets.external-secrets.io`."""
        return f"{self.resource.plural}.{self.resource.group}" if self.resource.group else self.resource.plural


def rights(*, secrets: bool = False) -> list[Right]:
    """Return the rights in the order of the role; those on Secrets only when `secrets` asks for them."""
    about = {name: _WHY.get(name) or _BY_GROUP[one.group] for name, one in RESOURCES.items()}
    return [Right(one, *about[name]) for name, one in RESOURCES.items() if secrets or name != "secrets"]


_HEAD = """\
# Keybook reads what exists and changes nothing.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {name}
rules:
"""
_WITHOUT_SECRETS = "# It has no right on Secrets: their names come from the pods and operators that use them.\n"
_WITH_SECRETS = "# Of Secrets Keybook asks for metadata; RBAC can't say so: who holds this role could read values.\n"
_REST = """\
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {name}
  namespace: {namespace}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {name}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {name}
subjects:
  - kind: ServiceAccount
    name: {name}
    namespace: {namespace}
"""


def cluster_role(*, secrets: bool = False) -> str:
    """Return the ClusterRole as YAML, a rule for each right with what it is for and what is lost without it."""
    text = (_WITH_SECRETS if secrets else _WITHOUT_SECRETS) + _HEAD.format(name=NAME)
    return text + "".join(_rule(right) for right in rights(secrets=secrets))


def _rule(right: Right) -> str:
    lost = f"  # Optional; without it, {right.without}.\n" if right.without else ""
    return (
        f"  # {right.name}: {right.why}.\n{lost}"
        f'  - apiGroups: ["{right.resource.group}"]\n'
        f'    resources: ["{right.resource.plural}"]\n'
        f'    verbs: ["{VERBS[0]}", "{VERBS[1]}"]\n'
    )


def manifest(*, namespace: str = NAME, secrets: bool = False) -> str:
    """Return all that is to be applied, as YAML: the role, a service account in a namespace, and their binding."""
    return cluster_role(secrets=secrets) + _REST.format(name=NAME, namespace=namespace)


def token_commands(namespace: str = NAME) -> str:
    """Return the shell lines that apply the manifest and make a token for a Keybook outside of the cluster."""
    return (
        f"kubectl create namespace {namespace}\n"
        "kubectl apply -f keybook.yaml\n"
        f"kubectl create token {NAME} --namespace {namespace} --duration 8760h > keybook.token\n"
    )


class Server(Protocol):
    """What a look needs of a client."""

    address: str

    def page(self, resource: Resource, *, limit: int = ..., token: str = "", **params: str) -> bytes:
        """List a page, as `cluster.client.Client` does."""

    def ask(self, path: str, body: Mapping[str, Any], *, resource: str) -> bytes:
        """Post a review, as `cluster.client.Client` does."""


@dataclass(slots=True)
class Look:
    """What one look found; `usable` is False when the cluster or the token could not be used at all."""

    usable: bool = False
    checks: list[Check] = field(default_factory=list)
    missing: list[Right] = field(default_factory=list)
    not_installed: list[Right] = field(default_factory=list)
    excess: list[str] = field(default_factory=list)


def look(server: Server, *, secrets: bool = False) -> Look:
    """Ask a cluster for each right, by name and by the call itself; a `ClusterError` becomes a check."""
    found = Look()
    try:
        _may(server, "list", "", "pods")
    except NotPermitted:
        pass  # each right is still tried by its call
    except ClusterError as error:
        found.checks.append(failed("cluster", error))
        return found
    found.checks.append(Check("cluster", True, f"the API server {server.address} answers and knows who asks"))
    found.usable = True
    for right in rights(secrets=secrets):
        found.checks.append(_checked(server, found, right))
    found.checks.append(_no_more(server, found, secrets=secrets))
    return found


def failed(name: str, error: ClusterError) -> Check:
    """Return the check that a refused or unanswered question is."""
    mend = error.mend[:1].upper() + error.mend[1:] + "." if error.mend else ""
    return Check(name, False, f"{error.what} ({error.where})" if error.where else error.what, mend)


def _checked(server: Server, found: Look, right: Right) -> Check:
    name = f"{'' if right.needed else 'optional '}{right.name} ({', '.join(VERBS)})"
    try:
        lacks = list(_lacking(server, right))
        if not lacks:
            return Check(name, True, right.why + _tried(server, found, right))
    except NotPermitted:
        lacks = ["list"]
    except ClusterError as error:
        return failed(name, error)
    found.missing.append(right)
    lost = f"; without it, {right.without}" if right.without else ""
    mend = f"Add to the ClusterRole {NAME}: {' and '.join(lacks)} on {right.name}, or apply the printed role."
    return Check(name, not right.needed, f"missing {' and '.join(lacks)} on {right.name}: {right.why}{lost}", mend)


def _lacking(server: Server, right: Right) -> Iterator[str]:
    for verb in VERBS:
        try:
            if not _may(server, verb, right.resource.group, right.resource.plural):
                yield verb
        except (NotPermitted, NotInstalled):
            return  # who may ask nothing about itself is only tried


def _tried(server: Server, found: Look, right: Right) -> str:
    """Make the call itself; a resource that is not there is no fault of an optional right."""
    one = right.resource
    for version in (one.version, *one.older):
        try:
            server.page(msgspec.structs.replace(one, version=version), limit=1)
        except NotInstalled:
            continue
        return ""
    if not one.optional:
        what = f"what answered has no {one.plural}: it is no Kubernetes API"
        raise BrokenAnswer(what, server.address, "check the address")
    found.not_installed.append(right)
    return "; it is not installed in this cluster"


# What a reading Keybook has no use for, worst first: verb, group, resource, subresource, and what it is in a sentence.
_TOO_MUCH = (
    ("*", "*", "*", "", "do everything"),
    ("get", "", "secrets", "", "read the values of Secrets"),
    ("list", "", "secrets", "", "read the values of Secrets"),
    ("create", "", "pods", "exec", "run commands in pods"),
    ("create", "", "pods", "", "make pods"),
    ("create", "", "serviceaccounts", "token", "make tokens of service accounts"),
    ("impersonate", "", "users", "", "act as others"),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles", "", "give itself any right"),
    ("patch", "apps", "deployments", "", "change workloads"),
)


def _no_more(server: Server, found: Look, *, secrets: bool) -> Check:
    name = "no more rights"
    asked = [one for one in _TOO_MUCH if not (secrets and one[:3] == ("list", "", "secrets"))]
    try:
        for verb, group, resource, part, what in asked:
            if what not in found.excess and _may(server, verb, group, resource, part):
                found.excess.append(what)
                if verb == "*":
                    break
    except ClusterError as error:
        return Check(name, True, f"not tried: {error.what}")
    if not found.excess:
        return Check(name, True, "who asks reaches no Secret's value and changes nothing")
    mend = "Bind it to the printed ClusterRole and to no other."
    return Check(name, False, f"this token may {', '.join(found.excess)}: Keybook does not need that", mend)


class _Status(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


_decode = msgspec.json.Decoder(_Review).decode


def _may(server: Server, verb: str, group: str, resource: str, part: str = "") -> bool:
    """Ask the API server whether who asks may do this in the whole cluster (a SelfSubjectAccessReview)."""
    wanted = {"verb": verb, "group": group, "resource": resource} | ({"subresource": part} if part else {})
    body = {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": wanted},
    }  # fmt: skip
    told = server.ask(_REVIEW, body, resource="selfsubjectaccessreviews")
    try:
        return _decode(told).status.allowed
    except msgspec.MsgspecError as error:
        raise Refused("what answered is no review", server.address, "check what answers there") from error
