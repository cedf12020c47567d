"""Reads which databases may be asked for their logins: the setting `KEYBOOK_WITNESS`. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watched:
    """One mount whose databases are watched: `vault` is `name` or `name/namespace`, the file holds their addresses."""

    vault: str
    mount: str
    file: str


def watched(setting: str) -> list[Watched]:
    """Return the watched mounts of `KEYBOOK_WITNESS`, `vault:mount=file` with commas between.

    Raises `ValueError` with a sentence that shows nothing of it.
    """
    found = []
    for one in filter(None, map(str.strip, setting.split(","))):
        name, _, file = one.partition("=")
        vault, _, mount = name.partition(":")
        if not (vault.strip() and mount.strip("/ ") and file.strip().startswith("/")):
            raise ValueError("it takes VAULT:MOUNT=/FILE, such as prod:database=/run/keybook/payments.dsn")
        found.append(Watched(vault.strip().strip("/"), mount.strip().strip("/"), file.strip()))
    return found
