"""Say at set-up what the policy for everything asks for; once a change was asked for, only a change changes it."""

from __future__ import annotations

import json
from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.not_done import NotDone
from rotation.approvers import set_up
from rotation.rules import STRENGTH


class Command(BaseCommand):
    """Set the first approval policy."""

    help = "Says what the approval policy “everything” asks for, as long as nobody has asked for a change yet."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the policy's parts and `--json`."""
        parser.add_argument("--proof", default="step_up", help=f"the least proof: {', '.join(STRENGTH)}")
        parser.add_argument("--approvers", default="1", help="how many approve: 1, at most 10")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what holds now; bad input ends with exit code 2 and one sentence."""
        try:
            kept = set_up(options["proof"], options["approvers"], actor=f"command line: {getuser()}")
        except NotDone as why:
            raise CommandError(str(why), returncode=2) from None
        words = f"Every change needs {kept['approvers']} approval(s), each by {kept['proof']} or better."
        self.stdout.write(json.dumps(kept) if options["json"] else words)
