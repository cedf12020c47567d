"""Asks the databases behind a mount of a vault which logins they have, by the addresses that a file holds.

Only the worker of operations imports this. An address holds a password: it is read when it is needed and kept nowhere.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from rotation.databases import kind_of
from rotation.logins import Away, Logins
from rotation.witnessed import Watched, watched

_LARGEST = 16 * 1024


def logins(setting: str, vault: str, path: str) -> Logins | None:
    """Return the logins of all databases behind the mount that a path lies in; None where nobody watches it.

    `vault` is `name` or `name/namespace`, `path` a lease id or a role's path. Raises `Away` where one of them gave no
    answer, for then nothing may be said to be gone.
    """
    found = [one for one in watched(setting) if one.vault == vault and f"{path}/".startswith(f"{one.mount}/")]
    if not found:
        return None
    told = [_asked(one) for one in _addresses(max(found, key=lambda one: len(one.mount)))]
    opened: dict[int, int] = {}
    for each in told:
        for number, many in each.open.items():
            opened[number] = opened.get(number, 0) + many
    return Logins(min(each.at for each in told), tuple(one for each in told for one in each.logins), opened)


def _asked(address: str) -> Logins:
    kind = kind_of(address)
    if kind is None:
        raise Away("its address is of a kind that Keybook can't ask: it takes postgresql://")
    found: Logins = kind.look(address)
    return found


def _addresses(one: Watched) -> Sequence[str]:
    """Return the addresses of a file, one a line; one that others could read is not used."""
    place = Path(one.file)
    try:
        mode = stat.S_IMODE(place.stat().st_mode)
        text = "" if mode & 0o037 else place.read_text()[:_LARGEST]
    except (OSError, UnicodeDecodeError) as error:
        raise Away(f"the witness's file {one.file} can't be read ({type(error).__name__})") from None
    if mode & 0o037:
        raise Away(f"others may read or change the witness's file {one.file} (mode {mode:04o}); it was not used")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise Away(f"the witness's file {one.file} holds no address")
    return lines
