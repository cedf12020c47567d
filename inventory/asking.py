"""Opens the way to a connected vault, with the token that this process was given; pages have none."""

from __future__ import annotations

import os
from pathlib import Path

from inventory.models import Connection
from vault.client import Client

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


def token_files(setting: str) -> dict[str, str]:
    """Return {vault name: path} of `KEYBOOK_VAULT_TOKEN_FILES`, `name=path` pairs with commas between."""
    pairs = (one.partition("=") for one in setting.split(",") if one.strip())
    return {name.strip(): path.strip() for name, _, path in pairs}


def token_of(connection: Connection, setting: str) -> str:
    """Return the token that this process has for a connection, "" for none; raises `UnusableToken`."""
    named = token_files(setting)
    for name in (str(connection), connection.vault):
        if name in named:
            return read_token(named[name])
    return ""


def client(connection: Connection, token: str) -> Client:
    """Return the client of a connection; raises `UnusableAddress`."""
    return Client(
        connection.address,
        token,
        namespace=connection.namespace,
        verify=connection.ca_file or os.environ.get("REQUESTS_CA_BUNDLE") or True,
        plain_http=connection.plain_http,
    )
