"""Reads by which door the executor comes in at which vault: the setting `KEYBOOK_EXECUTOR`."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("approle", "kubernetes")


@dataclass(frozen=True, slots=True)
class Door:
    """Which way in: `kind`, the auth method's mount, the role (of AppRole its id), a file, and the only address."""

    kind: str
    mount: str
    role: str
    file: str
    address: str


def doors(setting: str) -> dict[str, Door]:
    """Return {vault name: door} of `KEYBOOK_EXECUTOR`, `name=kind:mount:role:file@address` with commas between.

    Raises `ValueError` with a sentence that shows nothing of it.
    """
    found = {}
    for one in filter(None, map(str.strip, setting.split(","))):
        name, _, rest = one.partition("=")
        way, at, address = rest.partition("@http")
        parts = way.strip().split(":", 3)
        if not (at and len(parts) == 4 and all(parts) and parts[0] in KINDS and name.strip()):
            raise ValueError(
                "it takes name=approle:MOUNT:ROLE-ID:FILE@ADDRESS or name=kubernetes:MOUNT:ROLE:FILE@ADDRESS"
            )
        kind, mount, role, file = parts
        found[name.strip()] = Door(kind, mount.removeprefix("auth/").strip("/"), role, file, f"http{address.strip()}")
    return found
