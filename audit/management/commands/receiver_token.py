"""`manage.py receiver_token`: who may send a device's audit lines to the receiver."""

from __future__ import annotations

import dataclasses
import getpass
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit import receivers
from audit.commands import BadInput, as_json, explained, table
from audit.models import Device


class Command(BaseCommand):
    """Make a token for a vault's device (the device too, if it is new), list its tokens, or revoke one."""

    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        parser.add_argument("--vault", help="the vault whose lines are sent; a new name makes a new vault")
        parser.add_argument("--device", default="http", help="its audit device (default: http)")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--revoke", type=int, metavar="ID", help="revoke this token; it stops within five seconds")
        what.add_argument("--list", action="store_true", help="show the device's tokens, never themselves")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *args: Any, **given: Any) -> None:
        """Do one of the three."""
        actor = f"command line: {getpass.getuser()}"
        with explained():
            try:
                told, words = self._do(given, actor)
            except receivers.UnusableToken as error:
                raise BadInput(str(error)) from None
        self.stdout.write(json.dumps(told, default=as_json) if given["json"] else words)

    def _do(self, given: dict[str, Any], actor: str) -> tuple[dict[str, Any], str]:
        if given["revoke"] is not None:
            receivers.revoke(given["revoke"], actor=actor)
            return {"revoked": given["revoke"]}, f"Token {given['revoke']} is revoked; it stops within five seconds."
        if not given["vault"]:
            raise BadInput("Name the vault: --vault NAME. Nothing was done.")
        if given["list"]:
            return _listed(given["vault"], given["device"])
        source, token = receivers.add_receiver(given["vault"], given["device"], actor=actor)
        shown = {"vault": given["vault"], "device": given["device"], "source": source.pk, "token": token}
        return shown, (
            f"{token}\nThis token of {source.device} is shown this once. The sender puts it into the header\n"
            "Authorization: Bearer TOKEN of each POST to /audit of the receiver; docs/receiver.md has whole examples."
        )


def _listed(vault: str, device: str) -> tuple[dict[str, Any], str]:
    which = Device.objects.select_related("vault").filter(vault__name=vault, name=device).first()
    if which is None:
        raise BadInput(f"There is no device {device} of a vault {vault}. Check both names.")
    found = receivers.tokens(which)
    rows = [[one.id, one.made_at, one.used_at, one.revoked_at] for one in found]
    told = {"vault": vault, "device": device, "tokens": [dataclasses.asdict(one) for one in found]}
    return told, table(["id", "made", "last used", "revoked"], rows) if rows else f"{which} has no tokens."
