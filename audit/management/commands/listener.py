"""`manage.py listener`: say which proxies stand before a vault."""

from __future__ import annotations

import getpass
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit import listeners
from audit.commands import explained, visible


class Command(BaseCommand):
    """Say whose forwarded addresses a vault's listener believes: until then no address proves more than "likely"."""

    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        parser.add_argument("--vault", required=True, help="the vault")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--no-proxies", action="store_true", help="its listeners believe no forwarded address")
        which.add_argument(
            "--proxy", action="append", default=[], metavar="ADDRESS",
            help="an address in x_forwarded_for_authorized_addrs or proxy_protocol_authorized_addrs; may be repeated",
        )  # fmt: skip
        which.add_argument("--not-known", action="store_true", help="take back what was said")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *args: Any, **given: Any) -> None:
        """Write it down."""
        wanted = None if given["not_known"] else list(given["proxy"])
        with explained():
            told = listeners.say(given["vault"], wanted, actor=f"command line: {getpass.getuser()}")
        if given["json"]:
            self.stdout.write(json.dumps({"vault": given["vault"], "proxies": told}))
            return
        words = (
            "which proxies it believes is not known" if told is None else f"believes {', '.join(told) or 'no proxy'}"
        )
        self.stdout.write(f"{visible(given['vault'])}: {words}. Its calls are attributed anew.")
