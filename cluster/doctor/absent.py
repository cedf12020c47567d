"""Symptom N: a workload asks for the injector, and its pods run without an agent (causes 1 to 8, 10 and 11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cluster.agents import annotation, annotations_from, injected, truth
from cluster.consumption import Trouble
from cluster.doctor.webhooks import (
    Hook,
    answers,
    asked_about_new_pods,
    hooks,
    older_than_hook,
    selects_namespace,
)
from cluster.kinds.meta import Meta
from cluster.kinds.platform import MutatingWebhookConfiguration, Namespace
from cluster.kinds.pod import Pod
from cluster.kinds.workload import TEMPLATED
from cluster.scene import Ref, Scene, ref

_INJECT, _STATUS = "agent-inject", "agent-inject-status"


class Cause(NamedTuple):
    """One cause, not yet bound to a pod."""

    number: int
    says: str
    mend: str
    sure: bool = True
    also: tuple[int, ...] = ()


def troubles(scene: Scene) -> Iterator[Trouble]:
    """Give the workloads that ask for an agent, or mean to, and have none."""
    yield from _annotated_at_the_wrong_place(scene)
    for pod in scene.pods:
        if injected(pod) is None and pod.metadata.deletion_timestamp is None:
            cause = _cause(scene, pod)
            if cause is not None:
                yield Trouble("N", cause.number, ref(pod), scene.workload(pod), *cause[1:3], (ref(pod),), *cause[3:])


def _annotated_at_the_wrong_place(scene: Scene) -> Iterator[Trouble]:
    for kind in TEMPLATED:
        for each in scene.all(kind):
            asked = truth(annotation(each.metadata, _INJECT))
            template: Meta = each.spec.template.metadata
            if asked and annotation(template, _INJECT) is None and not annotations_from(template, _INJECT):
                yield _misplaced(scene, ref(each))


def _misplaced(scene: Scene, workload: Ref) -> Trouble:
    pods = tuple(ref(pod) for pod in scene.pods_of(workload.uid) if injected(pod) is None)
    says = f"The injector's annotations stand on the {workload.kind}, not on its pod template, so its pods carry none."
    mend = "Move them to spec.template.metadata.annotations."
    return Trouble("N", 1, workload, workload, says, mend, pods)


def _cause(scene: Scene, pod: Pod) -> Cause | None:
    given = annotation(pod.metadata, _INJECT)
    if truth(given) is False:
        return None
    if truth(given) is None:
        return _unasked(pod.metadata, given)
    if annotation(pod.metadata, _STATUS) == "injected":
        says = "The pod was made with agent-inject-status: injected, as a copy is, so the injector let it be."
        return Cause(3, says, "Remove the annotation agent-inject-status from the template.")
    return _of_webhook(scene, pod)


def _unasked(meta: Meta, given: str | None) -> Cause | None:
    wanted = annotations_from(meta, "")
    if given is not None:
        says = "The annotation agent-inject is neither true nor false, so the injector does not take it."
        return Cause(2, says, 'Set vault.hashicorp.com/agent-inject to "true", in quotes.')
    if not wanted:
        return None
    says = f"The pod has annotations for the injector ({', '.join(sorted(wanted)[:3])}), and lacks agent-inject."
    return Cause(2, says, 'Add vault.hashicorp.com/agent-inject: "true" to the pod template.')


def _of_webhook(scene: Scene, pod: Pod) -> Cause | None:
    if not scene.all(Namespace) and not scene.all(MutatingWebhookConfiguration):
        says = "The pod asks for an agent and has none; the webhooks could not be read, so the cause is not known."
        mend = "Grant the right to read mutatingwebhookconfigurations and namespaces."
        return Cause(7, says, mend, sure=False, also=(3, 4, 5, 6, 8))
    found = hooks(scene)
    if not found:
        says = "There is no webhook of the injector in this cluster."
        return Cause(7, says, "Install the injector, or find out why its webhook was removed.")
    causes = [_at_hook(scene, pod, hook) for hook in found]
    return min(causes, key=lambda cause: -cause.number)


def _at_hook(scene: Scene, pod: Pod, hook: Hook) -> Cause:
    name, namespace = hook.holder.metadata.name, pod.metadata.namespace
    if older_than_hook(pod.metadata, hook):
        return Cause(3, f"The pod is older than the webhook {name}.", "Restart the workload.")
    if not selects_namespace(scene, hook, namespace):
        says = f"The namespaceSelector of the webhook {name} leaves out the namespace {namespace}."
        return Cause(4, says, f"Label the namespace {namespace} so that it is selected, or change the selector.")
    if not hook.webhook.object_selector.matches(pod.metadata.labels):
        says = f"The objectSelector of the webhook {name} leaves out this pod by its labels."
        return Cause(5, says, "Change the labels of the pod template, or the selector.")
    if not asked_about_new_pods(hook):
        return Cause(6, f"The rules of the webhook {name} don't name the creation of pods.", "Mend its rules.")
    return _unanswered(scene, hook)


def _unanswered(scene: Scene, hook: Hook) -> Cause:
    name, webhook = hook.holder.metadata.name, hook.webhook
    if not webhook.client_config.ca_bundle:
        says = (
            f"The webhook {name} has no caBundle, so the API server can't trust the injector, and let the pod through."
        )
        return Cause(11, says, "Let the injector or cert-manager fill in its caBundle, then restart the workload.")
    restart = "See that the injector is up, then restart the workload."
    if answers(scene, hook) is False:
        return Cause(8, "The injector is down, and the API server lets pods through without it.", restart)
    if webhook.match_conditions:
        says = f"The webhook {name} has conditions (matchConditions) that may leave this pod out."
        return Cause(6, says, "Compare its conditions with the pod.", sure=False, also=(8,))
    says = (
        "The webhook was not answered when the pod was made, and the API server let the pod through: "
        "nothing else keeps this pod from it. The API server's audit log has the proof (failed-open)."
    )
    return Cause(8, says, restart, sure=False, also=(10, 11))
