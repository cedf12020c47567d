"""Starts child processes that can't outlive us, and ends whole families of them."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sandbox.places import Account

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LINUX = sys.platform.startswith("linux")


def dies_with_us(death_signal: signal.Signals) -> Callable[[], None]:
    """Return what a child does before exec so that the kernel sends it `death_signal` when our thread ends.

    It must run after the user was dropped (that clears the setting, prctl(2)), and the spawning thread must be the
    main one: the kernel watches the thread, not the process. Elsewhere than on Linux only the guardian watches.
    """
    libc = ctypes.CDLL(None) if LINUX else None
    parent = os.getpid()

    def arm() -> None:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:
            os._exit(1)

    return arm


def dropping(account: Account | None) -> Account | None:
    """Return the account that a child must change to, None when it stays ours."""
    return account if account is not None and account.dropped else None


async def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str],
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    pass_fds: tuple[int, ...] = (),
) -> asyncio.subprocess.Process:
    """Start a part in its own session, its output appended to `log`, as the dropped account if there is one."""
    drop = dropping(account)
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *map(str, argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            pass_fds=pass_fds,
            preexec_fn=dies_with_us(death_signal),
            user=drop.uid if drop else None,
            group=drop.gid if drop else None,
            extra_groups=[] if drop else None,
        )


def plain_environment() -> dict[str, str]:
    """Return what a server needs of the environment: nothing of ours leaks into it."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/nonexistent"}


def family(root: int) -> list[int]:
    """Return the pid of `root` and of all its living descendants (by /proc; elsewhere only `root`)."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:  # the list grows while we walk it
        found.extend(children.get(pid, ()))
    return found


def _parents() -> Iterable[tuple[int, int]]:
    """Yield (pid, parent) of every process; proc_pid_stat(5): the name in parentheses may hold anything."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            yield int(entry.parent.name), int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])


def marked(mark: str) -> list[int]:
    """Return the processes whose environment at their start held the line `mark` (NAME=value), ourselves excepted."""
    wanted = mark.encode() + b"\0"
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        pid = int(entry.parent.name)
        with contextlib.suppress(OSError):
            if pid != os.getpid() and wanted in entry.read_bytes() + b"\0":
                found.append(pid)
    return found


def signal_all(pids: Iterable[int], sig: signal.Signals) -> None:
    """Send `sig` to each process; those that are gone already need none."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, sig)


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie, which only waits for its parent's look, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        pass
    if LINUX:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def end_now(pids: Sequence[int], first: signal.Signals, patience: float) -> None:
    """End processes that nobody waits for: `first`, and SIGKILL for those that live after `patience` seconds.

    SIGCONT goes along, because a stopped process sees no signal but SIGKILL.
    """
    signal_all(pids, first)
    signal_all(pids, signal.SIGCONT)
    deadline = time.monotonic() + patience
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    signal_all([pid for pid in pids if alive(pid)], signal.SIGKILL)
