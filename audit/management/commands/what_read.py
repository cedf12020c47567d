"""`manage.py what_read`: the secrets that a principal read."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.scope import EVERYTHING
from audit import queries
from audit.commands import BadInput, as_json, explained, read_window, table, take_window, visible


class Command(BaseCommand):
    """Print what a principal read: a service account by <namespace>/<name>, a person by user name."""

    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        parser.add_argument("principal", help="such as payments/ledger, alice, repo:acme/shop:ref:refs/heads/main")
        take_window(parser)

    def handle(self, *args: Any, **given: Any) -> None:
        """Answer."""
        with explained():
            since, until = read_window(given)
            try:
                answer = queries.what_read(given["principal"], since, until, scope=EVERYTHING)
            except queries.UnknownName as error:
                raise BadInput(str(error)) from None
        self.stdout.write(json.dumps(_document(answer)) if given["json"] else _print(answer))


def _document(answer: queries.WhatRead) -> dict[str, Any]:
    names = ["secret", "vault", "count", "denied", "first", "last"]
    return {
        "principal": answer.principal,
        "complete_until": as_json(answer.complete_until),
        "secrets": [{name: as_json(getattr(one, name)) for name in names} for one in answer.secrets],
    }


def _print(answer: queries.WhatRead) -> str:
    rows = [[one.secret, one.vault, one.count, one.denied, one.first, one.last] for one in answer.secrets]
    head = ["secret", "vault", "reads", "denied", "first (UTC)", "last (UTC)"]
    reads, denied = sum(one.count for one in answer.secrets), sum(one.denied for one in answer.secrets)
    end = f" Complete until {as_json(answer.complete_until)}." if answer.complete_until else ""
    kinds = ", ".join(answer.kinds)
    title = f"{visible(answer.principal)} ({kinds})"
    return f"{title}\n{table(head, rows)}\n{len(rows)} secrets, {reads} reads, {denied} denied.{end}"
