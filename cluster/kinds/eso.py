"""External Secrets Operator: stores that say where and as whom, and external secrets that say what; v1 and v1beta1."""

from __future__ import annotations

import msgspec

from cluster.kinds.meta import Condition, FullMeta, Shape
from cluster.redaction import bare_address


class AccountRef(Shape):
    """A service account; a cluster-wide store names its namespace."""

    name: str = ""
    namespace: str = ""


class KeyRef(Shape):
    """A key of a Kubernetes Secret."""

    name: str = ""
    namespace: str = ""
    key: str = ""


class StoreLogin(Shape):
    """One way to log in; each fills its own part. The mount stands in `mount_path` or in `path`."""

    mount_path: str = ""
    path: str = ""
    role: str = ""
    vault_role: str = ""
    username: str = ""
    service_account_ref: AccountRef | None = None
    secret_ref: KeyRef | None = None


class StoreAuth(Shape):
    """`auth` of the vault provider: one of these."""

    namespace: str = ""
    kubernetes: StoreLogin | None = None
    jwt: StoreLogin | None = None
    app_role: StoreLogin | None = None
    user_pass: StoreLogin | None = None
    ldap: StoreLogin | None = None
    cert: StoreLogin | None = None
    iam: StoreLogin | None = None
    gcp: StoreLogin | None = None
    token_secret_ref: KeyRef | None = None

    def method(self) -> tuple[str, StoreLogin]:
        """The method that is set, and its part; ("", empty) when none is."""
        if self.token_secret_ref is not None:
            return "token", StoreLogin(secret_ref=self.token_secret_ref)
        for name in ("kubernetes", "jwt", "app_role", "user_pass", "ldap", "cert", "iam", "gcp"):
            part = getattr(self, name)
            if part is not None:
                return name.replace("_", ""), part
        return "", StoreLogin()


class VaultProvider(Shape):
    """`provider.vault` or `provider.openbao`; `path` is the mount, `version` v1 or v2 (missing: v2)."""

    server: str = ""
    path: str = ""
    version: str = ""
    namespace: str = ""
    auth: StoreAuth = msgspec.field(default_factory=StoreAuth)

    def __post_init__(self) -> None:
        self.server = bare_address(self.server)


class Provider(Shape):
    """Who keeps the secrets; another provider than a vault leaves both None."""

    vault: VaultProvider | None = None
    openbao: VaultProvider | None = None


class StoreSpec(Shape):
    """`spec` of a store."""

    provider: Provider = msgspec.field(default_factory=Provider)


class StoreStatus(Shape):
    """`status` of a store."""

    conditions: list[Condition] = []


class SecretStore(Shape):
    """external-secrets.io SecretStore."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: StoreSpec = msgspec.field(default_factory=StoreSpec)
    status: StoreStatus = msgspec.field(default_factory=StoreStatus)


class ClusterSecretStore(SecretStore):
    """external-secrets.io ClusterSecretStore."""


class StoreRef(Shape):
    """Which store; kind is SecretStore when it is missing."""

    name: str = ""
    kind: str = ""


class GeneratorRef(Shape):
    """Which generator."""

    api_version: str = ""
    kind: str = ""
    name: str = ""


class SourceRef(Shape):
    """Another source for one entry."""

    store_ref: StoreRef | None = None
    generator_ref: GeneratorRef | None = None


class RemoteRef(Shape):
    """What to read: a key of the store, a property of it, a version."""

    key: str = ""
    property: str = ""
    version: str = ""


class Find(Shape):
    """Many secrets at once: which ones is known only when they are read."""

    path: str = ""


class DataEntry(Shape):
    """One of `data`: one key of the Kubernetes Secret."""

    secret_key: str = ""
    remote_ref: RemoteRef = msgspec.field(default_factory=RemoteRef)
    source_ref: SourceRef | None = None


class DataFrom(Shape):
    """One of `dataFrom`: all keys of one secret, of many, or of a generator."""

    extract: RemoteRef | None = None
    find: Find | None = None
    source_ref: SourceRef | None = None


class ExternalTarget(Shape):
    """The Kubernetes Secret that is written; without a name it is called like the external secret."""

    name: str = ""
    creation_policy: str = ""
    immutable: bool = False


class ExternalSpec(Shape):
    """`spec` of an external secret; durations are Go text."""

    secret_store_ref: StoreRef = msgspec.field(default_factory=StoreRef)
    refresh_policy: str = ""
    refresh_interval: str = ""
    target: ExternalTarget = msgspec.field(default_factory=ExternalTarget)
    data: list[DataEntry] = []
    data_from: list[DataFrom] = []


class ExternalStatus(Shape):
    """`status` of an external secret; `refresh_time` is a true clock of the last look."""

    refresh_time: str | None = None
    synced_resource_version: str = ""
    conditions: list[Condition] = []


class ExternalSecret(Shape):
    """external-secrets.io ExternalSecret."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: ExternalSpec = msgspec.field(default_factory=ExternalSpec)
    status: ExternalStatus = msgspec.field(default_factory=ExternalStatus)


class GeneratorSpec(Shape):
    """`spec` of the generator: a path that gives a new lease each time it is read."""

    path: str = ""
    method: str = ""
    provider: VaultProvider = msgspec.field(default_factory=VaultProvider)


class DynamicSecretGenerator(Shape):
    """generators.external-secrets.io/v1alpha1 VaultDynamicSecret."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: GeneratorSpec = msgspec.field(default_factory=GeneratorSpec)
