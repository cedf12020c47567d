"""Opens the way to a connected vault, with the token that this process was given; pages have none."""

from __future__ import annotations

import os
from pathlib import Path

from inventory.models import Connection
from vault.address import checked
from vault.client import Client
from vault.errors import UnusableAddress

_LARGEST = 64 * 1024


class UnusableToken(Exception):
    """No token could be had; the message says why and what to do, and never shows one."""


def read_token(path: str) -> str:
    """Return the token that stands in a file; raises `UnusableToken`."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(_LARGEST).decode("ascii").strip()
    except UnicodeDecodeError:
        text = "no token"
    except OSError as error:
        raise UnusableToken(f"{path}: {error.strerror}. Name a file that holds the token.") from None
    if not text or any(letter.isspace() or not letter.isprintable() for letter in text):
        raise UnusableToken(f"{path}: holds no token. Put the token alone into it, on one line.")
    return text


def token_files(setting: str) -> dict[str, tuple[str, str]]:
    """Return {vault name: (path, address)} of `KEYBOOK_VAULT_TOKEN_FILES`, `name=path@address` with commas between."""
    found = {}
    for one in filter(None, map(str.strip, setting.split(","))):
        name, _, rest = one.partition("=")
        path, _, scheme_and_host = rest.partition("@http")
        found[name.strip()] = path.strip(), f"http{scheme_and_host.strip()}" if scheme_and_host else ""
    return found


def token_of(connection: Connection, setting: str) -> str:
    """Return the token that this process has for a connection, "" for none; raises `UnusableToken`.

    A connection's address is what a page wrote. So the token goes only to the address that stands beside its file, or
    whoever may write that row could have it sent to themselves.
    """
    named = token_files(setting)
    for name in (str(connection), connection.vault):
        if name in named:
            path, address = named[name]
            _must_be_for(connection, name, path, address)
            return read_token(path)
    return ""


def _must_be_for(connection: Connection, name: str, path: str, address: str) -> None:
    try:
        meant = checked(address, plain_http=True) if address else ""
    except UnusableAddress:
        meant = ""
    if meant and meant == connection.address:
        return
    says = f"names {meant}" if meant else "names no address that can be used"
    raise UnusableToken(
        f"KEYBOOK_VAULT_TOKEN_FILES {says} for {name}, and the connection has {connection.address}: the token was sent "
        f"nowhere. If that is the vault, write {name}={path}@{connection.address} there, in the worker's environment."
    )


def client(connection: Connection, token: str) -> Client:
    """Return the client of a connection; raises `UnusableAddress`."""
    return Client(
        connection.address,
        token,
        namespace=connection.namespace,
        verify=connection.ca_file or os.environ.get("REQUESTS_CA_BUNDLE") or True,
        plain_http=connection.plain_http,
    )
