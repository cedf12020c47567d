"""`manage.py make_roles`: make PostgreSQL's roles of Keybook's processes, each with the least that it needs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, transaction

from config import roles

_TRIES = 10


class Command(BaseCommand):
    """Run it as the owner of the tables after every `migrate`; running it again changes nothing."""

    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        parser.add_argument(
            "--passwords", type=Path, help="a folder with a file per role (keybook_web, ...) that holds its password"
        )

    def handle(self, *args: Any, **given: Any) -> None:
        """Make them in one transaction: all of it, or nothing."""
        try:
            made = _make(given["passwords"])
        except roles.UnknownTable as error:
            raise CommandError(f"The roles were not made, nothing is changed: {error}") from None
        except DatabaseError as error:
            said = str(error).strip().splitlines()[0]
            raise CommandError(
                f"The roles were not made, nothing is changed: PostgreSQL said: {said}. Run this as the owner of "
                "Keybook's tables, with CREATEROLE or as a member of the roles; see docs/operations.md.",
            ) from None
        for sentence in made:
            self.stdout.write(sentence)


def _make(passwords: Path | None) -> list[str]:
    """Make them; roles are the whole server's, so of two at once PostgreSQL refuses one, which tries again."""
    for left in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                return roles.make(passwords)
        except DatabaseError as error:
            if not left or "concurrently updated" not in str(error):
                raise
            time.sleep(0.5)
    return []
