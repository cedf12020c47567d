"""What workers do for the past when a bell rings: take a turn over a source, keep house, find what is due."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import InterfaceError, OperationalError, connection

from audit import actions, attributing, leasing, old_holders
from audit.batch import LostRace
from audit.models import Source
from inventory.bells import database_may_be_away, doorbell, ring

TURN = 10.0  # seconds: what one source may take before the others' bells are heard
_HOUSE_LOCK = 0x6B62_0003
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, OperationalError, InterfaceError)
_log = logging.getLogger("keybook.audit")


@doorbell("audit.sweep")
def sweep() -> None:
    """Ring for every source: what a lost message left behind is found here, a second later."""
    with _the_database_may_be_away("The sweep"):
        for key in Source.objects.order_by("pk").values_list("pk", flat=True):
            if not ring(read_source, key):
                return


@doorbell("audit.read_source")
def read_source(source_id: int) -> None:
    """Take one bounded turn over a source, and ring again while there is more."""
    with _the_database_may_be_away(f"The turn over source {source_id}"):
        source = Source.objects.select_related("device", "live").filter(pk=source_id).first()
        if source is not None and take_turn(source):
            ring(read_source, source_id)


def take_turn(source: Source, seconds: float = TURN) -> bool:
    """Read a source for some seconds; tells whether more is waiting. A fault of ours is kept beside the source."""
    try:
        report = actions.read_source(source, seconds=seconds)
    except (*_AWAY, LostRace):
        raise
    except Exception as error:  # a fault of ours in one log must not stop the others
        kind = type(error).__name__
        _log.exception("Keybook failed on source %s (%s).", source.pk, kind)
        actions.note_trouble(source, f"Keybook itself failed on this log ({kind}); its cursor did not move. Report it.")
        return False
    return report is not None and not report.drained


@doorbell("audit.keep_house")
def keep_house() -> None:
    """Make partitions ahead, forget what is past retention, close hours and days, compare devices; one at a time."""
    with _the_database_may_be_away("Keeping house"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_HOUSE_LOCK])
        if not cursor.fetchone()[0]:
            return
        try:
            actions.keep_house()
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_HOUSE_LOCK])


@doorbell("audit.attribute")
def attribute() -> None:
    """Take one bounded turn of attributing calls to pods, and ring again while there is more."""
    with _the_database_may_be_away("Attribution"):
        report = attributing.attribute(seconds=TURN)
        if report is not None and not report.drained:
            ring(attribute)


@doorbell("audit.follow_leases")
def follow_leases() -> None:
    """Follow the record for leases for some seconds; another turn may be at work, and the next bell goes on."""
    with _the_database_may_be_away("Following leases"):
        try:
            leasing.follow()
        except leasing.Busy:
            return


@doorbell("audit.hold_leases")
def hold_leases() -> None:
    """Write what is known now of the pods that hold leases."""
    with _the_database_may_be_away("Finding the pods of leases"):
        leasing.hold_all()


@doorbell("audit.find_old_versions")
def find_old_versions() -> None:
    """Work out for some seconds which pods hold old versions of secrets."""
    with _the_database_may_be_away("Finding old versions"):
        old_holders.find()


@contextmanager
def _the_database_may_be_away(what: str) -> Iterator[None]:
    """Say in one line that PostgreSQL is away or that another ingester was quicker; the next bell tries again."""
    with database_may_be_away(what, _log):
        try:
            yield
        except LostRace as error:
            _log.warning("%s was given up: %s", what, error)
