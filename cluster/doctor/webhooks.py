"""The injector's webhook: which one it is, which pods it is asked about, and whether somebody answers it."""

from __future__ import annotations

from typing import NamedTuple

from cluster.kinds.meta import Meta, moment
from cluster.kinds.platform import EndpointSlice, MutatingWebhookConfiguration, Namespace, ServiceReference, Webhook
from cluster.kinds.workload import Deployment
from cluster.scene import Scene

NAME = "vault.hashicorp.com"
_SERVICE = "agent-injector-svc"
_DEPLOYMENT = "agent-injector"
_NAME_LABEL = "kubernetes.io/metadata.name"


class Hook(NamedTuple):
    """One webhook of the injector and the configuration that holds it."""

    holder: MutatingWebhookConfiguration
    webhook: Webhook


def hooks(scene: Scene) -> list[Hook]:
    """Return the webhooks of the injector."""
    return scene.once(_hooks)


def answers(scene: Scene, hook: Hook) -> bool | None:
    """Say whether the injector is ready to answer; None when nothing shows it."""
    service = hook.webhook.client_config.service
    ready = _ready_endpoints(scene, service) if service is not None else None
    if ready is not None:
        return ready
    found = [each for each in scene.all(Deployment) if each.metadata.name.endswith(_DEPLOYMENT)]
    return any(each.status.available_replicas for each in found) if found else None


def selects_namespace(scene: Scene, hook: Hook, namespace: str) -> bool:
    """Say whether the webhook is asked about pods of this namespace."""
    known = scene.named(Namespace, "", namespace)
    labels = known.metadata.labels if known is not None else {}
    return hook.webhook.namespace_selector.matches({**labels, _NAME_LABEL: namespace})


def asked_about_new_pods(hook: Hook) -> bool:
    """Say whether the rules name the creation of pods; rules that were not given say nothing against it."""
    rules = hook.webhook.rules
    return not rules or any(
        {"CREATE", "*"} & set(rule.operations)
        and {"", "*"} & set(rule.api_groups)
        and {"pods", "*", "*/*"} & set(rule.resources)
        for rule in rules
    )


def older_than_hook(meta: Meta, hook: Hook) -> bool:
    """Say whether the pod was made before the webhook was."""
    made, hooked = moment(meta.creation_timestamp), moment(hook.holder.metadata.creation_timestamp)
    return made is not None and hooked is not None and made < hooked


def _hooks(scene: Scene) -> list[Hook]:
    return [
        Hook(holder, webhook)
        for holder in scene.all(MutatingWebhookConfiguration)
        for webhook in holder.webhooks
        if webhook.name == NAME or _service_name(webhook).endswith(_SERVICE)
    ]


def _service_name(webhook: Webhook) -> str:
    return webhook.client_config.service.name if webhook.client_config.service is not None else ""


def _ready_endpoints(scene: Scene, service: ServiceReference) -> bool | None:
    slices = [
        each
        for each in scene.all(EndpointSlice)
        if each.metadata.namespace == service.namespace
        and each.metadata.labels.get("kubernetes.io/service-name") == service.name
    ]
    if not slices:
        return None
    return any(endpoint.conditions.ready is not False for each in slices for endpoint in each.endpoints)
