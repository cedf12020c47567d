"""What the worker of operations does when a bell rings: look at a change, run it, and find those that are due."""

from __future__ import annotations

import logging

import psycopg
from django.conf import settings
from django.db import Error
from django.db.models import Q
from django.utils import timezone

from inventory import executing
from inventory.bells import database_may_be_away, doorbell
from kit import faults
from rotation import delivering, findings, handed, hearing, lifecycle, repeating, turns
from rotation.bells import ring
from rotation.books import almanac, witness
from rotation.models import Change
from rotation.sealing import Unsealable

MOST = 100  # changes that one sweep rings for
_log = logging.getLogger("keybook.rotation")


@doorbell("rotation.sweep")
def sweep() -> None:
    """Ring for every change that is due and that nobody holds: what a lost message or a killed worker left behind."""
    with database_may_be_away("The sweep of changes", _log):
        for key in due_now():
            ring(key)


def due_now() -> list[int]:
    """Return the keys of the changes that a worker should look at now, the longest due first."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    due = Q(due_at=None) | Q(due_at__lte=now)
    some = Change.objects.filter(free, due, state__in=[*lifecycle.WORK, lifecycle.REQUESTED])
    return list(some.order_by("due_at", "pk").values_list("pk", flat=True)[:MOST])


@doorbell("rotation.run_change")
def run_change(change_id: int) -> None:
    """Take a change as far as it goes now."""
    with database_may_be_away(f"The turn of C-{change_id}", _log):
        try:
            turns.take(change_id)
        except (Error, psycopg.Error):
            raise
        except Exception as error:  # a fault of ours in one change must not stop the others, and must be seen
            _log.error("Keybook failed on C-%s: %s.", change_id, faults.told(error))
            turns.note_fault(change_id, type(error).__name__)


@doorbell("rotation.hear")
def hear() -> None:
    """Hear what Vault's log says of our own calls."""
    with database_may_be_away("Hearing Vault's log", _log):
        setting = settings.KEYBOOK.executor
        _keep_sealed(settings.KEYBOOK.seal)
        hearing.hear(witness(), lambda vault: executing.entities(setting, vault))
        findings.meet([(vault, str(why)) for vault, why in executing.troubles()])


@doorbell("rotation.look_at_schedules")
def look_at_schedules() -> None:
    """Ask for what schedules want now."""
    with database_may_be_away("The look at schedules", _log):
        for key in repeating.live():
            try:
                repeating.look(key, almanac())
            except (Error, psycopg.Error):
                raise
            except Exception:  # a fault of ours in one schedule must not keep the others from asking
                _log.exception("Keybook failed on schedule %s.", key)


@doorbell("rotation.deliver")
def deliver() -> None:
    """Deliver the notices that are due; the worker that does this holds no door to a vault or a cluster."""
    with database_may_be_away("The turn of notices", _log):
        delivering.turn()


def _keep_sealed(file: str) -> None:
    """Let people seal for this worker, and keep nothing of what is not needed any more."""
    if not file:
        return
    try:
        handed.publish(file)
    except Unsealable as why:
        _log.error("Nothing can be handed over to this worker: %s", why)
    handed.forget()
