"""Ask for the demo's changes as its operator ann, once: a rotation that waits for whoever tries the demo."""

from __future__ import annotations

import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import people
from accounts.models import Role, User
from accounts.scope import EVERYTHING
from inventory.cluster_questions import api_path, consumers_of
from rotation import asking, scheduling
from rotation.actions import Asked
from rotation.asking import Want
from rotation.planning import Refused
from rotation.schedule_models import Schedule
from rotation.scheduling import Terms

ANN = "ann"
KEY = "demo"
REASON = "The bank asks for a new password every 90 days."


class Command(BaseCommand):
    """Wait until the clusters' picture shows who gets the secret, then ask."""

    help = "Asks for the rotation that waits for approval in `make demo`; asking again changes nothing."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the vault, the secret, patience and `--json`."""
        parser.add_argument("--vault", required=True)
        parser.add_argument("--secret", required=True)
        parser.add_argument("--timeout", type=float, default=120.0, help="seconds to wait for the clusters' picture")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the change's name."""
        if not settings.KEYBOOK.embedded:
            raise CommandError("demo_changes works in `make demo` only.", returncode=2)
        mount, _, path = options["secret"].partition("/")
        until = time.monotonic() + options["timeout"]
        while not consumers_of(options["vault"], api_path(mount, path, 2)) and time.monotonic() < until:
            time.sleep(1)
        try:
            given = {"secret": options["secret"], "way": "generated", "keys": ["password"]}
            want = Want("kv", given, vault=options["vault"])
            made = asking.ask(_ann(), want, REASON, Asked(by="command", key=KEY, body=given), EVERYTHING)
            for terms in _schedules(options["vault"], options["secret"]):
                if not Schedule.objects.filter(name=terms.name).exists():
                    scheduling.make(terms, _ann(), EVERYTHING)
        except Refused as why:
            raise CommandError(str(why)) from None
        self.stdout.write(json.dumps({"change": made.name, "state": made.state}) if options["json"] else made.name)


def _schedules(vault: str, secret: str) -> tuple[Terms, Terms]:
    """Return one that finds its change asked for already, and one that is off: its secrets show what is overdue."""
    given = {"way": "generated", "keys": ["password"]}
    night = "sat,sun 22:00-04:00 Europe/Vienna"
    return (
        Terms("The bank's password", "kv", secret, 90, REASON, given, vault, night),
        Terms(
            "All of production", "kv", "secret/prod/*", 30, "Nothing in production is older than a month.",
            {"way": "adopt"}, vault, night, enabled=False,
        ),
    )  # fmt: skip


def _ann() -> User:
    known = User.objects.filter(username=ANN).first()
    return known or people.create(ANN, Role.OPERATOR, actor="command line: demo", link=False)[0]
