"""Print a one-time link for the demo's person."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.entry import LIFETIME, demo_user, make_link
from accounts.models import Role


class Command(BaseCommand):
    """Make or find the demo's person and print the path that signs them in, once, within 15 minutes."""

    help = "Prints a one-time link (a URL path) that signs the demo's person in; it is good for 15 minutes."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--json` and `--role`."""
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument("--role", choices=Role.values, help="what the person may do (reader, or as before)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print `/enter/#<code>`; the code stands in the fragment, so that no server log or referrer carries it."""
        role = Role(options["role"]) if options["role"] else None
        if role not in (None, Role.READER) and not settings.KEYBOOK.embedded:
            raise CommandError(
                "demo_link gives more than reading only in `make demo`, and this database is not an embedded one. "
                "Make a person with create_user.",
                returncode=2,
            )
        user = demo_user(role)
        path = f"/enter/#{make_link(user, actor='command line: demo')}"
        document = {
            "user": user.username,
            "role": user.role,
            "path": path,
            "minutes": int(LIFETIME.total_seconds() // 60),
        }
        self.stdout.write(json.dumps(document) if options["json"] else path)
