"""What the methods of delivery tell: who consumes which secret by which way, and what keeps somebody from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cluster.scene import Ref

ALWAYS, NEVER, UNKNOWN = "always", "never", "unknown"
VSO, RELOADER, NOBODY = "vso", "reloader", ""
KV, DYNAMIC, STATIC, PKI, TOKEN, REGISTRY = "kv", "dynamic", "static", "pki", "token", "registry"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a secret comes from, as whom, how often, and what the cluster says of the last time."""

    method: str
    path: str = ""  # as the vault's API names it (`kv/data/live/x`); ends in `*` when it is all below; "" when unknown
    credential: str = ""  # one of KV … REGISTRY, "" when the path does not tell
    address: str = ""
    vault_namespace: str = ""
    auth_mount: str = ""  # without `auth/`
    auth_method: str = ""
    role: str = ""
    service_account: str = ""
    refresh: timedelta | None = None  # None: never again, or nobody can say
    last_sync: datetime | None = None
    fingerprint: str = ""  # an HMAC or a hash: says that the content changed, never what it is
    pinned: int = 0  # the version of the secret that the source asks for; 0: the newest
    lease_id: str = ""
    request_id: str = ""
    lease_seconds: int = 0
    made_by: Ref | None = None  # the custom resource that says so


@dataclass(frozen=True, slots=True)
class Consumer:
    """One container (or, with container "", the whole pod) that gets one secret by one method."""

    pod: Ref
    workload: Ref
    container: str
    source: Source
    k8s_secret: str = ""  # the Kubernetes Secret that holds a copy, in the pod's namespace
    uses: tuple[str, ...] = ()  # file, subPath, env, envFrom, volume, projected, imagePull, client ...
    needs_restart: str = UNKNOWN
    why: str = ""
    restarted_by: str = NOBODY
    ended: bool = False  # the pod has ended and holds nothing; its workload will consume again

    @property
    def method(self) -> str:
        """The kind of the plug-in."""
        return self.source.method

    @property
    def path(self) -> str:
        """The path of the secret, as the vault's API names it."""
        return self.source.path


@dataclass(frozen=True, slots=True)
class Copy:
    """A Kubernetes Secret that an operator fills, whether or not a pod uses it: on whose behalf it reads the vault."""

    namespace: str
    k8s_secret: str
    source: Source
    account_namespace: str  # of the service account that the operator logs in as; "" with another way to log in


@dataclass(frozen=True, slots=True)
class Trouble:
    """One cause that keeps a workload from its secrets.

    `symptom`: N not injected, D no pod, I stuck before the start, R the sidecar fails, F nothing to read, "-" another.
    `cause` is the number of the cause in docs/delivery.md, 0 for one that has none. `sure` is False when the cluster
    alone can't decide; then `also` holds the other causes that look the same from here.
    """

    symptom: str
    cause: int
    object: Ref
    workload: Ref
    says: str
    mend: str
    pods: tuple[Ref, ...] = ()
    sure: bool = True
    also: tuple[int, ...] = ()
    evidence: str = ""


@dataclass(slots=True)
class Gathered:
    """Troubles of the same cause at the same workload, put together."""

    found: dict[tuple[str, int, Ref], Trouble] = field(default_factory=dict)

    def add(self, trouble: Trouble) -> None:
        """Keep a trouble, or add its pods to the same trouble of the same workload."""
        key = (trouble.symptom, trouble.cause, trouble.workload)
        known = self.found.get(key)
        self.found[key] = _with_pods(known, trouble.pods) if known else trouble


def _with_pods(known: Trouble, more: tuple[Ref, ...]) -> Trouble:
    pods = tuple(sorted({*known.pods, *more}))
    return replace(known, pods=pods)


def credential_of(path: str) -> str:
    """Return what kind of credential a path of the vault gives, as far as its form says so."""
    parts = path.strip("/").split("/")
    if len(parts) > 2 and parts[1] == "data":
        return KV
    if "creds" in parts[1:-1]:
        return DYNAMIC
    if "static-creds" in parts[1:-1]:
        return STATIC
    return PKI if {"issue", "sign"} & set(parts[1:-1]) else ""
