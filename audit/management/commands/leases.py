"""`manage.py leases`: the leases that were issued, who holds them, and what is known of each."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.scope import EVERYTHING
from audit import attributing, lease_questions, leasing, queries
from audit.commands import BadInput, as_json, explained, table
from audit.lease_questions import STATES, LeaseRow, Wish


class Command(BaseCommand):
    """Print leases and who holds them."""

    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        parser.add_argument("--pod", default="", help="only those of a pod: namespace/name, name or uid")
        parser.add_argument("--secret", help="only those of a secret, such as database/creds/payments-rw")
        parser.add_argument("--vault", help="where several vaults have a secret of this name")
        parser.add_argument("--state", choices=STATES, default="", help="only those in this state")
        parser.add_argument("--orphaned", action="store_true", help="only those that outlive their pod")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *args: Any, **given: Any) -> None:
        """Follow the record to its end, then answer."""
        with explained():
            attributing.attribute()
            leasing.catch_up()
            now = datetime.now(UTC)
            try:
                secret = (
                    queries.find_secret(given["secret"], given["vault"], scope=EVERYTHING) if given["secret"] else None
                )
            except queries.NotOneSecret as error:
                raise BadInput(str(error)) from None
            wish = Wish(
                pod=given["pod"], secret=secret.id if secret else 0, vault=given["vault"] or "", state=given["state"],
                orphaned=given["orphaned"],
            )  # fmt: skip
            found = lease_questions.leases(wish, scope=EVERYTHING, now=now).order_by("pk")
            rows = lease_questions.shown(found.iterator(2_000), now)
        self.stdout.write(json.dumps({"leases": [_document(one) for one in rows]}) if given["json"] else _print(rows))


def _document(one: LeaseRow) -> dict[str, Any]:
    return {
        "lease_id": one.lease_id,
        "secret": one.secret,
        "vault": one.vault,
        "state": one.state,
        "how": one.how or None,
        "standing": one.standing,
        "verified": as_json(one.verified),
        "holder": one.holder,
        "kind": one.kind,
        "grade": one.grade,
        "pod": one.pod or None,
        "issued": as_json(one.issued),
        "renewals": one.renewals,
        "expires": as_json(one.expires),
        "token_ends": as_json(one.token_ends),
        "overdue": one.overdue,
        "orphaned": one.orphaned,
        "exposed_minutes": None if one.exposed is None else round(one.exposed.total_seconds() / 60, 1),
    }


def _print(rows: list[LeaseRow]) -> str:
    cells = [
        [one.lease_id, one.state, _known(one), one.holder, one.pod or None, one.grade, one.issued, one.expires]
        for one in rows
    ]
    head = ["lease", "state", "known", "holder", "pod", "grade", "issued (UTC)", "expires (UTC)"]
    counted = Counter(str(one.state) for one in rows)
    states = ", ".join(f"{count} {state}" for state, count in sorted(counted.items()))
    orphans = sum(one.orphaned for one in rows)
    leases = f"{len(rows)} lease{'' if len(rows) == 1 else 's'}"
    left = "1 outlives its pod" if orphans == 1 else f"{orphans} outlive their pod"
    return f"{table(head, cells)}\n{leases}{f': {states}' if states else ''}. {left}."


def _known(one: LeaseRow) -> str:
    """Say how the state is known, for a person."""
    word = {"verified": "verified at", "not_verified_since": "not verified since"}.get(one.standing, "unverified")
    if one.overdue:
        word = f"must have ended, {word}"
    return f"{word} {one.verified:%Y-%m-%d %H:%M:%S}" if one.verified else word
