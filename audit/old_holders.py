"""Finds, a little at each turn, which pods hold an old version of a secret, and answers from what was kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection

from audit import secret_holders
from audit.models import Secret
from inventory import holding

TURN = 5.0  # seconds

# Secrets with versions that a container gets, by the path that the vault's API has for them; what was found least
# recently comes first.
_ASKED = """
    SELECT s.id FROM audit_secret s LEFT JOIN inventory_oldholding h ON h.secret = s.id
    WHERE s.engine = 'KV v2' AND concat(trim('/' FROM s.mount), '/data/', trim('/' FROM s.path)) IN (
          SELECT path FROM inventory_secretconsumer WHERE NOT ended)
    ORDER BY h.at NULLS FIRST, s.id
"""


@dataclass(frozen=True, slots=True)
class OldSecret:
    """A secret, and how many pods hold an old version of it."""

    id: int
    name: str
    pods: int


@dataclass(frozen=True, slots=True)
class Old:
    """The secrets with most pods on an old version, and how many more there are."""

    secrets: Sequence[OldSecret]
    more: int


@dataclass(frozen=True, slots=True)
class OldIn:
    """A secret of which a pod holds an old version."""

    id: int
    name: str


def of_pods(uids: Sequence[str]) -> dict[str, list[OldIn]]:
    """Return of each of these pods, by uid, the secrets of which it was last found to hold an old version."""
    found = holding.secrets_by_old_pod(uids)
    wanted = {key for keys in found.values() for key in keys}
    names = dict(Secret.objects.filter(pk__in=wanted).values_list("pk", "name")) if wanted else {}
    return {uid: [OldIn(key, names[key]) for key in keys if key in names] for uid, keys in found.items()}


def find(seconds: float = TURN) -> int:
    """Work out who holds an old version, secret by secret, until the time is over; returns how many were looked at."""
    until = time.monotonic() + seconds
    with connection.cursor() as cursor:
        cursor.execute(_ASKED)
        wanted = [key for (key,) in cursor.fetchall()]
    holding.keep_no_other(wanted)
    for done, key in enumerate(wanted):
        if time.monotonic() >= until:
            return done
        now = datetime.now(UTC)
        found = secret_holders.held(key, now)
        pods = {one.held.uid for one in found.behind} | {one.row.pod_uid for one in found.copies}
        holding.keep_old(key, pods, now)
    return len(wanted)


def old(most: int) -> Old:
    """Return of which secrets pods hold an old version, as last found; asked of everything that there is."""
    found = holding.old_by_secret()
    names = dict(Secret.objects.filter(pk__in=[key for key, _ in found[:most]]).values_list("pk", "name"))
    shown = [OldSecret(key, names[key], pods) for key, pods in found[:most] if key in names]
    return Old(shown, len(found) - len(shown))
