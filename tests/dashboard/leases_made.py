"""Leases with known answers, written into the tables as following the record would have left them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from audit.lease_models import Lease, LeaseFact
from audit.models import Device, LeaseIssue, Principal, Secret, Vault

NOW = datetime.now(UTC).replace(microsecond=0)
_numbers = count(7_000_001)


def vault(name: str = "eu-prod") -> Vault:
    """Return a vault with one device."""
    one, _ = Vault.objects.get_or_create(name=name)
    Device.objects.get_or_create(vault=one, name="file", defaults={"last_time": NOW, "seen_at": NOW})
    return one


def lease(
    secret: str = "database/creds/payments-rw",
    holder: str = "payments/payments-api",
    kind: str = "service_account",
    *,
    own: str = "",
    of: str = "eu-prod",
    ago: timedelta = timedelta(minutes=30),
    **more: Any,
) -> Lease:
    """Make a lease that was issued a while ago; `more` are columns of its row."""
    number, home = next(_numbers), vault(of)
    mount, _, path = secret.partition("/")
    about, _ = Secret.objects.get_or_create(
        vault=home, namespace="", mount=f"{mount}/", path=path, defaults={"engine": "database", "name": secret}
    )
    who, _ = Principal.objects.get_or_create(vault=home, kind=kind, name=holder, namespace="", entity_id=holder)
    issued = NOW - ago
    same = {"vault": home, "lease_id": f"{secret}/{own or f'h4XkQ2{number}9sQzT1'}", "secret": about, "principal": who}
    issue = LeaseIssue.objects.create(**same, event_id=number, time=issued)
    row = {"issued": issued, "since": issued, "state": "unverified", "event_id": number, "look_at": NOW}
    return Lease.objects.create(issue=issue, **same, **{**row, **more})


def fact(of: Lease, kind: str, at: datetime, *, ok: bool = True, event: int | None = None) -> LeaseFact:
    """Make a call about a lease, as the one device shows it."""
    device = Device.objects.get(vault=of.vault, name="file")
    number = next(_numbers) if event is None else event
    return LeaseFact.objects.create(
        vault=of.vault, device=device, event_id=number, time=at, kind=kind, ok=ok, lease=of.lease_id
    )
