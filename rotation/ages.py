"""How old the secrets of a schedule are, by what the audit log shows or by our own changes; looked up bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from inventory.sightings import Rotatable
from rotation.due import fits, globbed
from rotation.lifecycle import SUCCEEDED
from rotation.models import Change
from rotation.schedule_models import Age, Schedule
from rotation.world import Almanac

BACK = timedelta(minutes=30)  # how far lines may come late, so that the log is looked through again
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Known:
    """One secret: when its value was last seen to change (None for never), and since when the log shows the secret.

    `by` is who changed it; `event` the log's event, None where our own change tells it.
    """

    vault: str
    subject: str
    rotated: datetime | None = None
    seen: datetime | None = None
    version: int = 0
    by: str = ""
    event: int | None = None


def learn(row: Schedule, almanac: Almanac, now: datetime) -> None:
    """Look through the log for what became known of the secrets of a schedule since the last look, and keep it."""
    for one in almanac.rotatable(row.target, row.pattern, row.vault):
        _learn(row.target, one, almanac, now)


def _learn(target: str, one: Rotatable, almanac: Almanac, now: datetime) -> None:
    named = {"target": target, "vault": one.vault, "subject": one.name}
    age, _ = Age.objects.get_or_create(**named, defaults={"seen": one.first})
    found = almanac.rotated(target, one.vault, one.name, _since(age, now))
    kept: dict[str, object] = {"heard": now}
    if age.seen is None and one.first is not None:
        kept["seen"] = one.first
    if found is not None and (age.rotated is None or found.at > age.rotated):
        kept |= {"rotated": found.at, "version": found.version, "by": found.by, "event": found.event}
    Age.objects.filter(pk=age.pk).update(**kept)


def _since(age: Age, now: datetime) -> datetime:
    """Return from when on to look: on a new day from the beginning, for old logs may have been imported meanwhile."""
    if age.heard is None or age.heard.date() != now.date():
        return BEGIN
    return age.heard - BACK


def known(row: Schedule) -> Sequence[Known]:
    """Return the secrets of a schedule with their ages, by vault and name; one that no log shows is there all the same.

    By what `learn` kept: nothing is looked up in the log.
    """
    ages = Age.objects.filter(target=row.target, **({"vault": row.vault} if row.vault else {}))
    found = [_of(one) for one in ages.order_by("vault", "subject") if fits(row.pattern, one.subject)]
    if not found and not globbed(row.pattern):
        found = [Known(row.vault, row.pattern)]
    ours = _ours(row.target, [one.subject for one in found])
    return [_newer(one, *ours.get((one.vault, one.subject), (None, ""))) for one in found]


def _of(age: Age) -> Known:
    return Known(age.vault, age.subject, age.rotated, age.seen, age.version, age.by, age.event)


def _ours(target: str, subjects: Sequence[str]) -> dict[tuple[str, str], tuple[datetime | None, str]]:
    """Return when changes of ours last rotated secrets, by vault and name, and which change did."""
    some = Change.objects.filter(target=target, subject__in=subjects, state=SUCCEEDED).exclude(started_at=None)
    rows = some.order_by("started_at").values_list("vault", "subject", "started_at", "pk")
    return {(vault, subject): (at, f"C-{key}") for vault, subject, at, key in rows}


def _newer(one: Known, at: datetime | None, by: str) -> Known:
    """Return a secret with the time of our own change, where the log shows nothing newer."""
    if at is None or (one.rotated is not None and one.rotated >= at):
        return one
    return replace(one, rotated=at, by=by, version=0, event=None)
