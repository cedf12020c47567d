"""List the passkeys that wait to be pinned for one of the first two administrators, or pin one by its fingerprint."""

from __future__ import annotations

import json
from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.not_done import NotDone
from rotation import approver_keys


class Command(BaseCommand):
    """Pin a passkey at set-up."""

    help = "Lists the passkeys that an administrator registered, or pins one; only until two administrators have one."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add NAME, `--pin` and `--json`."""
        parser.add_argument("name", help="an administrator")
        parser.add_argument("--pin", default="", metavar="SHA256:...", help="the fingerprint that they read to you")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what waits, or what was pinned; bad input ends with exit code 2 and one sentence."""
        try:
            document = self._done(options["name"], options["pin"])
        except NotDone as why:
            raise CommandError(str(why), returncode=2) from None
        self.stdout.write(json.dumps(document) if options["json"] else self._words(document))

    def _done(self, name: str, pin: str) -> dict[str, Any]:
        if pin:
            made = approver_keys.set_up(name, pin, actor=f"command line: {getuser()}")
            return {"user": made.user_name, "pinned": pin}
        return {
            "user": name,
            "waiting": [{"change": row.name, "fingerprint": one} for row, one in approver_keys.waiting(name)],
        }

    def _words(self, document: dict[str, Any]) -> str:
        if "pinned" in document:
            return f"The passkey {document['pinned']} of {document['user']} is pinned."
        lines = [f"{one['change']}  {one['fingerprint']}" for one in document["waiting"]]
        nothing = f"No passkey of {document['user']} waits. They register one under Your account first."
        return "\n".join([*lines, "Let them read the fingerprint to you, then give it to --pin."]) if lines else nothing
