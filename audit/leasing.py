"""Follows the record for leases, behind ingestion: the only writer of leases' facts and of what follows from them.

Each span of the stream is one transaction with its cursor, so a process that is killed anywhere loses nothing and
counts nothing twice. A lease's row is computed anew from all of its facts whenever one of them is new: the order in
which files, devices and late answers come does not matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from django.db import connection, transaction

from audit import lease_facts, lease_pods, pull
from audit.lease_models import Lease, LeaseCursor, LeaseFact, LeaseHash, LeaseHolder
from inventory.leases import FRESH, SETTLED, Fact, Holding, Kind, State, life, next_look
from vault.lease_calls import Call, Verb

SPAN = 20_000  # numbers of the stream that one transaction looks at
TURN = 10.0  # seconds
CHUNK = 500  # leases that are computed at a time
_LOCK = 0x6B62_0010
_COMPUTED = {
    "state": "text",
    "how": "text",
    "since": "timestamptz",
    "renewals": "int",
    "renewed": "timestamptz",
    "asked": "timestamptz",
    "expires": "timestamptz",
    "token_ends": "timestamptz",
    "look_at": "timestamptz",
}
_HELD = ("pod", "pod_uid", "grade", "pod_gone")
HolderOf = Callable[[Sequence[Lease]], dict[int, Holding]]


class Busy(Exception):
    """Another process follows the record for leases now."""


@dataclass(slots=True)
class Followed:
    """What a turn did: new leases, new facts, leases computed anew; `more` if the record goes on."""

    leases: int = 0
    facts: int = 0
    computed: int = 0
    more: bool = False


def follow(seconds: float = TURN) -> Followed:
    """Follow the record from where the last turn ended, for some seconds; raises `Busy`."""
    done, began = Followed(more=True), time.monotonic()
    with _alone():
        _settle()
        while done.more:
            done.more = _span(done)
            if time.monotonic() - began > seconds:
                break
    return done


@contextmanager
def _alone() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise Busy("another process follows the record for leases; its turn ends by itself")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _span(done: Followed) -> bool:
    """Take the next span in one transaction; tells whether more is there."""
    with transaction.atomic():
        place, _ = LeaseCursor.objects.select_for_update().get_or_create(pk=1)
        head = pull.newest()
        upto = min(place.after + SPAN, head)
        if upto <= place.after:
            return False
        _take(place.after, upto, done)
        place.after = upto
        place.save(update_fields=["after"])
    return upto < head


def _take(after: int, upto: int, done: Followed) -> None:
    fresh = _open(after, upto)
    calls = lease_facts.calls_of(lease_facts.sights(after, upto))
    touched = fresh | _hold([(seen, call) for seen, call in calls if call.verb is Verb.ISSUE])
    facts = [row for seen, call in calls if (row := lease_facts.fact_of(seen, call))]
    LeaseFact.objects.bulk_create(facts, ignore_conflicts=True, batch_size=1_000)
    touched |= _learn_hashes(fresh, facts) | lease_facts.about(facts)
    compute(touched)
    done.leases, done.facts, done.computed = (
        done.leases + len(fresh),
        done.facts + len(facts),
        done.computed + len(touched),
    )


def _open(after: int, upto: int) -> set[int]:
    """Make the rows of the leases that were issued in a span."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO audit_lease (id, vault_id, lease_id, namespace, secret_id, principal_id, event_id, issued,
                   state, how, since, renewals, verified, pod, pod_uid, grade)
               SELECT i.id, i.vault_id, i.lease_id, s.namespace, i.secret_id, i.principal_id, i.event_id, i.time,
                   %s, '', i.time, 0, '', '', '', '' FROM audit_leaseissue i JOIN audit_secret s ON s.id = i.secret_id
               WHERE i.event_id > %s AND i.event_id <= %s ON CONFLICT DO NOTHING RETURNING id""",
            [State.UNVERIFIED, after, upto],
        )
        return {row[0] for row in cursor.fetchall()}


def _hold(issues: Sequence[tuple[lease_facts.Sight, Call]]) -> set[int]:
    """Write which token took each lease, on each device; a second device may show an issue long after the first."""
    known = Lease.objects.filter(lease_id__in=[call.lease for _, call in issues])
    lease_of = {(one.vault_id, one.lease_id): one.pk for one in known}
    rows = [
        lease_facts.holder_row(lease, seen, call)
        for seen, call in issues
        if (lease := lease_of.get((seen.vault_id, call.lease)))
    ]
    LeaseHolder.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1_000)
    return {row.lease_id for row in rows}


def _learn_hashes(fresh: Iterable[int], facts: Sequence[LeaseFact]) -> set[int]:
    """A renewal shows an id in plain and as the device's HMAC: what it teaches needs no vault."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO audit_leasehash (lease_id, device_id, hmac)
               SELECT DISTINCT l.id, f.device_id, f.hmac FROM audit_lease l
               JOIN audit_leasefact f ON f.vault_id = l.vault_id AND f.lease = l.lease_id
               WHERE f.lease <> '' AND f.hmac <> '' AND (l.id = ANY(%s::bigint[]) OR f.event_id = ANY(%s::bigint[]))
               ON CONFLICT DO NOTHING RETURNING lease_id""",
            [list(fresh), [row.event_id for row in facts]],
        )
        return {row[0] for row in cursor.fetchall()}


def compute(leases: Iterable[int]) -> None:
    """Compute the rows of leases anew from everything that is known of them."""
    for some in _chunks(leases):
        with transaction.atomic():
            _compute(_locked(some))


def _compute(rows: Sequence[Lease]) -> None:
    known = lease_facts.known_of([one.pk for one in rows])
    blind = lease_facts.blind_of([one.pk for one in rows if one.verified == Kind.GONE])
    for one in rows:
        told = life([*_own(one), *known.get(one.pk, ())], blind=one.pk in blind)
        one.state, one.how, one.since = told.state, told.how, told.since
        one.renewals, one.renewed, one.asked = told.renewals, told.renewed, told.asked
        one.expires, one.token_ends, one.look_at = told.expires, told.token_ends, next_look(told)
        if told.state is State.GONE and blind.get(one.pk):
            one.look_at = _later(one)  # the log may tell why once it was read that far
    _write(rows)


def _write(rows: Sequence[Lease]) -> None:
    """Write what was computed; Django's own bulk update takes twenty times as long."""
    columns = [[one.pk for one in rows], *([getattr(one, name) for one in rows] for name in _COMPUTED)]
    sets = ", ".join(f"{name} = g.{name}" for name in _COMPUTED)
    places = ", ".join(f"%s::{kind}[]" for kind in ("bigint", *_COMPUTED.values()))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE audit_lease l SET {sets} FROM unnest({places}) AS g(id, {', '.join(_COMPUTED)}) WHERE l.id = g.id",  # noqa: S608 - our own text
            columns,
        )


def _later(one: Lease) -> datetime:
    """Return when to compute a lease anew whose log is behind: soon at first, and ever more seldom."""
    now = datetime.now(UTC)
    behind = now - one.verified_at if one.verified_at else SETTLED
    return now + min(max(behind / 4, SETTLED), FRESH)


def _settle() -> None:
    """Compute those anew that were gone before the log had been read far enough to tell why."""
    compute(Lease.objects.filter(state=State.GONE, look_at__lte=datetime.now(UTC)).values_list("pk", flat=True))


def _own(one: Lease) -> Iterator[Fact]:
    """Return the issue and the last lookups, which stand in the row itself."""
    yield Fact(Kind.ISSUED, one.issued, event=one.event_id)
    if one.found_at is not None:
        yield Fact(Kind.FOUND, one.found_at, ends=one.found_ends)
    if one.verified_at is not None and one.verified and one.verified != Kind.FOUND:
        yield Fact(Kind(one.verified), one.verified_at)


def hold(leases: Iterable[int], holder_of: HolderOf) -> int:
    """Write which pods hold these leases, as somebody else knows it; returns how many rows changed."""
    changed = 0
    for some in _chunks(leases):
        with transaction.atomic():
            rows = _locked(some)
            known = holder_of(rows)
            new = [one for one in rows if one.pk in known and _set_holding(one, known[one.pk])]
            Lease.objects.bulk_update(new, _HELD, batch_size=CHUNK)
            changed += len(new)
    return changed


def hold_all(seconds: float = TURN) -> int:
    """Write what attribution knows now of the pods that hold leases, for some seconds; returns how many rows changed.

    Which pod made a call may be known late, and its end comes later still.
    """
    changed, began = 0, time.monotonic()
    while known := lease_pods.changed(CHUNK):
        more = hold(known, partial(_known, known))
        changed += more
        if not more or time.monotonic() - began > seconds:
            break
    return changed


def _known(known: dict[int, Holding], _: Sequence[Lease]) -> dict[int, Holding]:
    return known


def _chunks(leases: Iterable[int]) -> Iterator[list[int]]:
    ordered = sorted(leases)
    return (ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK))


def _locked(some: Sequence[int]) -> list[Lease]:
    """Return rows that nobody else computes until we commit; then whoever waits for them sees our facts."""
    return list(Lease.objects.select_for_update().filter(pk__in=some).order_by("pk"))


def _set_holding(one: Lease, held: Holding) -> bool:
    before = (one.pod, one.pod_uid, one.grade, one.pod_gone)
    one.pod, one.pod_uid, one.grade, one.pod_gone = held.pod, held.uid, held.grade, held.gone
    return before != (one.pod, one.pod_uid, one.grade, one.pod_gone)


def hashed(lease: Lease, device_id: int, hmac: str) -> None:
    """Keep how a device shows a lease's id, and read what it has shown of it before."""
    with transaction.atomic():
        row = LeaseHash(lease=lease, device_id=device_id, hmac=hmac)
        LeaseHash.objects.bulk_create([row], ignore_conflicts=True)
        compute([lease.pk])


def looked(lease: Lease, said: Kind, at: datetime, ends: datetime | None = None) -> None:
    """Keep what a lookup said of a lease at a time; `ends` is its end, of one that was found."""
    with transaction.atomic():
        row = _locked([lease.pk])[0]
        late = row.verified_at is not None and row.verified_at > at  # another asked after us and was quicker to write
        if late or row.verified == said == Kind.GONE:
            return
        row.verified_at, row.verified = at, said
        if said is Kind.FOUND:
            row.found_at, row.found_ends = at, ends
        row.save(update_fields=["verified_at", "verified", "found_at", "found_ends"])
        _compute([row])


def catch_up(seconds: float = float("inf")) -> None:
    """Follow the record and the pods to their end, or for some seconds, unless another process does so already."""
    try:
        follow(seconds)
    except Busy:
        return
    hold_all(seconds)
