"""Looks at connected vaults with the tokens that this worker has: when a page asks, and every quarter of an hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection as database
from django.db.models import Q

from audit.connect import learn_mounts
from audit.hearing import hear_changes
from inventory import asking, sync
from inventory.look import failed, look
from inventory.models import Connection
from kit.check import Check
from vault.errors import VaultError
from vault.server import Server

EVERY = timedelta(minutes=15)
DEEP = timedelta(hours=1)  # policies, roles and groups: a call each; a change that the log shows is read at once
_LOCK = 0x6B62_0004
Open = Callable[[Connection, str], Server]


def look_at_vaults(open_way: Open = asking.client) -> int:
    """Take every look that is due and that we have a token for; returns how many. Two workers don't look at once."""
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        try:
            hear_changes()
            return sum(_look_at(one, open_way) for one in due())
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def due() -> list[Connection]:
    """Return the connections that a person wants looked at, and those whose last look is old; the wanted ones first."""
    old = Q(looked_at=None) | Q(looked_at__lt=datetime.now(UTC) - EVERY)
    found = Connection.objects.filter(Q(wanted_at__isnull=False) | old)
    return sorted(found, key=lambda one: (one.wanted_at is None, one.pk))


def _look_at(connection: Connection, open_way: Open) -> bool:
    """Look with the token of the vault's file; without one the wish stays, and the page says what is missing."""
    try:
        token = asking.token_of(connection, settings.KEYBOOK.vault_token_files)
        if not token:
            return False
        server = open_way(connection, token)
    except asking.UnusableToken as error:
        sync.keep_lines(connection, [Check("token", False, str(error), "Correct KEYBOOK_VAULT_TOKEN_FILES.")])
        return True
    except VaultError as error:
        sync.keep_lines(connection, [failed("address", error)])
        return True
    found = look(server, deep=_is_deep(connection))
    if found.usable and found.token is not None and found.token.renewable:
        _renew(server, found.checks)
    sync.keep(connection, found)
    if found.usable:
        learn_mounts(connection.vault)
    return True


def _is_deep(connection: Connection) -> bool:
    """Whether policies, roles and groups are read too: when somebody asks or a change was heard, and every hour."""
    read = connection.access_at
    return connection.wanted_at is not None or read is None or read < datetime.now(UTC) - DEEP


def _renew(server: Server, checks: list[Check]) -> None:
    """Keep the token alive; that it may not be renewed is a line of its own among the rights."""
    try:
        server.renew()
    except VaultError as error:
        checks.append(failed("renewal", error))
