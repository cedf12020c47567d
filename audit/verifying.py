"""Asks connected vaults what only they can tell of leases: how a device shows an id, and whether a lease lives.

Both are optional rights of the collector's token. Each question is two lines of the audit log, so they are asked
slowly; what cannot be asked now is due still at the next turn, which finds its work in the rows alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection as database
from django.db.models import Exists, OuterRef, QuerySet

from audit import leasing
from audit.lease_models import Lease, LeaseHash
from audit.models import Device
from inventory import asking
from inventory.leases import Kind, State
from inventory.models import Connection
from vault import server
from vault.errors import NotPermitted, Refused, TokenGone, VaultError

PER_SECOND = 20.0  # questions to one vault
TURN = 5.0  # seconds for all vaults together, of the ten between two bells
BATCH = 200  # leases that are taken from the table at a time
_LOCK = 0x6B62_0011
Open = Callable[[Connection, str], server.Server]
Clock = Callable[[], datetime]


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Asked:
    """What a turn asked; `refused` holds what a vault did not let us ask, as sentences."""

    hashed: int = 0
    looked: int = 0
    refused: list[str] = field(default_factory=list)


class Pace:
    """Lets questions through one by one, until the turn is over."""

    def __init__(self, per_second: float, until: float) -> None:
        self.gap, self.until, self.next = 1 / per_second, until, time.monotonic()

    def go(self) -> bool:
        """Wait for the next question's turn; False when there is none any more."""
        wait = self.next - time.monotonic()
        if time.monotonic() + max(wait, 0) >= self.until:
            return False
        time.sleep(max(wait, 0))
        self.next = max(self.next, time.monotonic()) + self.gap
        return True


def verify(open_way: Open = asking.client, seconds: float = TURN, clock: Clock = now) -> Asked:
    """Ask every vault of which this process has a token what is due; two workers don't ask at once."""
    done = Asked()
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return done
        try:
            until = time.monotonic() + seconds
            for one in _connections():
                _ask(one, open_way, Pace(PER_SECOND, until), clock, done)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
    return done


def _connections() -> list[Connection]:
    """Return one connection of each vault that has leases, of its root namespace if there is one: it reaches all."""
    found: dict[str, Connection] = {}
    vaults = Lease.objects.filter(look_at__isnull=False).values_list("vault__name", flat=True).distinct()
    for one in Connection.objects.filter(vault__in=set(vaults)).order_by("-namespace", "pk"):
        found[one.vault] = one
    return list(found.values())


def _ask(one: Connection, open_way: Open, pace: Pace, clock: Clock, done: Asked) -> None:
    try:
        token = asking.token_of(one, settings.KEYBOOK.vault_token_files)
        if not token:
            return
        way = open_way(one, token)
    except (asking.UnusableToken, VaultError) as error:
        done.refused.append(str(error))
        return
    for ask, right in ((_hash, "sys/audit-hash/+"), (_look, "sys/leases/lookup")):
        if one.lines.filter(name__contains=f" {right} (", detail__startswith="missing").exists():
            continue  # the last look at the vault says so, and each refused call would be two lines in its log
        try:
            ask(one, way, pace, clock, done)
        except VaultError as error:
            done.refused.append(str(error))


def _hash(one: Connection, way: server.Server, pace: Pace, _: Clock, done: Asked) -> None:
    """Learn how each device shows the ids that it may be asked about, the newest leases first."""
    for device in Device.objects.filter(vault__name=one.vault, last_time__isnull=False):
        for lease in list(_without_hash(one, device)[:BATCH]):
            if not pace.go():
                return
            try:
                hmac = way.audit_hash(device.name, lease.lease_id)
            except Refused as error:
                if isinstance(error, NotPermitted | TokenGone):
                    raise
                done.refused.append(f"{device}: {error}")  # the vault knows no device of this name
                break
            leasing.hashed(lease, device.pk, hmac)
            done.hashed += 1


def _without_hash(one: Connection, device: Device) -> QuerySet[Lease]:
    known = LeaseHash.objects.filter(lease=OuterRef("pk"), device=device)
    return _of(one).filter(~Exists(known), look_at__isnull=False).order_by("-pk")


def _of(one: Connection) -> QuerySet[Lease]:
    rows = Lease.objects.filter(vault__name=one.vault)
    return rows.filter(namespace__startswith=one.namespace) if one.namespace else rows


def _look(one: Connection, way: server.Server, pace: Pace, clock: Clock, done: Asked) -> None:
    """Look up what is due, the longest due first; those that are gone for an unknown reason are not asked again."""
    skew = _skew(way)
    due = _of(one).exclude(state=State.GONE).filter(look_at__lte=clock() + skew).order_by("look_at")
    rows = list(due[:BATCH])
    given_up = _given_up(way, rows)
    for lease in rows:
        if not pace.go():
            return
        at = clock() + skew
        found = way.lease(lease.lease_id)
        if found is None:
            leasing.looked(lease, Kind.GONE, at)
        elif lease.lease_id in given_up:
            leasing.looked(lease, Kind.IRREVOCABLE, at)
        else:
            leasing.looked(lease, Kind.FOUND, at, _end(found, at))
        done.looked += 1


def _skew(way: server.Server) -> timedelta:
    """Return how far the vault's clock is ahead of ours: facts of the log carry its time. Seconds are all it tells."""
    ahead = way.health().server_time - time.time()
    return timedelta(seconds=ahead) if abs(ahead) > 2 and ahead > -1e9 else timedelta()


def _given_up(way: server.Server, due: Sequence[Lease]) -> set[str]:
    """Ask for the irrevocable ones only where a revocation has failed before; it is a right of its own."""
    if not any(one.state in (State.QUEUED, State.IRREVOCABLE) for one in due):
        return set()
    try:
        return way.irrevocable()
    except Refused:
        return set()


def _end(found: server.Lease, at: datetime) -> datetime | None:
    """Return a lease's end as the vault tells it, in the past exactly if the vault says that its time is over.

    A time to live of 0 is less than a second.
    """
    over = found.ttl < 0
    if found.expires is None:
        return at if over else None
    return found.expires if (found.expires <= at) == over else at + timedelta(seconds=0 if over else max(found.ttl, 1))
