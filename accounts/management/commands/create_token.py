"""Make an API token for a person and print it, this once."""

from __future__ import annotations

import json
from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from accounts import tokens
from accounts.areas import area_of, in_words, read_areas
from accounts.models import ApiToken
from accounts.not_done import NotDone
from accounts.people import find
from accounts.token_wish import DAYS, MOST_DAYS, SCOPES, Wish


class Command(BaseCommand):
    """Make an API token."""

    help = "Makes an API token and prints it, this once. Without limits it sees what its owner sees, from anywhere."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add whose token it is, what it may, its limits, and `--json`."""
        parser.add_argument("--user", required=True, metavar="NAME", help="whose token it is")
        parser.add_argument(
            "--scope",
            required=True,
            action="extend",
            nargs="+",
            metavar="S",
            help=f"one or more of {', '.join(SCOPES)}",
        )
        parser.add_argument("--vault", default="", metavar="V", help="sees secrets of this vault only")
        parser.add_argument("--namespace", default="", metavar="N", help="of this namespace and those below it only")
        parser.add_argument(
            "--prefix", default=[], action="append", metavar="P", help="under this path only; repeatable"
        )
        parser.add_argument(
            "--network", default=[], action="append", metavar="CIDR", help="from there only; repeatable"
        )
        parser.add_argument("--days", default=str(DAYS), help=f"how long it lives: {DAYS}, at most {MOST_DAYS}")
        parser.add_argument("--name", default="made by command", metavar="TEXT", help="what uses it, and where")
        parser.add_argument(
            "--allow-approve",
            action="store_true",
            help="for changes:approve and changes:break-glass, where an approval policy takes tokens",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was made; bad input ends with exit code 2 and one sentence."""
        try:
            row, text = self._make(options)
        except NotDone as why:
            raise CommandError(str(why), returncode=2) from None
        except OperationalError as gone:
            raise CommandError(f"PostgreSQL does not answer, so no token was made. {gone}", returncode=1) from None
        document = {"token": text, "scopes": row.scopes, "expires": f"{row.expires:%Y-%m-%dT%H:%M:%SZ}"}
        self.stdout.write(json.dumps(document) if options["json"] else f"{_words(row)}\n{text}")

    def _make(self, options: dict[str, Any]) -> tuple[ApiToken, str]:
        """Make the token that the options ask for; raises `NotDone`."""
        wish = Wish(
            name=options["name"],
            scopes=options["scope"],
            areas=read_areas(options["vault"], options["namespace"], options["prefix"]),
            networks=options["network"],
            days=_days(options["days"]),
            allow_approve=options["allow_approve"],
        )
        return tokens.create(find(options["user"]), wish, actor=f"command line: {getuser()}")


def _days(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise NotDone(f"“{text[:20]}” is no number of days. A token lives for 1 to {MOST_DAYS}.")
    return int(text)


def _words(row: ApiToken) -> str:
    """Return what the token is good for, as a person reads it."""
    areas = "; ".join(in_words(map(area_of, row.areas.all()))) or f"all that {row.owner.username} sees"
    return (
        f"{row.name}, a token of {row.owner.username} until {row.expires:%Y-%m-%d %H:%M} UTC.\n"
        f"May {', '.join(row.scopes)}; sees {areas}; from {', '.join(row.networks) or 'anywhere'}.\n"
        "It is shown now and never again:"
    )
