"""The questions, as people ask them: who read this secret, what did this principal read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.fields import BooleanField

from accounts.scope import EVERYTHING, Scope
from audit import blocks, callers, event_search, pods, readers, scoping
from audit.answers import (
    Bucket,
    DeviceState,
    EventRow,
    Gap,
    NotOneSecret,
    Reader,
    ReaderPod,
    ReadSecret,
    SecretRef,
    StoredLine,
    UnknownName,
    WhatRead,
    WhoRead,
)
from audit.closed import BEGIN, END
from audit.event import ALIVE
from audit.event_filter import Condition, Filter
from audit.grades import grade
from audit.models import RENAMED, Device, Generation, Principal, Secret, Source
from audit.pods import Proof
from audit.reach import secret_in, vaults_of
from audit.readers import Uses

__all__ = [
    "Bucket",
    "DeviceState",
    "EventRow",
    "Gap",
    "NotOneSecret",
    "Proof",
    "ReadSecret",
    "Reader",
    "SecretRef",
    "StoredLine",
    "UnknownName",
    "Uses",
    "WhatRead",
    "WhoRead",
    "complete_until",
    "devices",
    "event",
    "events_of_secret",
    "find_secret",
    "gaps_of",
    "grade",
    "lines_of",
    "pods_of",
    "proof_of",
    "secret",
    "secrets",
    "timeline",
    "uses_of",
    "what_read",
    "who_read",
    "who_read_and_from_where",
]


def find_secret(name: str, vault: str | None = None, *, scope: Scope) -> SecretRef:
    """Return the one secret in scope that prints as `name`; raises `NotOneSecret`, with candidates or nearest names."""
    fitting = secrets_in(scope).filter(name=name.strip("/"))
    if vault is not None:
        fitting = fitting.filter(vault__name=vault)
    refs = _refs(fitting)
    if len(refs) == 1:
        return refs[0]
    if refs:
        listed = "; ".join(f"{ref.name} in {ref.vault}, mount {ref.mount_accessor or 'unknown'}" for ref in refs)
        raise NotOneSecret(f"{name} fits {len(refs)} secrets: {listed}. Say which with --vault or by its page.", refs)
    near = _nearest(name, vault, scope)
    hint = f" Nearest: {', '.join(ref.name for ref in near)}." if near else " No secret is known yet with such a name."
    raise NotOneSecret(f"No call to a secret named {name} was ever seen{f' in {vault}' if vault else ''}.{hint}", near)


def secrets_in(scope: Scope) -> QuerySet[Secret]:
    """Return the secrets that a scope covers: to somebody limited, there are no others."""
    some = Secret.objects.select_related("vault")
    if scope.everything:
        return some
    sql, values = secret_in(scope)
    return some.filter(RawSQL(f"(true{sql})", values, output_field=BooleanField()))  # noqa: S611 - our own text


def _nearest(name: str, vault: str | None, scope: Scope) -> list[SecretRef]:
    """Return up to three secrets whose name is closest, looking at those that share the leaf or the mount."""
    leaf = name.strip("/").rsplit("/", 1)[-1][:60]
    some = secrets_in(scope)
    if vault is not None:
        some = some.filter(vault__name=vault)
    names = list(some.filter(name__endswith=leaf).values_list("name", flat=True)[:500]) if leaf else []
    names += list(some.filter(name__startswith=name.split("/", 1)[0] + "/").values_list("name", flat=True)[:2_000])
    return _refs(some.filter(name__in=get_close_matches(name, sorted(set(names)), n=3, cutoff=0.5)))


def _refs(found: Iterable[Secret]) -> list[SecretRef]:
    found = list(found)
    seen = read_times([one.pk for one in found])
    return [
        SecretRef(one.pk, one.name, one.vault.name, one.engine, one.mount_accessor, *seen.get(one.pk, (None, None)))
        for one in sorted(found, key=lambda one: (one.name, one.pk))
    ]


def read_times(secrets: list[int]) -> dict[int, tuple[datetime, datetime]]:
    """Return when each of these secrets was first and last read; one that never was is not named."""
    sql = "SELECT secret, min(first), max(last) FROM audit_pair WHERE secret = ANY(%s) GROUP BY secret"
    return {key: (first, last) for key, first, last in _rows(sql, [secrets])}


def secret(secret_id: int, *, scope: Scope) -> SecretRef:
    """Return the secret with this key; raises `NotOneSecret` where there is none, or none in scope.

    Whoever has a `SecretRef` was let through here or by its siblings: the questions about one secret ask no more.
    """
    refs = _refs(secrets_in(scope).filter(pk=secret_id))
    if not refs:
        raise NotOneSecret(f"There is no secret number {secret_id}.", [])
    return refs[0]


def secrets(prefix: str = "", limit: int = 200, after: str = "", *, scope: Scope) -> list[SecretRef]:
    """Return secrets in scope whose print begins with `prefix`, in name order, at most `limit`, after `after`."""
    some = secrets_in(scope).filter(name__startswith=prefix, name__gt=after).order_by("name", "pk")
    return _refs(some[:limit])


def who_read(one: SecretRef, since: datetime | None = None, until: datetime | None = None) -> WhoRead:
    """Return the readers of a secret in [since, until), most reads first; `uses_of` tells addresses and versions."""
    found = readers.readers_of(one.id, since, until)
    vault_id = Secret.objects.values_list("vault_id", flat=True).get(pk=one.id)
    reached = complete_until(vault_id)
    unread = _unread(vault_id, since, until or reached)
    return WhoRead(one, since, until, reached, found, gaps_of(vault_id, since, until), unread)


def who_read_and_from_where(one: SecretRef, since: datetime | None = None, until: datetime | None = None) -> WhoRead:
    """Return the same by pod, with addresses and versions, for which every event is looked at."""
    return replace(who_read(one, since, until), readers=pods.readers_by_pod(one.id, since, until))


def pods_of(answer: WhoRead, some: Sequence[Reader], newest: int) -> dict[int, list[ReaderPod]]:
    """Return by which pods some of the readers called, from the secret's newest calls of that time."""
    return pods.pods_of(answer, [reader.principal_id for reader in some], newest)


def proof_of(event_id: int, *, scope: Scope) -> Proof | None:
    """Return which pod made an event's call and how well that is proven; None where the event itself is not shown."""
    return pods.proof_of(event_id, scope=scope)


def uses_of(answer: WhoRead, some: Sequence[Reader], newest: int) -> Uses:
    """Return the addresses and versions of some of the readers, from the secret's newest calls of that time."""
    principals = [reader.principal_id for reader in some]
    return readers.uses_of(answer.secret.id, answer.since, answer.until, principals, newest)


def what_read(name: str, since: datetime | None = None, until: datetime | None = None, *, scope: Scope) -> WhatRead:
    """Return the secrets that the principals of this name read in [since, until); raises `UnknownName`."""
    found = _principals(name, scope)
    if not found:
        near = get_close_matches(name, _principal_names(scope), n=3, cutoff=0.4)
        hint = f" Nearest: {', '.join(near)}." if near else ""
        raise UnknownName(f"No principal named {name} was ever seen.{hint}")
    ends = [end for end in map(complete_until, sorted({one.vault_id for one in found})) if end]
    kinds = sorted({one.kind for one in found})
    uses = callers.uses_of([one.pk for one in found], since, until, scope)
    return WhatRead(name, kinds, min(ends, default=None), uses)


def _principals(name: str, scope: Scope) -> list[Principal]:
    """Return the principals of this name that ever had an event in scope."""
    found = list(Principal.objects.filter(name=name))
    if not found or scope.everything:
        return found
    seen = set(scoping.principals_in(scope, BEGIN, END, [one.pk for one in found]))
    return [one for one in found if one.pk in seen]


def _principal_names(scope: Scope) -> list[str]:
    """Return some names of principals that may be told."""
    some = Principal.objects.all()
    if not scope.everything:
        some = some.filter(pk__in=scoping.principals_in(scope, BEGIN, END))
    return list(some.values_list("name", flat=True).distinct()[:5_000])


_WINDOW = "time >= coalesce(%s::timestamptz, '-infinity') AND time < coalesce(%s::timestamptz, 'infinity')"


def _window(since: datetime | None, until: datetime | None) -> list[datetime | None]:
    return [since, until]


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def complete_until(vault_id: int) -> datetime | None:
    """Return how far a vault's record is read: to the slowest followed source, else to the last imported line."""
    followed = list(Source.objects.filter(device__vault_id=vault_id).values_list("drained_at", flat=True))
    if followed:
        drained = [moment for moment in followed if moment is not None]
        return min(drained) - timedelta(seconds=1) if len(drained) == len(followed) else None
    times = Device.objects.filter(vault_id=vault_id).values_list("last_time", flat=True)
    return max((moment for moment in times if moment is not None), default=None)


def gaps_of(vault_id: int, since: datetime | None = None, until: datetime | None = None) -> list[Gap]:
    """Return the holes of a vault's devices that touch [since, until), those that no other device fills first."""
    rows = _rows(
        """SELECT g.kind, d.name, g.start, g."end", g.detail FROM audit_gap g JOIN audit_device d ON d.id = g.device_id
           WHERE d.vault_id = %s AND coalesce(g."end", 'infinity') >= coalesce(%s::timestamptz, '-infinity')
           AND coalesce(g.start, '-infinity') < coalesce(%s::timestamptz, 'infinity')
           ORDER BY g.kind = 'missed', g.start LIMIT 1000""",
        [vault_id, since, until],
    )
    return [Gap(*row) for row in rows]


def timeline(one: SecretRef, since: datetime, until: datetime) -> list[Bucket]:
    """Return at most about 120 bars of [since, until) with the counts of the secret's events in each."""
    # Whoever has the `SecretRef` may see all of its events.
    asked = Condition(" AND secret = %s", [one.id], frozenset(("secret",)))
    vault_id = Secret.objects.values_list("vault_id", flat=True).get(pk=one.id)
    known = _covered(vault_id, since, until)
    return [
        Bucket(bar.start, bar.end, bar.ok, bar.denied, bar.error, unknown=not _touches(known, bar.start, bar.end))
        for bar in event_search.timeline(Filter(since, until, scope=EVERYTHING), asked)
    ]


def _touches(stretches: Iterable[tuple[datetime, datetime]], start: datetime, end: datetime) -> bool:
    """Whether one of the stretches reaches into [start, end)."""
    return any(low < end and start <= high for low, high in stretches)


def _covered(vault_id: int, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the stretches of [since, until) that some device's files cover; live ones reach to their last look."""
    rows = Generation.objects.filter(device__vault_id=vault_id, first_time__lt=until, last_time__gte=since)
    known = [(one.first_time, one.last_time) for one in rows if one.first_time and one.last_time]
    for after in rows.filter(border=RENAMED).select_related("follows"):  # nothing lies between a log and its next
        if after.follows and after.follows.last_time and after.first_time:
            known.append((min(after.follows.last_time, after.first_time), after.first_time))
    for live in Source.objects.filter(device__vault_id=vault_id, live__isnull=False, drained_at__isnull=False):
        if live.live and live.live.first_time and live.drained_at:
            known.append((live.live.first_time, live.drained_at))
    return known


def _unread(vault_id: int, since: datetime | None, until: datetime | None) -> list[tuple[datetime, datetime]]:
    """Return the stretches between the files that we have, within [since, until); a minute's pause is no hole."""
    low, high = since or datetime.min.replace(tzinfo=UTC), until or datetime.now(UTC)
    holes: list[tuple[datetime, datetime]] = []
    reached: datetime | None = None
    for start, end in sorted(_covered(vault_id, low, high)):
        if reached is not None and start - reached > timedelta(minutes=1):
            holes.append((max(reached, low), min(start, high)))
        reached = max(end, reached) if reached else end
    return holes


_SHOWN = """
    SELECT e.id, e.time, e.outcome, e.disclosed, e.operation, a.namespace || a.path, e.principal, p.name, p.kind,
           d.address, e.version, e.request_id, v.name, e.secret, coalesce(s.name, ''), u.name,
           ARRAY(SELECT DISTINCT w.name FROM audit_sighting g JOIN audit_device w ON w.id = g.device
                 WHERE g.event_id = e.id AND g.time = e.time)
    FROM {events} e JOIN audit_principal p ON p.id = e.principal {join} audit_path a ON a.id = e.path
    JOIN audit_address d ON d.id = e.address {join} audit_device v ON v.id = e.device
    JOIN audit_vault u ON u.id = e.vault LEFT JOIN audit_secret s ON s.id = e.secret
"""
_EVENTS = _SHOWN.format(events="audit_event", join="JOIN")


def events_of_secret(
    one: SecretRef,
    since: datetime | None = None,
    until: datetime | None = None,
    principal_id: int | None = None,
    before: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> list[EventRow]:
    """Return the newest events that name the secret, before the key (time, id), newest first."""
    sql = f"""{_EVENTS} WHERE e.secret = %s AND e.{ALIVE} AND {_WINDOW.replace("time ", "e.time ")}
              AND (%s::int IS NULL OR e.principal = %s)
              AND (%s::timestamptz IS NULL OR (e.time, e.id) < (%s, %s))
              ORDER BY e.time DESC, e.id DESC LIMIT %s"""
    moment, number = before or (None, None)
    values = [one.id, *_window(since, until), principal_id, principal_id, moment, moment, number, limit]
    return [event_search.event_row(row) for row in _rows(sql, values)]


def event(event_id: int, *, scope: Scope) -> EventRow:
    """Return one event, redacted where it lies beside the scope; raises `LookupError` for one that is not to be seen.

    Alone it has no window: it lies beside the scope if its principal ever had an event in scope.
    """
    rows = _rows(f"{_EVENTS} WHERE e.id = %s", [event_id])
    if rows and not scope.everything:
        seen, values = scoping.view_of(scope, [rows[0][6]], BEGIN, END).select("*", ("id = %s", [event_id]))
        rows = _rows(_SHOWN.format(events=f"({seen})", join="LEFT JOIN"), values)
    if not rows:
        raise LookupError(f"There is no event {event_id}, or it is past retention.")
    return event_search.event_row(rows[0])


def lines_of(event_id: int, *, scope: Scope) -> list[StoredLine]:
    """Return the event's lines as stored, one for each device and type that has it; raises `LookupError`.

    A line tells all that its event does: outside of the scope there is none, beside it neither.
    """
    seen, values = scoping.inside(scope).select("time, device, block, line, flags & 3", ("id = %s", [event_id]))
    own = _rows(seen, values)
    if not own:
        raise LookupError(f"There is no event {event_id}, or it is past retention.")
    time = own[0][0]
    others = _rows(
        """SELECT time + delta * interval '1 microsecond', device, block, line, flags FROM audit_sighting
           WHERE event_id = %s AND time = %s ORDER BY seq""",
        [event_id, time],
    )
    return [line for where in [*own, *others] for line in _lines_at(*where)]


def _lines_at(time: datetime, device: int, block: int, line: int, sides: int) -> list[StoredLine]:
    day = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = _rows(
        "SELECT lines, places, body FROM audit_block WHERE id = %s AND time >= %s AND time < %s",
        [block, day, day + timedelta(days=2)],  # a late response's block is of the day on which it came
    )
    if not found:
        return []
    count, places, body = found[0]
    bodies, where = blocks.unpack(bytes(body)), blocks.unpack_places(bytes(places), count)
    name = Device.objects.get(pk=device).name
    wanted = [side for bit, side in ((1, "request"), (2, "response")) if sides & bit]
    files = dict(Generation.objects.filter(pk__in={p.generation for p in where}).values_list("pk", "path"))
    return [
        StoredLine(name, side, bodies[n].decode("utf-8", "replace"), files.get(where[n].generation, ""),
                   where[n].position, where[n].sha256.hex())
        for n, side in enumerate(wanted, line)
    ]  # fmt: skip


def devices(*, scope: Scope) -> list[DeviceState]:
    """Return the state of each device of the scope's vaults, by vault and name.

    Followed ones are silent when not drained for a minute.
    """
    vaults = vaults_of(scope)
    now = datetime.now(UTC)
    rows = _rows(
        """SELECT v.name, d.name, d.last_time, count(s.id), min(s.drained_at), count(s.drained_at) < count(s.id)
           FROM audit_device d JOIN audit_vault v ON v.id = d.vault_id LEFT JOIN audit_source s ON s.device_id = d.id
           WHERE %s::text[] IS NULL OR v.name = ANY(%s) GROUP BY d.id, v.id ORDER BY v.name, d.name""",
        [vaults, vaults],
    )
    states = []
    for vault, device, last, sources, drained, never in rows:
        lag = (now - drained).total_seconds() if drained else None
        silent = bool(sources) and (never or lag is None or lag > 60)
        states.append(DeviceState(vault, device, last, lag, silent, drained if sources else None, bool(sources)))
    return states
