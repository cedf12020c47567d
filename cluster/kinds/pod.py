"""A pod: what it refers to, where it runs and how its containers fare; literal values never stay."""

from __future__ import annotations

import msgspec

from cluster.kinds.agent import Agent, decode_agent
from cluster.kinds.meta import Condition, LocalName, Meta, Shape
from cluster.redaction import kept_literal, kept_message

# The only arguments that are kept: the switches of the CSI driver and the operators that say how often they refresh.
_KEPT_ARGUMENTS = ("--enable-secret-rotation", "--rotation-poll-interval", "-vault-mount", "--vault-mount")


class KeyReference(Shape):
    """`secretKeyRef` or `configMapKeyRef`."""

    name: str = ""
    key: str = ""
    optional: bool = False


class ValueFrom(Shape):
    """`valueFrom`, as far as it names a Secret or a ConfigMap."""

    secret_key_ref: KeyReference | None = None
    config_map_key_ref: KeyReference | None = None


class EnvVar(Shape):
    """One environment variable: `origin` is literal, secret, configmap, field or empty; `value` mostly stays "".

    `value` keeps an address or a role that delivery needs (`redaction.kept_literal`); `agent` is the decoded
    VAULT_CONFIG of the injector's containers.
    """

    name: str = ""
    value: str = ""
    value_from: ValueFrom | None = None
    origin: str = ""
    agent: Agent | None = None

    def __post_init__(self) -> None:
        if self.name == "VAULT_CONFIG" and self.value:
            self.agent = decode_agent(self.value)
        self.origin = self.origin or self._origin()
        self.value = kept_literal(self.name, self.value)

    def _origin(self) -> str:
        if self.value_from is None:
            return "literal" if self.value else "empty"
        if self.value_from.secret_key_ref is not None:
            return "secret"
        return "configmap" if self.value_from.config_map_key_ref is not None else "field"


class EnvSource(Shape):
    """`secretRef` or `configMapRef` of `envFrom`."""

    name: str = ""
    optional: bool = False


class EnvFrom(Shape):
    """One of `envFrom`: every key of a Secret or a ConfigMap as a variable."""

    secret_ref: EnvSource | None = None
    config_map_ref: EnvSource | None = None


class Mount(Shape):
    """One of `volumeMounts`; with a `sub_path` the kubelet never refreshes what is there."""

    name: str = ""
    mount_path: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False


class Container(Shape):
    """A container; an init container with restart policy Always is a native sidecar."""

    name: str = ""
    image: str = ""
    args: list[str] = []
    env: list[EnvVar] = []
    env_from: list[EnvFrom] = []
    volume_mounts: list[Mount] = []
    restart_policy: str = ""

    def __post_init__(self) -> None:
        if self.args:
            self.args = [each for each in self.args if each.startswith(_KEPT_ARGUMENTS)]


class SecretVolume(Shape):
    """A volume of a Secret."""

    secret_name: str = ""
    optional: bool = False


class ConfigMapVolume(Shape):
    """A volume of a ConfigMap, or a Secret or ConfigMap in a projected volume."""

    name: str = ""
    optional: bool = False


class CsiAttributes(Shape):
    """Of a CSI volume's attributes only the class: the others belong to other drivers."""

    secret_provider_class: str = ""


class CsiVolume(Shape):
    """An inline CSI volume."""

    driver: str = ""
    volume_attributes: CsiAttributes = msgspec.field(default_factory=CsiAttributes)
    node_publish_secret_ref: LocalName | None = None


class TokenSource(Shape):
    """A projected token of the pod's service account; `audience` is "" for the API server's own."""

    audience: str = ""
    expiration_seconds: int = 0
    path: str = ""


class ProjectedSource(Shape):
    """One of the sources of a projected volume."""

    secret: ConfigMapVolume | None = None
    config_map: ConfigMapVolume | None = None
    service_account_token: TokenSource | None = None


class ProjectedVolume(Shape):
    """A volume of several sources."""

    sources: list[ProjectedSource] = []


class EmptyDir(Shape):
    """A volume that lives as long as the pod; medium Memory is a tmpfs."""

    medium: str = ""


class Volume(Shape):
    """A volume, as far as secrets can come through it."""

    name: str = ""
    secret: SecretVolume | None = None
    config_map: ConfigMapVolume | None = None
    projected: ProjectedVolume | None = None
    csi: CsiVolume | None = None
    empty_dir: EmptyDir | None = None


class PodSpec(Shape):
    """`spec` of a pod or of a template."""

    service_account_name: str = ""
    automount_service_account_token: bool | None = None
    node_name: str = ""
    host_network: bool = False
    restart_policy: str = ""
    termination_grace_period_seconds: int | None = None
    containers: list[Container] = []
    init_containers: list[Container] = []
    ephemeral_containers: list[Container] = []
    volumes: list[Volume] = []
    image_pull_secrets: list[LocalName] = []


class Waiting(Shape):
    """A container that has not started, and why."""

    reason: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        self.message = kept_message(self.message)


class Running(Shape):
    """A container that runs."""

    started_at: str | None = None


class Terminated(Shape):
    """A container that ended; its message is not read, since it may be the end of a log."""

    exit_code: int = 0
    reason: str = ""
    started_at: str | None = None
    finished_at: str | None = None


class ContainerState(Shape):
    """Exactly one of the three, or none before the first look."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Shape):
    """How one container fares."""

    name: str = ""
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    container_id: str = msgspec.field(name="containerID", default="")
    state: ContainerState = msgspec.field(default_factory=ContainerState)
    last_state: ContainerState = msgspec.field(default_factory=ContainerState)


class PodAddress(Shape):
    """One of `podIPs` or `hostIPs`."""

    ip: str = ""


class PodStatus(Shape):
    """`status` of a pod; `pod_ip` stays when the pod has ended, though its address may be another's by then."""

    phase: str = ""
    reason: str = ""
    host_ip: str = msgspec.field(name="hostIP", default="")
    pod_ip: str = msgspec.field(name="podIP", default="")
    pod_ips: list[PodAddress] = msgspec.field(name="podIPs", default_factory=list)
    start_time: str | None = None
    conditions: list[Condition] = []
    init_container_statuses: list[ContainerStatus] = []
    container_statuses: list[ContainerStatus] = []

    def addresses(self) -> list[str]:
        """All addresses of the pod, of both families, each once."""
        return list(dict.fromkeys(ip for ip in (self.pod_ip, *(each.ip for each in self.pod_ips)) if ip))


class Pod(Shape):
    """A pod."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class PodTemplate(Shape):
    """`spec.template` of a workload."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
