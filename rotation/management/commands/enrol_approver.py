"""Lists a person's passkeys, pins one of the first two administrators' at set-up, and ends one, by its fingerprint."""

from __future__ import annotations

import json
from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import people
from accounts.not_done import NotDone
from rotation import approver_keys, pinned_keys


class Command(BaseCommand):
    """Pin a passkey at set-up, or end one."""

    help = "Lists a person's passkeys; pins one that waits, until two administrators have one; or ends one for good."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add NAME, `--pin` and `--json`."""
        parser.add_argument("name", help="an administrator")
        parser.add_argument("--pin", default="", metavar="SHA256:...", help="the fingerprint that they read to you")
        parser.add_argument("--end", default="", metavar="SHA256:...", help="the fingerprint of one to end at once")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what waits, or what was pinned; bad input ends with exit code 2 and one sentence."""
        try:
            document = self._done(options["name"], options["pin"], options["end"])
        except NotDone as why:
            raise CommandError(str(why), returncode=2) from None
        self.stdout.write(json.dumps(document) if options["json"] else self._words(document))

    def _done(self, name: str, pin: str, end: str) -> dict[str, Any]:
        actor = f"command line: {getuser()}"
        if pin and end:
            raise NotDone("Give --pin or --end: one passkey is pinned or ended at a time.")
        if end:
            pinned_keys.end_one(people.find(name), end, actor)
            return {"user": name, "ended": end}
        if pin:
            made = approver_keys.set_up(name, pin, actor=actor)
            return {"user": made.user_name, "pinned": pin}
        return {
            "user": name,
            "standing": [one.fingerprint for one in approver_keys.of(people.find(name))],
            "waiting": [{"change": row.name, "fingerprint": one} for row, one in approver_keys.waiting(name)],
        }

    def _words(self, document: dict[str, Any]) -> str:
        if "pinned" in document:
            return f"The passkey {document['pinned']} of {document['user']} is pinned."
        if "ended" in document:
            return f"The passkey {document['ended']} of {document['user']} has ended."
        pinned = [f"pinned  {one}" for one in document["standing"]]
        lines = [f"{one['change']}  {one['fingerprint']}" for one in document["waiting"]]
        nothing = f"No passkey of {document['user']} waits. They register one under Your account first."
        return (
            "\n".join([*pinned, *lines, "Let them read the fingerprint to you, then give it to --pin."])
            if lines
            else "\n".join([*pinned, nothing])
        )
