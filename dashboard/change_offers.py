"""Which changes begin on the page of a secret, a lease, a pod, a workload or a principal, with their form filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

MOST_LEASES = 30


@dataclass(frozen=True, slots=True)
class Way:
    """One button: its words, the address of the form, and the icon that tells it apart where the words are far away."""

    words: str
    url: str
    icon: str = "changes"


def _way(words: str, target: str, **given: str) -> Way:
    pairs = {"target": target, **{name: value for name, value in given.items() if value}}
    return Way(words, f"{reverse('change-new')}?{urlencode(pairs)}")


def respond(evidence: str = "", **facts: str) -> Way:
    """Return the button that opens the playbooks which fit what is known, by the kinds of their inputs."""
    given = {name: value for name, value in {**facts, "evidence": evidence}.items() if value}
    return Way("Respond…", f"{reverse('playbook-list')}?{urlencode(given)}", "book")


def broken_glass(steps: Sequence[Mapping[str, Any]], vault: str, evidence: str) -> list[Way]:
    """Return the buttons that break the glass for each cut of a plan alone: for rotations it does not break."""
    found = []
    for one in steps:
        given = _cut(one["step"], one["args"])
        if given:
            pairs = {**given, "vault": vault, "evidence": evidence, "glass": "yes"}
            query = urlencode({name: value for name, value in pairs.items() if value})
            found.append(Way(f"{one['describe']['title']}…", f"{reverse('change-new')}?{query}", "triangle"))
    return found


def _cut(kind: str, args: Mapping[str, Any]) -> dict[str, str]:
    """Return the form's fields for one step; nothing for what is no cut, or for more leases than an address holds."""
    if kind == "disable_entity" and not args.get("enable"):
        return {"target": "entity", "entity": str(args["entity"])}
    if kind == "revoke_token":
        return {"target": "token", "accessor": str(args["accessor"])}
    if kind == "revoke_leases" and len(args["leases"]) <= MOST_LEASES:
        return {"target": "lease", "leases": "\n".join(args["leases"])}
    return {}


def event(event_id: str, secret: str, principal: str, pod: str, vault: str, since: str) -> list[Way]:
    """Return what can be done about a call; a secret, a principal or a pod that isn't known is empty."""
    facts = {"secret": secret, "principal": principal, "pod": pod, "vault": vault, "time": since}
    return [respond(f"event:{event_id}", **facts)]


def secret(name: str, engine: str, vault: str) -> list[Way]:
    """Return what can be done about a secret by its engine; each has its changes."""
    return [*_secret(name, engine, vault), respond(secret=name, vault=vault)]


def _secret(name: str, engine: str, vault: str) -> list[Way]:
    found = [Way("Its changes", f"{reverse('change-list')}?{urlencode({'subject': name})}", "list")]
    if engine == "KV v2":  # version 1 keeps no versions, so nothing could be proven by them
        found += _rotation("kv", "secret", name, vault)
    elif engine == "database" and "/static-creds/" in name:
        found += _rotation("database_role", "secret", name, vault)
    elif engine == "transit" and "/keys/" in name:
        found += _rotation("transit", "key", name, vault)
    elif "/creds/" in name:
        found.append(_way("Revoke its leases…", "lease", role=name, vault=vault))
    return found


def _rotation(target: str, argument: str, name: str, vault: str) -> list[Way]:
    given = {"target": target, "pattern": name, "vault": vault, "name": name.rsplit("/", 1)[-1]}
    again = Way("Schedule…", f"{reverse('change-schedule-new')}?{urlencode(given)}", "clock")
    return [_way("Rotate…", target, **{argument: name}, vault=vault), again]


def lease(lease_id: str, vault: str, principal: str, pod: str) -> list[Way]:
    """Return what can be done about a lease; `pod` is the uid of who holds it, empty where that is not known."""
    facts = {"principal": principal, "pod": pod, "vault": vault}
    return [_way("Revoke…", "lease", leases=lease_id, vault=vault), respond(f"lease:{lease_id}", **facts)]


def pod(uid: str, leases: bool) -> list[Way]:
    """Return what can be done about a pod; `leases` says whether it has any."""
    return [*([_way("Revoke its leases…", "lease", pod=uid)] if leases else []), respond(pod=uid)]


def workload(cluster: str, kind: str, namespace: str, name: str) -> list[Way]:
    """Return what can be done about a workload, if it is of a kind that can be restarted."""
    if kind not in ("Deployment", "StatefulSet", "DaemonSet"):
        return []
    return [_way("Restart…", "restart", cluster=cluster, kind=kind, namespace=namespace, name=name)]


def principal(name: str, vault: str, entity: str) -> list[Way]:
    """Return what can be done about a principal."""
    found = [_way("Revoke its leases…", "lease", principal=name, vault=vault)]
    found += [_way("Disable…", "entity", entity=entity, vault=vault)] if entity else []
    return [*found, respond(principal=name, vault=vault)]


FROM: Mapping[str, Callable[..., list[Way]]] = MappingProxyType(
    {"event": event, "secret": secret, "lease": lease, "pod": pod, "workload": workload, "principal": principal}
)
