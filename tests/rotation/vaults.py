"""A connected vault as its mirror shows it, roles that a person enrolled, and leases of the record."""

from __future__ import annotations

from datetime import UTC, datetime

from inventory.models import AuthRole, Connection, Entity, Mount, Policy
from inventory.sightings import HeldLease
from vault.enrolment import enrolment

NOW = datetime(2026, 3, 14, 9, tzinfo=UTC)
LEASE = "database/creds/payments-rw/abc"


def held(lease=LEASE, **more):
    given = {
        "vault": "demo", "namespace": "", "secret": lease.rsplit("/", 1)[0], "state": "live", "verified": NOW,
        "issued": NOW, "expires": None, "principal": "payments/ledger", "principal_kind": "service_account",
        "pod": "payments/ledger-1", "pod_uid": "u1", "grade": "exact", "event": 1, **more,
    }  # fmt: skip
    return HeldLease(lease_id=lease, **given)


def connected():
    """A connected vault with its mounts; `enrol` applies what a person would."""
    made = Connection.objects.create(vault="demo", address="http://127.0.0.1:8200")
    for path, kind, version in (
        ("secret/", "kv", 2),
        ("legacy/", "kv", 1),
        ("database/", "database", 0),
        ("transit/", "transit", 0),
    ):
        Mount.objects.create(connection=made, path=path, accessor=path, type=kind, kv_version=version, seen_first=NOW)
    Entity.objects.create(connection=made, entity_id="e-1", name="payments-ledger", seen_first=NOW)
    return made


def enrol(connection, target, verb, mount="", prefix=""):
    one = enrolment(target, verb, mount, prefix)
    times = {"seen_first": NOW, "changed_at": NOW}
    Policy.objects.create(connection=connection, name=one.name, text=one.policy(), sha256="0" * 64, **times)
    AuthRole.objects.create(
        connection=connection, method="auth/token/", type="token", name=one.name, policies=[one.name], **times
    )
    return one.name
