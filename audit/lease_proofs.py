"""What the record proves of leases and tokens: which may live and who holds them, how they ended, who still tries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection
from django.db.models import Q

from accounts.scope import EVERYTHING
from audit import lease_facts, queries
from audit.closed import END
from audit.event import ALIVE
from audit.grades import grade
from audit.lease_models import Lease
from audit.principal import Kind as Who
from inventory.leases import ASKS, OPEN, Kind, State
from inventory.sightings import HeldLease, LeaseEnd, TokenUse
from vault.audit_line import decode
from vault.errors import NotAnAuditLine
from vault.reads import Outcome

MOST = 20_000


def held_leases(
    now: datetime, *, vault: str = "", namespace: str = "", pod: str = "", service_account: str = "",
    principal: str = "", role: str = "", prefix: str = "", among: Collection[str] | None = None, ended: bool = False,
) -> list[HeldLease]:  # fmt: skip
    """Return the leases that may live, narrowed by what is given, the oldest first; at least one thing must be.

    `pod` is a uid, `service_account` is `namespace/name`, `principal` a name, `role` the path that gives them,
    `prefix` begins their ids, `among` are ids. Those whose own time is over are left out, unless the vault still lists
    them; with `ended` nothing is left out.
    """
    asked = {
        "vault__name": vault, "namespace": _below(namespace), "pod_uid": pod, "secret__name": role,
        "principal__name": service_account or principal, "lease_id__startswith": _below(prefix),
    }  # fmt: skip
    given: dict[str, Any] = {name: value for name, value in asked.items() if value}
    if among is not None:
        given["lease_id__in"] = list(among)
    if not set(given) - {"vault__name", "namespace"}:
        raise ValueError("Leases of what? Name a pod, a service account, a principal, a role, a prefix or an id.")
    if service_account:
        given["principal__kind"] = str(Who.SERVICE_ACCOUNT)
    rows = Lease.objects.filter(**given)
    if not ended:
        over = (Q(expires__lte=now) | Q(token_ends__lte=now)) & Q(state__in=[State.UNVERIFIED, State.LIVE, State.ASKED])
        rows = rows.filter(state__in=list(OPEN)).exclude(over)
    return [_held(one) for one in rows.select_related("vault", "secret", "principal").order_by("pk")[:MOST]]


def _below(path: str) -> str:
    """Return what begins whatever lies below a path; a vault too takes a prefix by whole segments."""
    return f"{path.strip('/')}/" if path.strip("/") else ""


def _held(one: Lease) -> HeldLease:
    return HeldLease(
        one.lease_id, one.vault.name, one.namespace, one.secret.name, one.state, one.verified_at, one.issued,
        one.expires, one.principal.name, one.principal.kind, one.pod, one.pod_uid,
        one.grade or grade(one.principal.kind), one.event_id,
    )  # fmt: skip


def ends_of(vault: str, leases: Sequence[str]) -> list[LeaseEnd]:
    """Return what is known of some leases' ends; one that the record never showed is not among them."""
    rows = list(Lease.objects.filter(vault__name=vault, lease_id__in=list(leases)).order_by("pk"))
    known = lease_facts.known_of([one.pk for one in rows])
    found = []
    for one in rows:
        asked = max((fact for fact in known.get(one.pk, ()) if fact.kind in ASKS and fact.ok), default=None,
                    key=lambda fact: fact.at)  # fmt: skip
        gone = one.verified_at if one.verified == Kind.GONE else None
        found.append(LeaseEnd(one.lease_id, one.state, one.how, asked.at if asked else None, gone,
                              asked.event if asked else None))  # fmt: skip
    return found


class _Given(msgspec.Struct, gc=False):
    username: str = ""


def login_hashes(vault: str, leases: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Return how devices show the user name that leases came with, as (device, HMAC), where the record tells it."""
    rows = Lease.objects.filter(vault__name=vault, lease_id__in=list(leases)).values_list("lease_id", "event_id")
    found = {lease: _login_hashes(event) for lease, event in rows}
    return {lease: some for lease, some in found.items() if some}


def _login_hashes(event: int) -> list[tuple[str, str]]:
    try:
        lines = queries.lines_of(event, scope=EVERYTHING)
        shown = [(one.device, decode(one.text.encode())[0].response) for one in lines if one.type == "response"]
        given = [(device, msgspec.json.decode(answer.data, type=_Given)) for device, answer in shown if answer]
    except (LookupError, NotAnAuditLine, msgspec.DecodeError):
        return []
    return [(device, one.username) for device, one in given if one.username.startswith("hmac-sha256:")]


_USED = f"""
    SELECT count(*) FILTER (WHERE ok), count(*) FILTER (WHERE NOT ok), max(time) FILTER (WHERE ok),
           max(time) FILTER (WHERE NOT ok), coalesce(max(id) FILTER (WHERE ok), max(id)) FROM (
        SELECT e.id, e.time, e.outcome <> {Outcome.DENIED.value} AS ok
        FROM audit_token t JOIN audit_device d ON d.id = t.device_id JOIN audit_vault v ON v.id = d.vault_id
        JOIN audit_event e ON e.principal = t.principal_id AND e.token = t.id
        WHERE v.name = %s AND t.accessor = ANY(%s) AND e.time > %s AND e.time < %s AND e.{ALIVE}) x
"""  # noqa: S608 - our own text


def token_use(vault: str, accessors: Sequence[str], since: datetime) -> TokenUse:
    """Return what tokens did after a moment, by their accessors as the vault's devices show them (`OurCall.abouts`).

    Of a token that nobody used, nothing shows: no call refused proves nothing.
    """
    some = [one for one in accessors if one]
    if not some:
        return TokenUse()
    with connection.cursor() as cursor:
        cursor.execute(_USED, [vault, some, since, END])
        return TokenUse(*cursor.fetchone())
