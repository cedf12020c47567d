"""What ingestion itself noted: quarantine, gaps, devices that disagree, alarms, requests without a response."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from audit.models import Alarm, Gap, Pending, Quarantine
from kit.check import Check

DAYS = 7  # what is older was seen by whoever looks at doctor weekly; pages and tables keep it
_ALARMS = {
    "plain token": "Revoke those tokens, set log_raw=false, and upgrade a Vault that logs tokens (CVE-2024-8365).",
    "duplicate keys": "A vault writes no key twice: find out who else writes to this log.",
}


def findings() -> Iterator[Check]:
    """Everything that ingestion noted in the last days."""
    yield _quarantine()
    yield _gaps()
    missed = Gap.objects.filter(kind="missed", start__gt=_lately()).values_list("device__name", flat=True).distinct()
    none = f"no device missed in {DAYS} days what another has"
    detail = f"{', '.join(sorted(missed))} missed entries" if missed else none
    mend = "Look at that device: disk full, or its receiver was away." if missed else ""
    yield Check("devices", not missed, detail, mend)
    for alarm in Alarm.objects.filter(last_at__gt=_lately()).select_related("device__vault"):
        since = f"{alarm.count} times since {alarm.first_at:%Y-%m-%d %H:%M} UTC"
        yield Check(f"{alarm.kind} {alarm.device}", False, f"{since}: {alarm.detail}", _ALARMS.get(alarm.kind, ""))
    waiting = Pending.objects.filter(received_at__lt=datetime.now(UTC) - timedelta(minutes=5)).count()
    mend = "Run the ingest worker or manage.py follow: it accepts them as without response." if waiting else ""
    yield Check("unanswered", not waiting, f"{waiting} requests wait for a response for over 5 min", mend)


def _lately() -> datetime:
    return datetime.now(UTC) - timedelta(days=DAYS)


def _quarantine() -> Check:
    bad = Quarantine.objects.filter(at__gt=_lately()).select_related("generation").order_by("-pk")
    if not bad:
        old = Quarantine.objects.count()
        return Check("quarantine", True, f"nothing new in {DAYS} days; {old} stretches of bytes from before are kept")
    newest = bad[0]
    place = f"{newest.length} bytes at {newest.position} of {newest.generation.path}: {newest.reason}"
    detail = f"{len(bad)} stretches of bytes are no audit line; the newest: {place}"
    return Check("quarantine", False, detail, "Look at that place of the file; a full disk or a crash tears lines.")


def _gaps() -> Check:
    lost = Gap.objects.exclude(kind="missed").filter(start__gt=_lately()).order_by("-pk")
    if not lost:
        old = Gap.objects.exclude(kind="missed").count()
        return Check("gaps", True, f"nothing lost in {DAYS} days; {old} gaps from before are kept")
    detail = f"{len(lost)} stretches may be lost; the newest: {lost[0].detail}"
    return Check("gaps", False, detail, "Import the missing file if it exists; the gap stays as a note of the time.")
