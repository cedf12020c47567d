"""Who read a secret, counted from closed days and events together, is what the events alone say."""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.scope import EVERYTHING
from audit import callers, partitions, readers, rollups
from audit.ingest import connect
from audit.models import Address, Principal, Secret, Vault

DAY = datetime(2026, 3, 14, tzinfo=UTC)
DAYS = 6
AMENDED = 4
moments = st.integers(0, DAYS * 24 * 60 - 1).map(lambda minutes: DAY + timedelta(minutes=minutes))
edges = st.none() | moments | st.integers(0, DAYS).map(lambda days: DAY + timedelta(days=days))


@dataclass(frozen=True)
class Event:
    """One event of secret 1 or 2: who, from where, what came of it."""

    at: datetime
    principal: int
    secret: int
    outcome: int
    disclosed: int
    address: int
    version: int
    flags: int


EVENTS = st.lists(
    st.builds(
        Event, at=moments, principal=st.integers(1, 4), secret=st.sampled_from([1, 1, 1, 2]),
        outcome=st.sampled_from([1, 1, 2, 3, 4, 5]), disclosed=st.integers(0, 1), address=st.integers(1, 3),
        version=st.integers(0, 3), flags=st.sampled_from([3, 3, 3, 3 | AMENDED]),
    ),
    max_size=60,
)  # fmt: skip


@pytest.fixture
def names(past):
    """Two secrets of a vault, four principals, two of one name, and three addresses."""
    with closing(connect()) as wire:
        partitions.ensure(wire, [date(2026, 3, 14) + timedelta(days=n) for n in range(DAYS)])
    vault = Vault.objects.create(name="demo")
    for number in (1, 2):
        Secret.objects.create(id=number, vault=vault, mount="secret/", path=f"key-{number}", engine="KV v2",
                              name=f"secret/key-{number}")  # fmt: skip
    for number, name in enumerate(("b", "a", "twin", "twin"), 1):
        Principal.objects.create(id=number, vault=vault, kind="service_account", name=name, entity_id=str(number))
    for number in (1, 2, 3):
        Address.objects.create(id=number, address=f"10.0.0.{number}")
    return past


def write(some: list[Event], late: bool) -> None:
    """Put events into the store; late ones mark the windows that were closed before them."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO audit_event (id, time, request_id, principal, token, path, secret, address, version,
               duration, block, vault, device, operation, outcome, disclosed, flags, line)
               VALUES (nextval('audit_event_seq'), %s, %s, %s, 0, 1, %s, %s, %s, 0, 0, 1, 1, 1, %s, %s, %s, 0)""",
            [(e.at, uuid.uuid4(), e.principal, e.secret, e.address, e.version, e.outcome, e.disclosed, e.flags)
             for e in some],
        )  # fmt: skip
        if late:
            rollups.mark_dirty(cursor, [int(e.at.timestamp()) * 1_000_000 for e in some])


def alone(some: list[Event], since: datetime | None, until: datetime | None) -> list[tuple]:
    """Return what the events of secret 1 say by themselves: every reader with all that is told of it, in order."""
    told = []
    names = {1: "b", 2: "a", 3: "twin", 4: "twin"}
    for who, name in names.items():
        mine = [e for e in some if e.principal == who and e.secret == 1 and not e.flags & AMENDED
                and (since is None or e.at >= since) and (until is None or e.at < until)]  # fmt: skip
        reads = [e for e in mine if e.disclosed]
        denied = sum(e.outcome == 2 for e in mine)
        if reads or denied:
            times = sorted(e.at for e in reads) or [None]
            told.append((who, name, len(reads), denied, times[0], times[-1],
                         sorted({f"10.0.0.{e.address}" for e in mine}),
                         sorted({e.version for e in reads if e.version})))  # fmt: skip
    return sorted(told, key=lambda one: (-one[2], -one[3], one[1], one[0]))


def asked(since: datetime | None, until: datetime | None) -> list[tuple]:
    """Return what the question tells."""
    found = readers.readers_of(1, since, until)
    uses = readers.uses_of(1, since, until, [reader.principal_id for reader in found])
    assert not uses.capped
    return [
        (r.principal_id, r.principal, r.count, r.denied, r.first, r.last, r.addresses, r.versions)
        for r in readers.with_uses(found, uses)
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(early=EVENTS, late=EVENTS, closed=st.integers(0, DAYS + 1), again=st.booleans(), since=edges, until=edges)
def test_closed_dirty_and_open_days_together_tell_what_the_events_tell(names, early, late, closed, again, since, until):
    with transaction.atomic():
        write(early, late=False)
        rollups.close(DAY + timedelta(days=closed, hours=1))
        write(late, late=True)
        if again:
            rollups.close(DAY + timedelta(days=closed, hours=1))
        assert asked(since, until) == alone([*early, *late], since, until)
        for who in (1, 3):
            told = {
                use.secret_id: (use.count, use.denied) for use in callers.uses_of([who], since, until, scope=EVERYTHING)
            }
            wanted = [one[2:4] for one in alone([*early, *late], since, until) if one[0] == who]
            assert told.get(1) == (wanted[0] if wanted else None)
        transaction.set_rollback(True)


def test_a_closed_day_is_read_from_its_counts(names):
    with transaction.atomic():
        write([Event(DAY + timedelta(hours=n), 1, 1, 1, 1, 1, 1, 3) for n in range(5)], late=False)
        rollups.close(DAY + timedelta(days=2))
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM audit_event")
        assert [reader.count for reader in readers.readers_of(1, DAY, DAY + timedelta(days=1))] == [5]
        transaction.set_rollback(True)


def test_of_too_many_calls_the_newest_are_looked_at_and_that_is_said(names):
    with transaction.atomic():
        write(
            [Event(DAY + timedelta(hours=n), 1 + n // 5, 1, 1, 1, 1 + n // 5, n + 1, 3) for n in range(10)], late=False
        )
        newest = readers.uses_of(1, None, None, [2], newest=5)
        assert newest.capped and newest.of == {2: (["10.0.0.2"], [6, 7, 8, 9, 10])}
        assert readers.uses_of(1, None, None, [1], newest=5) == readers.Uses({}, capped=True)
        assert not readers.uses_of(1, None, None, [1, 2], newest=11).capped
        transaction.set_rollback(True)
