"""Connects a Kubernetes cluster: looks at its rights, keeps them beside it, and leaves its watches to the worker."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.conf import settings
from django.db import transaction

from accounts import trail
from accounts.models import User
from cluster import access
from cluster.access import Look
from cluster.client import Client
from cluster.errors import ClusterError
from cluster.place import InCluster, Kubeconfig, Place
from inventory.cluster_models import ClusterLine, ClusterLink
from inventory.kubeconfigs import IN_CLUSTER, UnusableSetting, places
from inventory.models import Cluster
from inventory.sync_pods import remember_cluster
from inventory.watching import identity
from kit.check import Check

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Unusable(Exception):
    """The cluster can't be connected as asked; the message says why and what to do, and nothing was changed."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator asked for: a name, and the kubeconfig and context to ask with."""

    name: str
    kubeconfig: str = ""
    context: str = ""
    secrets: bool = False
    accept_rights: bool = False


@dataclass(slots=True)
class Connected:
    """What was done: every check, and the cluster when it was added or was there."""

    checks: list[Check] = field(default_factory=list)
    link: ClusterLink | None = None
    setting: str = ""  # what the worker's environment needs


def place_of(wish: Wish) -> Place:
    """Return where to ask: the kubeconfig that was named, else the one that our own environment has for this name.

    Raises `Unusable` for a name that is none, and when nothing says where the cluster is.
    """
    if not NAME.fullmatch(wish.name):
        raise Unusable(f"The cluster's name {wish.name!r} can't be used. Take letters, digits, '.', '_' and '-'.")
    if wish.kubeconfig == IN_CLUSTER:
        return InCluster()
    try:
        known = places(settings.KEYBOOK.kubeconfig).get(wish.name)
    except UnusableSetting as error:
        raise Unusable(f"{error} Nothing was changed.") from None
    if isinstance(known, Kubeconfig) and not wish.kubeconfig:
        return Kubeconfig(known.path, wish.context or known.context)
    if known is not None and not wish.kubeconfig:
        return known
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]  # as kubectl finds it
    return Kubeconfig(wish.kubeconfig or named or "~/.kube/config", wish.context)


def connect(
    wish: Wish, *, actor: User | str, tell: Callable[[Check], None], open_way: Callable[[Place], Client] = Client
) -> Connected:
    """Try each right, then keep the cluster with what was found in one transaction; raises `Unusable`.

    A right that is needed and missing stops it; without an optional one it is added, and what is lost was told.
    """
    place, done = place_of(wish), Connected()
    try:
        client = open_way(place)
        found = access.look(client, secrets=wish.secrets)
        for check in found.checks:
            done.checks.append(check)
            tell(check)
        _must_be_usable(wish, found)
        uid = identity(client)
    except ClusterError as error:
        raise Unusable(f"{_sentence(str(error))} Nothing was changed.") from None
    if not uid:
        raise Unusable(
            "The cluster does not show its namespace kube-system, whose uid tells clusters apart. Let the role list "
            "namespaces. Nothing was changed."
        )
    with transaction.atomic():
        done.link = _keep(wish, place, client.address, uid, found)
        subject = trail.Subject("cluster", done.link.cluster_id, wish.name)
        trail.record(actor, "audit.cluster.connected", subject, details={"address": client.address, "uid": uid})
    done.setting = setting_of(wish.name, place)
    return done


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def _must_be_usable(wish: Wish, found: Look) -> None:
    if not found.usable:
        last = found.checks[-1]
        raise Unusable(f"{_sentence(last.detail)} {last.mend} Nothing was changed.")
    lacking = [right.name for right in found.missing if right.needed]
    if lacking:
        raise Unusable(
            f"This token may not list and watch {', '.join(lacking)}, without which there is no picture. Apply the "
            "printed ClusterRole and its binding. Nothing was changed."
        )
    wrong = next((one for one in found.checks if not one.ok and one.name != "no more rights"), None)
    if wrong is not None:
        raise Unusable(f"{_sentence(wrong.name + ': ' + wrong.detail)} {wrong.mend} Nothing was changed.")
    if found.excess and not wish.accept_rights:
        raise Unusable(
            f"This token may {', '.join(found.excess)}: Keybook does not need that. Bind it to the printed ClusterRole "
            "alone, or say --accept-rights to use it all the same. Nothing was changed."
        )


def _keep(wish: Wish, place: Place, address: str, uid: str, found: Look) -> ClusterLink:
    """Write the cluster, how it is asked and its rights; raises `Unusable` when the name is another cluster's."""
    namesake = Cluster.objects.filter(name=wish.name).exclude(uid=uid).first()
    if namesake is not None:
        raise Unusable(
            f"Another cluster is connected as {wish.name} already: its kube-system has the uid {namesake.uid}, this "
            f"one's has {uid}. Take another name. Nothing was changed."
        )
    cluster = remember_cluster(wish.name, uid)
    if cluster.name != wish.name:
        raise Unusable(f"This cluster is connected already, as {cluster.name}. Nothing was changed.")
    now = datetime.now(UTC)
    told = {
        "address": address,
        "context": getattr(place, "context", ""),
        "secrets": wish.secrets,
        "looked_at": now,
        "trouble": "",
    }
    link, _ = ClusterLink.objects.update_or_create(
        cluster=cluster, defaults=told, create_defaults={**told, "connected_at": now}
    )
    keep_lines(link, found.checks)
    return link


def keep_lines(link: ClusterLink, checks: Sequence[Check]) -> None:
    """Replace the lines of the last look at a cluster's rights."""
    ClusterLine.objects.filter(link=link).delete()
    ClusterLine.objects.bulk_create(
        ClusterLine(link=link, place=place, name=one.name, ok=one.ok, detail=one.detail, mend=one.mend)
        for place, one in enumerate(checks)
    )


def setting_of(name: str, place: Place) -> str:
    """Return what the worker `cluster` needs in KEYBOOK_KUBECONFIG, "" when our own environment has it already."""
    try:
        known = places(settings.KEYBOOK.kubeconfig)
    except UnusableSetting:
        known = {}
    if known.get(name) == place:
        return ""
    if isinstance(place, Kubeconfig):
        return f"{name}={place.path}" + (f"@{place.context}" if place.context else "")
    return f"{name}={IN_CLUSTER}"
