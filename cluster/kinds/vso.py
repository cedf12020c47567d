"""Vault Secrets Operator: connections, logins, and the three kinds of secrets that it keeps in Kubernetes Secrets."""

from __future__ import annotations

import msgspec

from cluster.kinds.meta import Condition, FullMeta, Shape
from cluster.redaction import bare_address, kept_message


class ConnectionSpec(Shape):
    """`spec` of a connection: the vault's address."""

    address: str = ""
    skip_tls_verify: bool = msgspec.field(name="skipTLSVerify", default=False)

    def __post_init__(self) -> None:
        self.address = bare_address(self.address)


class VaultConnection(Shape):
    """secrets.hashicorp.com/v1beta1 VaultConnection."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: ConnectionSpec = msgspec.field(default_factory=ConnectionSpec)


class Login(Shape):
    """The part of one auth method that says as whom; in a VaultAuthGlobal it has its own mount and namespace."""

    role: str = ""
    service_account: str = ""
    namespace: str = ""
    mount: str = ""


class GlobalRef(Shape):
    """`vaultAuthGlobalRef`."""

    name: str = ""
    namespace: str = ""
    allow_default: bool = False


class AuthSpec(Shape):
    """`spec` of a VaultAuth."""

    vault_connection_ref: str = ""
    vault_auth_global_ref: GlobalRef | None = None
    namespace: str = ""
    allowed_namespaces: list[str] = []
    method: str = ""
    mount: str = ""
    kubernetes: Login | None = None
    jwt: Login | None = None
    app_role: Login | None = None
    aws: Login | None = None
    gcp: Login | None = None

    def login(self, method: str) -> Login:
        """The part of one method."""
        parts = {"kubernetes": self.kubernetes, "jwt": self.jwt, "appRole": self.app_role}
        return parts.get(method) or {"aws": self.aws, "gcp": self.gcp}.get(method) or Login()


class VaultAuth(Shape):
    """secrets.hashicorp.com/v1beta1 VaultAuth."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: AuthSpec = msgspec.field(default_factory=AuthSpec)


class GlobalSpec(AuthSpec):
    """`spec` of a VaultAuthGlobal: defaults for many VaultAuth."""

    default_vault_namespace: str = ""
    default_mount: str = ""
    default_auth_method: str = ""


class VaultAuthGlobal(Shape):
    """secrets.hashicorp.com/v1beta1 VaultAuthGlobal."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: GlobalSpec = msgspec.field(default_factory=GlobalSpec)


class Target(Shape):
    """One of `rolloutRestartTargets`: a workload of the same namespace that the operator restarts."""

    kind: str = ""
    name: str = ""


class Destination(Shape):
    """The Kubernetes Secret that is written."""

    name: str = ""
    create: bool = False


class SyncConfig(Shape):
    """Whether the vault's event stream is followed."""

    instant_updates: bool = False


class StaticSpec(Shape):
    """`spec` of a VaultStaticSecret; durations are Go text."""

    vault_auth_ref: str = ""
    namespace: str = ""
    mount: str = ""
    path: str = ""
    type: str = ""
    version: int = 0
    refresh_after: str = ""
    hmac_secret_data: bool = True
    rollout_restart_targets: list[Target] = []
    destination: Destination = msgspec.field(default_factory=Destination)
    sync_config: SyncConfig | None = None


class StaticStatus(Shape):
    """`status` of a VaultStaticSecret; `secret_mac` says that the data changed, not which version it is."""

    last_generation: int = 0
    secret_mac: str = msgspec.field(name="secretMAC", default="")
    conditions: list[Condition] = []


class VaultStaticSecret(Shape):
    """secrets.hashicorp.com/v1beta1 VaultStaticSecret."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: StaticSpec = msgspec.field(default_factory=StaticSpec)
    status: StaticStatus = msgspec.field(default_factory=StaticStatus)


class DynamicSpec(Shape):
    """`spec` of a VaultDynamicSecret; its parameters are not read."""

    vault_auth_ref: str = ""
    namespace: str = ""
    mount: str = ""
    path: str = ""
    renewal_percent: int | None = None
    revoke: bool = False
    allow_static_creds: bool = False
    refresh_after: str = ""
    rollout_restart_targets: list[Target] = []
    destination: Destination = msgspec.field(default_factory=Destination)


class SecretLease(Shape):
    """The newest lease and the vault's id of the request that got it; `duration` in seconds."""

    id: str = ""
    duration: int = 0
    renewable: bool = False
    request_id: str = msgspec.field(name="requestID", default="")


class StaticCreds(Shape):
    """Of a static role: when the vault changed the password last (Unix seconds), and how often (seconds)."""

    last_vault_rotation: int = 0
    rotation_period: int = 0
    ttl: int = 0


class DynamicStatus(Shape):
    """`status` of a VaultDynamicSecret; `last_renewal_time` is Unix seconds."""

    last_generation: int = 0
    last_renewal_time: int = 0
    last_runtime_pod_uid: str = msgspec.field(name="lastRuntimePodUID", default="")
    secret_mac: str = msgspec.field(name="secretMAC", default="")
    secret_lease: SecretLease = msgspec.field(default_factory=SecretLease)
    static_creds_meta_data: StaticCreds | None = None
    conditions: list[Condition] = []


class VaultDynamicSecret(Shape):
    """secrets.hashicorp.com/v1beta1 VaultDynamicSecret."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: DynamicSpec = msgspec.field(default_factory=DynamicSpec)
    status: DynamicStatus = msgspec.field(default_factory=DynamicStatus)


class PkiSpec(Shape):
    """`spec` of a VaultPKISecret."""

    vault_auth_ref: str = ""
    namespace: str = ""
    mount: str = ""
    role: str = ""
    issuer_ref: str = ""
    revoke: bool = False
    clear: bool = False
    expiry_offset: str = ""
    rollout_restart_targets: list[Target] = []
    destination: Destination = msgspec.field(default_factory=Destination)


class PkiStatus(Shape):
    """`status` of a VaultPKISecret; times are Unix seconds."""

    serial_number: str = ""
    expiration: int = 0
    last_rotation: int = 0
    valid: bool | None = None
    error: str = ""
    conditions: list[Condition] = []

    def __post_init__(self) -> None:
        self.error = kept_message(self.error)


class VaultPKISecret(Shape):
    """secrets.hashicorp.com/v1beta1 VaultPKISecret."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: PkiSpec = msgspec.field(default_factory=PkiSpec)
    status: PkiStatus = msgspec.field(default_factory=PkiStatus)
