"""The ground that pods stand on: namespaces, nodes, service accounts, events, webhooks, Secrets by name."""

from __future__ import annotations

from datetime import datetime

import msgspec

from cluster.kinds.meta import Condition, FullMeta, LocalName, Reference, Selector, Shape, moment
from cluster.redaction import kept_message


class Phase(Shape):
    """`status` of a namespace: Active or Terminating."""

    phase: str = ""


class Namespace(Shape):
    """v1 Namespace; the uid of kube-system is the identity of the cluster."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    status: Phase = msgspec.field(default_factory=Phase)


class NodeAddress(Shape):
    """One of a node's addresses: InternalIP, ExternalIP or Hostname."""

    type: str = ""
    address: str = ""


class NodeInfo(Shape):
    """Of the node's own description the version alone."""

    kubelet_version: str = ""


class NodeSpec(Shape):
    """`spec` of a node: the address ranges of its pods."""

    unschedulable: bool = False
    pod_cidrs: list[str] = msgspec.field(name="podCIDRs", default_factory=list)


class NodeStatus(Shape):
    """`status` of a node."""

    addresses: list[NodeAddress] = []
    conditions: list[Condition] = []
    node_info: NodeInfo = msgspec.field(default_factory=NodeInfo)


class Node(Shape):
    """v1 Node."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class ServiceAccount(Shape):
    """v1 ServiceAccount; a pod's own `automountServiceAccountToken` wins over this one."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    automount_service_account_token: bool | None = None
    secrets: list[Reference] = []
    image_pull_secrets: list[LocalName] = []


class Secret(Shape):
    """v1 Secret: metadata alone. `type` and `immutable` are there only when somebody gives us the full object."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    type: str = ""
    immutable: bool = False


class ConfigMap(Shape):
    """v1 ConfigMap: metadata alone."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    immutable: bool = False


class Series(Shape):
    """An event that goes on."""

    count: int = 0
    last_observed_time: str | None = None


class Component(Shape):
    """Who wrote a core event."""

    component: str = ""


class ClusterEvent(Shape):
    """v1 Event: what happened to an object; the API server forgets it after about an hour."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    involved_object: Reference = msgspec.field(default_factory=Reference)
    type: str = ""
    reason: str = ""
    message: str = ""
    count: int = 0
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: Series | None = None
    source: Component = msgspec.field(default_factory=Component)
    reporting_component: str = ""

    def __post_init__(self) -> None:
        self.message = kept_message(self.message)

    def at(self) -> datetime | None:
        """The last time at which it happened."""
        last = self.series.last_observed_time if self.series else None
        return moment(last or self.last_timestamp or self.event_time or self.metadata.creation_timestamp)

    def first(self) -> datetime | None:
        """The first time at which it happened."""
        return moment(self.first_timestamp or self.event_time or self.metadata.creation_timestamp)

    def times(self) -> int:
        """How often it happened."""
        return max(self.count, self.series.count if self.series else 0, 1)


class ServiceReference(Shape):
    """The service that a webhook is asked at."""

    name: str = ""
    namespace: str = ""
    path: str = ""


class ClientConfig(Shape):
    """Where and with whose certificate a webhook is asked; `ca_bundle` is base64, and public."""

    service: ServiceReference | None = None
    url: str = ""
    ca_bundle: str = ""


class WebhookRule(Shape):
    """What a webhook is asked about."""

    operations: list[str] = []
    api_groups: list[str] = []
    resources: list[str] = []


class MatchCondition(Shape):
    """A further condition, in CEL."""

    name: str = ""
    expression: str = ""


class Webhook(Shape):
    """One webhook; `failure_policy` Ignore lets pods through when it does not answer."""

    name: str = ""
    client_config: ClientConfig = msgspec.field(default_factory=ClientConfig)
    rules: list[WebhookRule] = []
    namespace_selector: Selector = msgspec.field(default_factory=Selector)
    object_selector: Selector = msgspec.field(default_factory=Selector)
    match_conditions: list[MatchCondition] = []
    failure_policy: str = ""
    timeout_seconds: int = 0


class MutatingWebhookConfiguration(Shape):
    """admissionregistration.k8s.io/v1 MutatingWebhookConfiguration."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    webhooks: list[Webhook] = []


class EndpointConditions(Shape):
    """Whether an endpoint takes calls; missing `ready` means yes."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Shape):
    """One endpoint of a service."""

    addresses: list[str] = []
    conditions: EndpointConditions = msgspec.field(default_factory=EndpointConditions)
    node_name: str = ""
    target_ref: Reference | None = None


class EndpointSlice(Shape):
    """discovery.k8s.io/v1 EndpointSlice; its label `kubernetes.io/service-name` names the service."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    address_type: str = ""
    endpoints: list[Endpoint] = []


class DisruptionSpec(Shape):
    """`spec` of a PodDisruptionBudget."""

    selector: Selector = msgspec.field(default_factory=Selector)
    min_available: int | str | None = None
    max_unavailable: int | str | None = None


class DisruptionStatus(Shape):
    """`status` of a PodDisruptionBudget."""

    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0


class PodDisruptionBudget(Shape):
    """policy/v1 PodDisruptionBudget."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: DisruptionSpec = msgspec.field(default_factory=DisruptionSpec)
    status: DisruptionStatus = msgspec.field(default_factory=DisruptionStatus)


class NetworkPolicySpec(Shape):
    """`spec` of a NetworkPolicy, as far as one can say that it limits ingress or egress of some pods."""

    pod_selector: Selector = msgspec.field(default_factory=Selector)
    policy_types: list[str] = []


class NetworkPolicy(Shape):
    """networking.k8s.io/v1 NetworkPolicy."""

    metadata: FullMeta = msgspec.field(default_factory=FullMeta)
    spec: NetworkPolicySpec = msgspec.field(default_factory=NetworkPolicySpec)
