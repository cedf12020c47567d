"""Where a sandbox keeps its files: short paths, one folder of its own, no other folder's mode touched."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import YardError

LONGEST_SOCKET = 103  # bytes of sun_path on macOS without its final NUL; Linux allows four more
YOUNG = 60.0  # seconds in which a folder without a lock may belong to a sandbox that is just being born


@dataclass(frozen=True)
class Account:
    """The user that PostgreSQL runs as; `dropped` when it isn't the user that runs the sandbox."""

    uid: int
    gid: int
    name: str
    dropped: bool


def server_account() -> Account:
    """Return our own account, or an existing unprivileged one when we are root, which PostgreSQL refuses."""
    uid = os.geteuid()
    if uid != 0:
        try:
            return Account(uid, os.getegid(), pwd.getpwuid(uid).pw_name, dropped=False)
        except KeyError:
            raise YardError(
                f"The user id {uid} has no name in /etc/passwd, which PostgreSQL needs; run as a user that has one."
            ) from None
    for name in ("nobody", "daemon"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid, name, dropped=True)
    raise YardError("PostgreSQL refuses root, and there is neither a user nobody nor daemon: run as an ordinary user.")


def reachable(folder: Path, account: Account) -> bool:
    """Tell whether `account` may pass through `folder` and every parent of it, by their modes."""
    return all(_passable(place.stat(), account) for place in (folder, *folder.parents))


def _passable(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def base_folder(account: Account) -> Path:
    """Return the first temporary folder that we may write, `account` may reach and whose socket paths stay short."""
    wanted = [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 (its entries are 0700)
    for folder in wanted:
        socket = folder / f"keybook-{os.geteuid()}-12345678" / "pg" / ".s.PGSQL.5432"
        if len(os.fsencode(socket)) > LONGEST_SOCKET or not os.access(folder, os.W_OK | os.X_OK):
            continue
        if reachable(folder, account):
            return folder
    raise YardError(
        f"None of {', '.join(map(str, wanted))} can hold a sandbox: it needs a folder that {account.name} can reach "
        f"and whose socket paths stay under {LONGEST_SOCKET + 1} bytes; set TMPDIR to a short one."
    )


def take_folder(account: Account) -> tuple[Path, int]:
    """Make this sandbox's own folder below the base and hold its lock; return both (the lock is a file descriptor)."""
    base = base_folder(account)
    sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=f"keybook-{os.geteuid()}-", dir=base))
    if account.dropped:
        folder.chmod(0o711)
    lock = hold(folder)
    if lock is None:
        raise YardError(f"The fresh folder {folder} is locked by somebody else; try again.")
    return folder, lock


def hold(folder: Path) -> int | None:
    """Take the lock of `folder` for as long as this process (or a child with the descriptor) lives; None if taken.

    A lock becomes visible only when it is held already, so that a sweep can't mistake a newborn for a leftover.
    """
    lock = folder / "lock"
    if not lock.exists():
        own = folder / f"lock.{os.getpid()}"
        made = os.open(own, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(made, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            os.link(own, lock)
            return made
        except FileExistsError:
            os.close(made)
        finally:
            own.unlink()
    found = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(found)
        return None
    return found


def sweep(base: Path) -> None:
    """Remove the folders of our own sandboxes that ended without cleaning up; a live one holds its lock."""
    for folder in base.glob(f"keybook-{os.geteuid()}-*"):
        try:
            status = folder.lstat()
            if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
                continue
            if not (folder / "lock").exists() and time.time() - status.st_mtime < YOUNG:
                continue
            lock = hold(folder)
        except OSError:
            continue  # another sandbox is sweeping the same leftover
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
