"""`manage.py who_read`: the readers of a secret."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.scope import EVERYTHING
from audit import queries
from audit.commands import BadInput, as_json, explained, read_window, table, take_window, visible
from audit.principal import Kind
from cluster.audit_calls import IMPERSONATED


class Command(BaseCommand):
    """Print who read a secret: counts, first and last time, addresses and versions."""

    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        parser.add_argument("secret", help="[<namespace>/]<mount>/<path>, such as secret/prod/ledger/bank-sftp")
        parser.add_argument("--vault", help="where several vaults have a secret of this name")
        take_window(parser)

    def handle(self, *args: Any, **given: Any) -> None:
        """Answer."""
        with explained():
            since, until = read_window(given)
            try:
                one = queries.find_secret(given["secret"], given["vault"], scope=EVERYTHING)
                answer = queries.who_read_and_from_where(one, since, until)
            except queries.NotOneSecret as error:
                raise BadInput(str(error)) from None
        self.stdout.write(json.dumps(_document(answer)) if given["json"] else _print(answer))


def _document(answer: queries.WhoRead) -> dict[str, Any]:
    names = [
        "principal",
        "kind",
        "pod",
        "grade",
        "count",
        "denied",
        "first",
        "last",
        "addresses",
        "versions",
        "entity_id",
        "cluster",
        "pod_uid",
        "delivered_by",
    ]
    return {
        "secret": answer.secret.name,
        "vault": answer.secret.vault,
        "complete_until": as_json(answer.complete_until),
        "readers": [{name: as_json(getattr(one, name)) for name in names} for one in answer.readers],
    }


def _print(answer: queries.WhoRead) -> str:
    rows = [_row(one) for one in answer.readers if one.kind != Kind.NODE]
    rows += _kubelets([one for one in answer.readers if one.kind == Kind.NODE])
    head = [
        "principal",
        "kind",
        "pod",
        "proof",
        "reads",
        "denied",
        "first (UTC)",
        "last (UTC)",
        "addresses",
        "versions",
    ]
    reads, denied = sum(one.count for one in answer.readers), sum(one.denied for one in answer.readers)
    losses = [gap for gap in answer.gaps if gap.kind != "missed"]
    end = (
        f"Complete until {as_json(answer.complete_until)}."
        if answer.complete_until
        else "Not complete: a source was never read to its end."
    )
    if losses:
        end += f" Not complete: {len(losses)} gap(s), the first: {losses[0].detail}"
    title = visible(f"{answer.secret.name} in {answer.secret.vault}")
    principals = len({one.principal_id for one in answer.readers})
    return f"{title}\n{table(head, rows)}\n{principals} principals, {reads} reads, {denied} denied. {end}"


def _row(one: queries.Reader) -> list[object]:
    by = f" ({one.entity_id})" if one.entity_id.startswith(IMPERSONATED) else ""
    versions = " ".join(f"v{version}" for version in one.versions)
    return [one.principal + by, one.kind, one.pod, one.grade, one.count, one.denied, one.first, one.last,
            " ".join(one.addresses), versions]  # fmt: skip


def _kubelets(some: list[queries.Reader]) -> list[list[object]]:
    """All nodes of a cluster in one row: each reads what its pods mount. `--json` names them one by one."""
    if len(some) < 2:
        return [_row(one) for one in some]
    firsts, lasts = [one.first for one in some if one.first], [one.last for one in some if one.last]
    counts = [sum(one.count for one in some), sum(one.denied for one in some)]
    name = f"kubelets of {len(some)} nodes"
    return [[name, Kind.NODE, "", "", *counts, min(firsts, default=None), max(lasts, default=None), "", ""]]
