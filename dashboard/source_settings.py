"""What Settings > Sources shows: vaults with the last look at them, sources with their state, receivers' tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings

from audit.checks import ingestion
from audit.models import Source
from audit.sources.spool import KIND
from dashboard.words import duration
from inventory.models import CheckLine, Connection


@dataclass(frozen=True, slots=True)
class VaultCard:
    """One connected vault: what the last look said, and what is missing for a look that is wanted."""

    connection: Connection
    lines: list[CheckLine]
    wrong: list[CheckLine]
    command: str

    @property
    def waits(self) -> bool:
        """Whether a person asked for a look that no worker has taken yet."""
        return self.connection.wanted_at is not None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source: where it is read from, and how it is."""

    source: Source
    place: str
    words: str
    mend: str
    well: bool

    @property
    def is_file(self) -> bool:
        """Whether it is a log that can be stopped from being followed."""
        return self.source.kind != KIND


def vault_cards() -> list[VaultCard]:
    """Return the connected vaults by name."""
    found = Connection.objects.order_by("vault", "namespace").prefetch_related("lines")
    return [_card(one, list(one.lines.all())) for one in found]


def _card(one: Connection, lines: list[CheckLine]) -> VaultCard:
    namespace = f" --namespace {one.namespace}" if one.namespace else ""
    command = f"manage.py connect --vault {one.vault} --addr {one.address}{namespace} --token-file FILE --file PATH"
    return VaultCard(one, lines, [line for line in lines if not line.ok], command)


def source_rows() -> list[SourceRow]:
    """Return the sources, with what their own rows say: pages open no log."""
    found = Source.objects.select_related("device__vault").order_by("device__vault__name", "device__name")
    return [_row(one, datetime.now(UTC)) for one in found]


def _row(source: Source, now: datetime) -> SourceRow:
    place = str(source.settings.get("path") or f"POST to {settings.KEYBOOK.receiver}/audit")
    if source.trouble:
        return SourceRow(source, place, source.trouble, "", False)
    if source.drained_at is None:
        return SourceRow(source, place, "not read yet", "An ingest worker reads it within seconds, if one runs.", False)
    lag = (now - source.drained_at).total_seconds()
    words = f"read to its end {duration(lag)} ago"
    late = lag > ingestion.LAG
    return SourceRow(source, place, words, "Is the ingest worker running?" if late else "", not late)
