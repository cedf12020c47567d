"""Check the trail against its anchor."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from accounts.anchor import AnchorTrouble
from accounts.trail_proof import Verdict
from accounts.trail_verify import verify_trail


class Command(BaseCommand):
    """Print what was found; the exit code is 0 when nothing is wrong, 1 when something is, 2 when it can't be told."""

    help = "Checks that the trail is what was accepted: its chain of hashes, and the anchor outside of the database."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--anchor` and `--json`."""
        words = "the file with heads of the trail (default: the one of KEYBOOK_ANCHOR); may be given more than once"
        parser.add_argument("--anchor", metavar="FILE", type=Path, action="append", default=[], help=words)
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *args: Any, **given: Any) -> None:
        """Look and print."""
        try:
            verdict = verify_trail(given["anchor"])
        except AnchorTrouble as trouble:
            raise CommandError(f"{trouble} Nothing was checked.", returncode=2) from None
        except DatabaseError as error:
            said = str(error).strip().splitlines()[0]
            raise CommandError(
                f"The trail can't be read: PostgreSQL said: {said}. Check DATABASE_URL, and that manage.py migrate was "
                "run.",
                returncode=2,
            ) from None
        self._print(verdict, as_json=given["json"])
        if not verdict.ok:
            sys.exit(1)

    def _print(self, verdict: Verdict, *, as_json: bool) -> None:
        """Print the document to standard output and the sentences beside it, or a few lines for people."""
        if as_json:
            names = ("entries", "ok", "first_bad", "anchored_until")
            self.stdout.write(json.dumps({name: getattr(verdict, name) for name in names}))
            self.stderr.write("".join(f"{sentence}\n" for sentence in verdict.said), ending="")
            return
        self.stdout.write("\n".join((_summary(verdict), *verdict.said)))


def _summary(verdict: Verdict) -> str:
    count = f"{verdict.entries:,} {'entry' if verdict.entries == 1 else 'entries'}"
    if verdict.first_bad is not None:
        return f"The trail is not what was accepted, from position {verdict.first_bad} on. {count} looked at."
    if verdict.broken_anchor:
        return f"The anchor can't be believed. {count}, chained without a gap."
    anchored = f" Anchored until position {verdict.anchored_until}, {verdict.until}." if verdict.until else ""
    return f"{count}, chained without a gap.{anchored}"
