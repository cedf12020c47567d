"""A small record with known answers, in the place of `audit.queries`, to show pages without a database."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from accounts.scope import Scope
from audit.queries import (
    Bucket,
    DeviceState,
    EventRow,
    Gap,
    NotOneSecret,
    Reader,
    ReaderPod,
    SecretRef,
    StoredLine,
    Uses,
    WhoRead,
)

HOSTILE = [
    "secret/prod/<script>alert(1)</script>",
    'secret/prod/"><img src=x onerror=alert(1)>',
    "secret/prod/\u202egnp.exe",
    "secret/prod/" + "a" * 180,
    "secret/prod/{{ 7|add:7 }}{% url 'home' %}",
    "secret/prod/שלום/עולם",
    "secret/prod/tab\there\x00\u200b",
]
CAST = [
    ("payments/ledger", "service_account", "service account only", 40),
    ("payments/settlement", "service_account", "service account only", 14),
    ("vault-secrets-operator-system/vault-secrets-operator-controller-manager", "service_account", "unknown", 6),
    ("mira.holt", "human", "not a pod", 3),
    ("repo:acme/ledger:ref:refs/heads/main", "ci", "not a pod", 1),
    ("checkout/checkout", "service_account", "unknown", 2),
    ("legacy-ledger", "approle", "not a pod", 1),
    ("edge-gw", "certificate", "not a pod", 1),
    ("root", "root", "not a pod", 1),
]


@dataclass
class Record:
    """Secrets, events, gaps and devices; its methods answer as the functions of `audit.queries` of the same name do."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    known: list[SecretRef] = field(default_factory=list)
    happened: list[EventRow] = field(default_factory=list)
    of: dict[int, int] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    states: list[DeviceState] = field(default_factory=list)
    complete_until: datetime | None = None

    def add_secret(self, name: str, engine: str = "KV v2", vault: str = "eu-prod") -> SecretRef:
        """Add a secret."""
        first, last = self.now - timedelta(days=45), self.now - timedelta(minutes=9)
        one = SecretRef(len(self.known) + 1, name, vault, engine, f"kv_{len(self.known):08x}", first, last)
        self.known.append(one)
        return one

    def add_event(self, one: SecretRef, ago: timedelta, who: int = 0, **changes: object) -> EventRow:
        """Add a call to a secret, `ago` before now."""
        name, kind, _, _ = CAST[who]
        number = len(self.happened) + 1
        row = EventRow(
            id=number,
            time=self.now - ago,
            outcome="ok",
            disclosed="value",
            operation="read",
            path=one.name.replace("/", "/data/", 1),
            principal_id=who + 1,
            principal=name,
            kind=kind,
            address=f"10.42.3.{who + 10}",
            version=14,
            request_id=f"{number:08x}-2a91-4c11-9e0d-7d3e{number:08x}",
            devices=["file", "http"],
        )
        row = replace(row, **changes)  # type: ignore[arg-type]
        self.happened.append(row)
        self.of[row.id] = one.id
        return row

    def find_secret(self, name: str, vault: str | None = None, *, scope: Scope) -> SecretRef:
        """Return the one secret of this name."""
        fits = [one for one in self.known if one.name == name and vault in {None, one.vault}]
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise NotOneSecret(f"{len(fits)} secrets are named {name}. Say the vault too.", fits)
        tail = name.rsplit("/", 1)[-1]
        near = [one for one in self.known if tail and tail[:3] in one.name][:5]
        raise NotOneSecret(f"No secret is named {name} in the audit log. Nearest names follow.", near)

    def secret(self, secret_id: int, *, scope: Scope) -> SecretRef:
        """Return the secret of this key."""
        for one in self.known:
            if one.id == secret_id:
                return one
        raise NotOneSecret(f"No secret has the key {secret_id}.", [])

    def secrets(self, prefix: str = "", limit: int = 200, after: str = "", *, scope: Scope) -> list[SecretRef]:
        """Return secrets by name."""
        rows = sorted(self.known, key=lambda one: one.name)
        return [one for one in rows if one.name.startswith(prefix) and one.name > after][:limit]

    def _between(self, one: SecretRef, since: datetime | None, until: datetime | None) -> list[EventRow]:
        rows = [row for row in self.happened if self.of[row.id] == one.id]
        return [r for r in rows if (not since or r.time >= since) and (not until or r.time < until)]

    def who_read(self, one: SecretRef, since: datetime | None = None, until: datetime | None = None) -> WhoRead:
        """Return the readers."""
        rows = self._between(one, since, until)
        readers = []
        for who in sorted({row.principal_id for row in rows}):
            mine = [row for row in rows if row.principal_id == who]
            reads = sorted(row.time for row in mine if row.disclosed)
            readers.append(
                Reader(
                    *(who, mine[0].principal, mine[0].kind, None, CAST[(who - 1) % len(CAST)][2], len(reads)),
                    denied=sum(row.outcome == "denied" for row in mine),
                    first=reads[0] if reads else None,
                    last=reads[-1] if reads else None,
                    addresses=sorted({row.address for row in mine}),
                    versions=sorted({row.version for row in mine if row.version}),
                )
            )
        readers.sort(key=lambda reader: -reader.count)
        gaps = [
            g
            for g in self.gaps
            if not (since and g.end and g.end < since) and not (until and g.start and g.start > until)
        ]
        return WhoRead(one, since, until, self.complete_until, readers, gaps)

    def uses_of(self, answer: WhoRead, some: list[Reader], newest: int) -> Uses:
        """Return the addresses and versions that `who_read` told already."""
        return Uses({reader.principal_id: (reader.addresses, reader.versions) for reader in some})

    def pods_of(self, answer: WhoRead, some: list[Reader], newest: int) -> dict[int, list[ReaderPod]]:
        """Return no pods: no cluster is connected."""
        return {}

    def timeline(self, one: SecretRef, since: datetime, until: datetime) -> list[Bucket]:
        """Return equal buckets."""
        buckets = 120
        step = (until - since) / buckets
        rows, out = self._between(one, since, until), []
        for index in range(buckets):
            start, end = since + step * index, since + step * (index + 1)
            mine = [row.outcome for row in rows if start <= row.time < end]
            blind = any(g.start and g.end and g.start < end and g.end > start for g in self.gaps)
            error = sum(o in {"error", "no_response"} for o in mine)
            out.append(Bucket(start, end, mine.count("ok"), mine.count("denied"), error, blind))
        return out

    def events_of_secret(
        self,
        one: SecretRef,
        since: datetime | None = None,
        until: datetime | None = None,
        principal_id: int | None = None,
        before: tuple[datetime, int] | None = None,
        limit: int = 100,
    ) -> list[EventRow]:
        """Return the newest events."""
        rows = [r for r in self._between(one, since, until) if principal_id in {None, r.principal_id}]
        rows = [r for r in rows if before is None or (r.time, r.id) < before]
        return sorted(rows, key=lambda r: (r.time, r.id), reverse=True)[:limit]

    def event(self, event_id: int, *, scope: Scope) -> EventRow:
        """Return one event."""
        for row in self.happened:
            if row.id == event_id:
                return row
        raise LookupError(f"No event {event_id}.")

    def lines_of(self, event_id: int, *, scope: Scope) -> list[StoredLine]:
        """Return a masked response line for each device."""
        row = self.event(event_id, scope=scope)
        line = {
            "time": row.time.isoformat(),
            "type": "response",
            "auth": {"display_name": f"kubernetes-{row.kind}", "policies": ["default", "ledger-read"]},
            "request": {"id": row.request_id, "path": row.path, "remote_address": row.address},
            "response": {"data": {"data": {"password": "string, 40"}, "metadata": {"version": row.version}}},
        }
        text = json.dumps(line)
        return [
            StoredLine(
                device, "response", text, f"/var/log/vault/audit-{device}.log", 3089807 + row.id, f"{row.id:064x}"
            )
            for device in row.devices
        ]

    def devices(self, *, scope: Scope) -> list[DeviceState]:
        """Return the devices."""
        return self.states


def small() -> Record:
    """Return one secret, two readers and one refusal: counts that a test can name."""
    record = Record()
    record.complete_until = record.now
    record.states = [DeviceState("eu-prod", "file", record.now, 1.2, False)]
    one = record.add_secret("secret/prod/ledger/bank-sftp")
    record.add_secret("secret/prod/ledger/db-url")
    for minutes in (5, 65, 600):
        record.add_event(one, timedelta(minutes=minutes))
    record.add_event(one, timedelta(hours=30), 3, version=13)
    record.add_event(one, timedelta(hours=31), 5, outcome="denied", disclosed="", version=None)
    return record


def full(seed: int = 11) -> Record:
    """Return a month of a busy secret with a hole, and hostile names beside it."""
    dice = random.Random(seed)
    record = Record()
    now = record.now
    record.complete_until = now - timedelta(seconds=2)
    record.states = [
        DeviceState("eu-prod", "file", now - timedelta(seconds=1), 1.2, False),
        DeviceState("eu-prod", "http", now - timedelta(seconds=1), 1.4, False),
        DeviceState("eu-lab", "file", now - timedelta(seconds=828), 828.0, True),
    ]
    record.gaps = [
        Gap(
            "rename",
            "file",
            now - timedelta(days=18, hours=20),
            now - timedelta(days=18, hours=3, minutes=10),
            "The file was renamed and Vault still wrote to the old one.",
        ),
        Gap(
            "truncate",
            "http",
            now - timedelta(minutes=47),
            now - timedelta(minutes=41),
            "The device answered 503 three times.",
        ),
    ]
    one = record.add_secret("secret/prod/ledger/bank-sftp")
    for name, engine in [
        ("secret/prod/ledger/db-url", "KV v2"),
        ("secret/prod/payments-api/stripe-key", "KV v2"),
        ("analytics/secret/prod/etl/warehouse/loader/s3-key", "KV v2"),
        ("database/creds/payments-rw", "database"),
        ("legacy/payments/shared", "KV v1"),
        ("pki/issue/internal", "pki"),
        ("transit/datakey/plaintext/ledger", "transit"),
        ("ssh/creds/otp", "ssh"),
        ("database/static-creds/ledger-batch", "database"),
        ("teams/eu/platform/secret/prod/observability/grafana/oauth-client-secret", "KV v2"),
    ]:
        record.add_secret(name, engine)
    for name in HOSTILE:
        record.add_event(record.add_secret(name), timedelta(minutes=3))
    weights = [w for _, _, _, w in CAST]
    for _ in range(1800):
        minutes = dice.uniform(0.2, 30 * 24 * 60) if dice.random() > 0.05 else dice.uniform(0.2, 180)
        ago = timedelta(minutes=minutes)
        if any(g.start and g.end and g.start < now - ago < g.end for g in record.gaps):
            continue
        who = dice.choices(range(len(CAST)), weights)[0]
        if who == 5:
            record.add_event(one, ago, who, outcome="denied", disclosed="", version=None)
        elif dice.random() < 0.01:
            outcome = dice.choice(["error", "not_found", "no_response"])
            record.add_event(one, ago, who, outcome=outcome, disclosed="", version=None)
        else:
            address = f"10.42.3.{who + dice.choice((10, 10, 30, 50))}"
            record.add_event(one, ago, who, version=13 if ago > timedelta(days=3) else 14, address=address)
    return record
