"""`manage.py doctor`: every connection, permission and lag, with the mend for each problem."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from audit import doctor
from audit.checks import clusters
from audit.checks.vaults import CannotAsk
from audit.commands import visible
from cluster.client import Client
from cluster.errors import ClusterError
from inventory import asking
from inventory.cluster_models import ClusterLink
from inventory.kubeconfigs import UnusableSetting, places
from inventory.models import Connection
from vault.errors import VaultError
from vault.server import Server


class Command(BaseCommand):
    """Print one line for each check; the exit code is 1 when something needs mending."""

    help = __doc__ or ""
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *args: Any, **given: Any) -> None:
        """Look and print."""
        checks = doctor.examine(ask, ask_cluster)
        if given["json"]:
            self.stdout.write(json.dumps({"checks": [dataclasses.asdict(check) for check in checks]}))
        else:
            for check in checks:
                self.stdout.write(f"{'ok  ' if check.ok else 'MEND'}  {visible(f'{check.name}: {check.detail}')}")
                if check.mend and not check.ok:
                    self.stdout.write(f"      {visible(check.mend)}")
        if not all(check.ok for check in checks):
            sys.exit(1)


def ask(connection: Connection) -> tuple[Server, bool]:
    """Open a connected vault with the token that this process was given, if any; raises `CannotAsk`."""
    try:
        token = asking.token_of(connection, settings.KEYBOOK.vault_token_files)
        return asking.client(connection, token), bool(token)
    except (asking.UnusableToken, VaultError, OSError) as error:
        raise CannotAsk(str(error)) from None


def ask_cluster(link: ClusterLink) -> Client | None:
    """Open a cluster with the kubeconfig that this process was given, if any; raises `clusters.CannotAsk`."""
    try:
        place = places(settings.KEYBOOK.kubeconfig).get(link.cluster.name)
        return Client(place) if place is not None else None
    except (ClusterError, UnusableSetting) as error:
        raise clusters.CannotAsk(str(error)) from None
