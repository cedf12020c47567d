"""Shut a person out at once."""

from __future__ import annotations

from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from accounts.not_done import NotDone
from accounts.people import disable, find


class Command(BaseCommand):
    """Disable a person: sessions and links end at once."""

    help = "Shuts a person out: their sessions and links end at once, what they did stays in the trail."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add NAME."""
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was done; bad input ends with exit code 2 and one sentence."""
        try:
            user = find(options["name"])
            disable(user, actor=f"command line: {getuser()}")
        except NotDone as why:
            raise CommandError(str(why), returncode=2) from None
        except OperationalError as gone:
            raise CommandError(f"PostgreSQL does not answer, so nobody was disabled. {gone}", returncode=1) from None
        self.stdout.write(f"{user.username} is disabled: no session and no link of theirs is good any more.")
