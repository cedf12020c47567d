"""Make a person and print the one-time link by which they choose their password."""

from __future__ import annotations

import json
from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from accounts.entry import LIFETIME_TO_SET_A_PASSWORD, address_of
from accounts.models import Role
from accounts.not_done import NotDone
from accounts.people import create


class Command(BaseCommand):
    """Make a person with a role."""

    help = "Makes a person and prints a one-time link that asks for their password; it is good for 60 minutes."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add NAME, `--role` and `--json`."""
        parser.add_argument("name", help="letters, digits and @ . + - _")
        parser.add_argument("--role", required=True, help=", ".join(Role.values))
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was made; bad input ends with exit code 2 and one sentence."""
        try:
            user, code = create(options["name"], options["role"], actor=f"command line: {getuser()}")
        except NotDone as why:
            raise CommandError(str(why), returncode=2) from None
        except OperationalError as gone:
            raise CommandError(f"PostgreSQL does not answer, so nobody was made. {gone}", returncode=1) from None
        document = {"user": user.username, "role": user.role, "link": address_of(code)}
        minutes = int(LIFETIME_TO_SET_A_PASSWORD.total_seconds() // 60)
        words = f"{user.username}, {user.role}. They choose a password here, once, within {minutes} minutes:\n"
        self.stdout.write(json.dumps(document) if options["json"] else words + document["link"])
