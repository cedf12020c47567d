"""Each connected vault: reachable, unsealed, in time, the token's life and every right, where we have a token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from inventory.look import look, reachable
from inventory.models import Connection
from kit.check import Check
from vault.server import Server

# Opens a connection: a server, and whether it is asked with a token. Raises `CannotAsk`.
Ask = Callable[[Connection], tuple[Server, bool]]


class CannotAsk(Exception):
    """A connection can't be asked; the message says why and what to do."""


def vaults(ask: Ask) -> Iterator[Check]:
    """One look at every connection; without a token only what needs none, and what the last look with one said."""
    for connection in Connection.objects.order_by("vault", "namespace"):
        for check in _connection(connection, ask):
            yield replace(check, name=f"vault {connection}: {check.name}")


def _connection(connection: Connection, ask: Ask) -> Iterator[Check]:
    try:
        server, has_token = ask(connection)
    except CannotAsk as error:
        yield Check("token", False, str(error), "Correct the file, or KEYBOOK_VAULT_TOKEN_FILES.")
        return
    if has_token:
        yield from look(server).checks
        return
    yield from reachable(server)
    yield from _last_look(connection)


def _last_look(connection: Connection) -> Iterator[Check]:
    if connection.looked_at is None:
        mend = f"Run manage.py connect --vault {connection.vault} --addr {connection.address} --token-file FILE."
        yield Check("rights", False, "no look with a token was ever taken", mend)
        return
    ago = f"at the last look, {connection.looked_at:%Y-%m-%d %H:%M} UTC"
    wrong = [line for line in connection.lines.all() if not line.ok]
    for line in wrong:
        yield Check(line.name, False, f"{ago}: {line.detail}", line.mend)
    if connection.token_until is not None and connection.token_until < datetime.now(UTC):
        yield Check("token", False, f"it has ended {connection.token_until:%Y-%m-%d %H:%M} UTC, if nobody renewed it",
                    "Look with a token: KEYBOOK_VAULT_TOKEN_FILES, or manage.py connect.")  # fmt: skip
    elif not wrong:
        yield Check("rights", True, f"{ago}, every right was there; no token here to look again")
