"""Print a one-time link for the demo's reader."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.entry import LIFETIME, demo_user, make_link


class Command(BaseCommand):
    """Make or find the demo's reader and print the path that signs them in, once, within 15 minutes."""

    help = "Prints a one-time link (a URL path) that signs the demo's reader in; it is good for 15 minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--json`."""
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print `/enter/#<code>`; the code stands in the fragment, so that no server log or referrer carries it."""
        user = demo_user()
        path = f"/enter/#{make_link(user, actor='command line: demo')}"
        document = {
            "user": user.username,
            "role": user.role,
            "path": path,
            "minutes": int(LIFETIME.total_seconds() // 60),
        }
        self.stdout.write(json.dumps(document) if options["json"] else path)
