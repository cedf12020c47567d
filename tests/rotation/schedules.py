"""Schedules as tests make and look at them: a record of the secrets there are, and a time that stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from accounts.scope import EVERYTHING
from inventory.sightings import Rotatable, Rotated
from rotation import repeating, scheduling
from rotation.due import fits
from rotation.models import Change
from rotation.schedule_models import Schedule
from rotation.scheduling import Terms

NOW = datetime(2026, 11, 28, 20, tzinfo=UTC)  # a Saturday
SECRET = "secret/prod/ledger/bank-sftp"
WINDOW = "sun 02:00-04:00 Europe/Vienna"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Almanac:
    """A record that knows these secrets, and when each was last rotated."""

    def __init__(self, *names, **rotated):
        self.names, self.at, self.asked = names, rotated, []

    def rotatable(self, target, pattern, vault):
        return [Rotatable("demo", one, NOW - 400 * DAY) for one in self.names if fits(pattern, one)]

    def rotated(self, target, vault, name, since):
        self.asked.append(since)
        at = self.at.get(name.rpartition("/")[2])
        return Rotated(at, 7, "human/dora", 41) if at and at >= since else None


def schedule(owner, scope=EVERYTHING, **more):
    given = {"name": "bank", "target": "kv", "pattern": SECRET, "days": 90, "reason": "PCI 8.6.3", **more}
    made = scheduling.make(Terms(**given), owner, scope)
    Schedule.objects.filter(pk=made.pk).update(made_at=NOW - 400 * DAY)
    return made


def look(row, *names, now=NOW, **rotated):
    repeating.look(row.pk, Almanac(*(names or (SECRET,)), **rotated), now)
    row.refresh_from_db()
    return list(Change.objects.filter(asked_by="schedule").order_by("pk"))


def ends(change, state, **more):
    Change.objects.filter(pk=change.pk).update(state=state, ended_at=NOW, started_at=NOW, **more)
