"""Symptom D: there is no pod, since its creation is refused (causes 9 to 13)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from cluster.agents import annotation, truth
from cluster.consumption import Trouble
from cluster.doctor.webhooks import NAME, answers, hooks
from cluster.kinds.meta import Condition
from cluster.kinds.platform import ClusterEvent
from cluster.kinds.workload import TEMPLATED, DaemonSet, Deployment, Job, ReplicaSet, Rollout, StatefulSet
from cluster.scene import Ref, Scene, ref

_REFUSED, _MADE = "FailedCreate", "SuccessfulCreate"
_BY_WEBHOOK = re.compile(r'admission webhook "([^"]{1,253})" denied the request')
_CALLING = re.compile(r'failed calling webhook "([^"]{1,253})"')
_BY_POLICY = ("exceeded quota", "violates PodSecurity", "LimitRange", "is forbidden", "maximum", "minimum")
# What the injector says, and what mends it.
_SENTENCES = (
    ("no Vault role found", "Add the annotation vault.hashicorp.com/role."),
    ("no Vault Auth Path found", "Give the auth path in vault.hashicorp.com/auth-path."),
    ("no Vault address found", "Give the address in vault.hashicorp.com/service."),
    ("failed to find service account volume mount", "Set automountServiceAccountToken to true for the pod."),
    ("failed to find service account volume", "Add the projected volume that the annotation names."),
    ("cannot inject into system namespaces", "Run the workload in another namespace than kube-system and kube-public."),
    ("invalid default template type", "Set agent-inject-default-template to map or json."),
    ("error parsing JSON patch", "Mend the JSON of agent-json-patch or agent-init-json-patch."),
)


class Refusal(NamedTuple):
    """Why a creation was refused."""

    cause: int
    says: str
    mend: str
    sure: bool = True
    also: tuple[int, ...] = ()


def troubles(scene: Scene) -> Iterator[Trouble]:
    """Give the workloads whose pods are refused now."""
    for holder, message in _refused_now(scene):
        workload = _top(scene, holder)
        found = read_refusal(scene, message, asks=_asks(scene, workload))
        if found is not None:
            yield Trouble(
                "D", found.cause, holder, workload, found.says, found.mend, (), found.sure, found.also, message
            )


def read_refusal(scene: Scene, message: str, *, asks: bool) -> Refusal | None:
    """Return the cause that the API server's sentence tells; `asks`: the workload asks for the injector."""
    calling, denied = _CALLING.search(message), _BY_WEBHOOK.search(message)
    if calling is not None and _is_injector(calling[1]):
        return _unanswered(scene, message)
    if denied is not None and _is_injector(denied[1]):
        return _denied(message)
    if asks and (denied is not None or any(sign in message for sign in _BY_POLICY)):
        says = "A quota or a policy refuses the pod as the injector would make it."
        return Refusal(13, says, "Allow the agent's containers: their resources, user (100), image and memory volumes.")
    return None


def _denied(message: str) -> Refusal:
    for sentence, mend in _SENTENCES:
        if sentence in message:
            return Refusal(12, f"The injector denies the pod: {sentence}.", mend)
    return Refusal(
        12, "The injector denies the pod: it can't read one of its annotations.", "Mend what the message names."
    )


def _unanswered(scene: Scene, message: str) -> Refusal:
    if "x509" in message:
        says = "The API server does not trust the injector's certificate, and the webhook fails closed."
        return Refusal(11, says, "Renew the caBundle of the webhook.")
    up = any(answers(scene, hook) for hook in hooks(scene))
    if up and ("deadline exceeded" in message or "timeout" in message.lower()):
        says = "The API server can't reach the injector, which is up, and the webhook fails closed."
        return Refusal(10, says, "Let the control plane reach port 8080 of the injector.", sure=False, also=(9,))
    says = "The injector does not answer, and the webhook fails closed, so no pod is made."
    return Refusal(9, says, "Bring the injector up again.", sure=not up, also=(10,) if up else ())


def _is_injector(webhook: str) -> bool:
    return webhook == NAME or "agent-injector" in webhook


def _refused_now(scene: Scene) -> Iterator[tuple[Ref, str]]:
    seen: set[str] = set()
    for each in scene.all(Deployment):
        condition = _failing(each.status.conditions)
        if condition is not None:
            seen.add(each.metadata.uid)
            yield ref(each), condition.message
    for uid, event in _last_creations(scene).items():
        holder = Ref(event.involved_object.kind, event.involved_object.namespace, event.involved_object.name, uid)
        top = _top(scene, holder)
        if event.reason == _REFUSED and top.uid not in seen and _lacks_pods(scene, holder, top):
            yield holder, event.message


def _failing(conditions: list[Condition]) -> Condition | None:
    every = (each for each in conditions if each.type == "ReplicaFailure" and each.status == "True")
    return next((each for each in every if each.reason == _REFUSED), None)


def _last_creations(scene: Scene) -> dict[str, ClusterEvent]:
    uids = {each.involved_object.uid for each in scene.all(ClusterEvent) if each.reason == _REFUSED}
    found = {}
    for uid in uids:
        tries = [each for each in scene.events_of(uid) if each.reason in {_REFUSED, _MADE}]
        if tries:
            found[uid] = tries[-1]
    return found


def _top(scene: Scene, holder: Ref) -> Ref:
    known = scene.by_uid(holder.uid)
    if not isinstance(known, ReplicaSet | Job):
        return holder
    owners = [each for each in known.metadata.owner_references if each.controller]
    return Ref(owners[0].kind, holder.namespace, owners[0].name, owners[0].uid) if owners else holder


def _lacks_pods(scene: Scene, holder: Ref, top: Ref) -> bool:
    known = scene.by_uid(holder.uid)
    if isinstance(known, Job):
        return not known.status.completion_time and not _alive(scene, holder)
    wanted = _wanted(scene.by_uid(top.uid))
    if isinstance(known, ReplicaSet):
        # In a rollout the old pods stay, so that the workload has all its pods and the new set has none.
        lacks = _alive(scene, holder) == 0 < wanted or _alive(scene, top) < wanted
        return lacks and _is_newest(scene, known, top)
    return known is not None and _alive(scene, holder) < wanted


def _alive(scene: Scene, owner: Ref) -> int:
    return sum(pod.metadata.deletion_timestamp is None for pod in scene.pods_of(owner.uid))


def _is_newest(scene: Scene, known: ReplicaSet, top: Ref) -> bool:
    newest = scene.once(_newest_sets).get(top.uid, "")
    return newest <= (known.metadata.creation_timestamp or "")


def _newest_sets(scene: Scene) -> dict[str, str]:
    """Return by owner when the newest ReplicaSet was made: asked for each that is refused, in an outage for all."""
    found: dict[str, str] = {}
    for each in scene.all(ReplicaSet):
        for one in each.metadata.owner_references:
            found[one.uid] = max(found.get(one.uid, ""), each.metadata.creation_timestamp or "")
    return found


def _wanted(known: Any) -> int:
    if isinstance(known, DaemonSet):
        return known.status.desired_number_scheduled
    given = known.spec.replicas if isinstance(known, Deployment | StatefulSet | Rollout) else None
    return 1 if given is None else given


def _asks(scene: Scene, workload: Ref) -> bool:
    known = scene.by_uid(workload.uid)
    if not isinstance(known, TEMPLATED):
        return False
    return truth(annotation(known.spec.template.metadata, "agent-inject")) is True
