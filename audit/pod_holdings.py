"""Which version of each secret one pod holds: what it read last by itself, or else the copy that it got, by the clock.

The same rules as of one secret's page (`secret_holders`), asked of all secrets of one pod at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accounts.scope import Scope
from audit.consuming import PodRead, as_named
from audit.models import Secret
from audit.old_copies import versions_of
from audit.queries import secrets_in
from cluster.versions import Version
from inventory.cluster_models import PodState, SecretConsumer
from inventory.cluster_questions import PodView, api_path, foreign_addresses
from inventory.holding import held_by_pods

NEWEST = 5_000  # of so many newest calls of each secret the versions are told, as on its own page
_MOST = 40  # secrets of one pod of which that is asked
Key = tuple[str, str]  # container, path


@dataclass(frozen=True, slots=True)
class Holding:
    """The version of one secret in one container: `version`, or if not `sure` that or an older one; 0 is not known.

    `old` says that a newer one is known, of which `newest` is the newest; `why` on what that stands.
    """

    secret_id: int
    version: int
    sure: bool
    newest: int
    old: bool
    why: str


def holdings(view: PodView, reads: Sequence[PodRead], *, scope: Scope) -> dict[Key, Holding]:
    """Return what each container of a pod holds of what it gets, by container and path; of a gone pod nothing."""
    rows = [one for one in view.consumers if one.path and not one.ended]
    if view.state is None or not rows:
        return {}
    secrets = {path: one for path, one in secrets_of(rows, scope).items() if one.engine == "KV v2"}
    last = {one.secret_id: one for one in reads if one.version and not one.delivered_by}
    found: dict[Key, Holding] = {}
    open_still: dict[str, Secret] = {}
    for row in rows:
        secret = secrets.get(row.path)
        if secret is None:
            continue
        read = last.get(secret.pk)
        if row.pinned:
            pinned = Holding(secret.pk, row.pinned, True, 0, False, "The source asks for this version.")
            found[row.container, row.path] = pinned
        elif read and not row.k8s_secret:
            found[row.container, row.path] = _by_read(read)
        else:
            open_still[row.path] = secret
    return _by_copy(view, open_still) | found if open_still else found


def _by_read(read: PodRead) -> Holding:
    return Holding(read.secret_id, read.version, True, read.newest, read.old, "It read this version last.")


def _by_copy(view: PodView, secrets: dict[str, Secret]) -> dict[Key, Holding]:
    assert view.state is not None  # noqa: S101 - holdings asked
    return {(container, path): one for (_, container, path), one in copies_of([view.state], secrets).items()}


def copies_of(pods: Sequence[PodState], secrets: dict[str, Secret]) -> dict[tuple[str, str, str], Holding]:
    """Return what the containers of some pods hold by when they started and when versions were written.

    By uid, container and path; `secrets` with versions are given by path.
    """
    some = dict(list(secrets.items())[:_MOST])
    made = versions_of({one.pk: path for path, one in some.items()}, NEWEST) if some else {}
    versions: dict[str, Sequence[Version]] = {path: made[one.pk] for path, one in some.items() if made.get(one.pk)}
    found: dict[tuple[str, str, str], Holding] = {}
    for one in held_by_pods(pods, versions):
        written = {each.number: each.created for each in versions[one.path]}
        sure = one.newest == 1 or (one.version is not None and written.get(one.newest) is not None)
        old = bool(one.stale) and any(each.created for each in versions[one.path][1:])
        told = one.newest if old or one.version is not None else 0
        holding = Holding(some[one.path].pk, told, sure, one.current, old, one.why)
        found[one.pod.uid, one.container, one.path] = holding
    return found


def secrets_of(rows: Iterable[SecretConsumer], scope: Scope) -> dict[str, Secret]:
    """Return the one secret that each path names; a path that may be of several vaults is left out."""
    by_path = {row.path: row for row in rows}
    names = [
        "/".join(part for part in (row.vault_namespace.strip("/"), name) if part)
        for path, row in by_path.items()
        for name in (path, *as_named(path))
    ]
    found: dict[str, list[Secret]] = {}
    for secret in secrets_in(scope).filter(name__in=names):
        path = api_path(secret.mount, secret.path, 2 if secret.engine == "KV v2" else 0)
        if path in by_path and by_path[path].vault_namespace.strip("/") == secret.namespace.strip("/"):
            found.setdefault(path, []).append(secret)
    foreign = foreign_addresses({one.vault.name for some in found.values() for one in some})
    fitting = {
        path: [one for one in some if by_path[path].address not in foreign[one.vault.name]]
        for path, some in found.items()
    }
    return {path: some[0] for path, some in fitting.items() if len(some) == 1}
