"""The guardian: a small process that cleans up when the supervisor was killed before it could."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path

from sandbox.process import alive, end_now, family, marked

PATIENCE = 5.0
OWN = "KEYBOOK_SANDBOX"  # every process of Keybook in a sandbox carries it, with the sandbox's folder


class Guardian:
    """Our end of the guardian's pipe: it is told each part's pid, and `bye` when everything has ended."""

    def __init__(self, folder: Path, mark: str, keep: bool) -> None:
        """Fork the guardian of `folder` (removed unless `keep`) and of every process that carries `mark`.

        Must be called before any thread exists. The child holds the folder's lock until it has finished, too.
        """
        reading, self._writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writing)
            _guard(reading, folder, mark, keep)
        os.close(reading)

    def watch(self, pid: int) -> None:
        """Have the family of `pid` ended if we die."""
        self._tell(f"+{pid}")

    def forget(self, pid: int) -> None:
        """The process `pid` has ended; its number may belong to somebody else from now on."""
        self._tell(f"-{pid}")

    def release(self) -> None:
        """Send the guardian home: nothing is left to guard."""
        self._tell("bye")
        os.close(self._writing)
        os.waitpid(self._pid, 0)

    def _tell(self, line: str) -> None:
        # Should somebody have killed the guardian, the kernel's death signals remain.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writing, f"{line}\n".encode())


def _guard(reading: int, folder: Path, mark: str, keep: bool) -> None:
    """Wait in the forked child until the supervisor says bye or is gone; never returns."""
    try:
        os.setsid()
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(sig, signal.SIG_IGN)
        _let_go_of_the_terminal()
        pids, farewell = _listen(reading)
        if not farewell:
            _clean_up(pids, folder, mark, keep)
    finally:
        os._exit(0)


def _let_go_of_the_terminal() -> None:
    """Give up standard input and output, so that a reader of our output doesn't wait for the guardian."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _listen(reading: int) -> tuple[set[int], bool]:
    """Read the supervisor's lines until the pipe ends; return the living parts and whether it said bye."""
    pids: set[int] = set()
    with os.fdopen(reading) as lines:
        for line in lines:
            word = line.strip()
            if word == "bye":
                return pids, True
            if word.startswith("+"):
                pids.add(int(word[1:]))
            else:
                pids.discard(int(word[1:]))
    return pids, False


def _clean_up(pids: set[int], folder: Path, mark: str, keep: bool) -> None:
    """End the command's processes, then the parts, then remove what was only theirs."""
    end_now(marked(mark), signal.SIGTERM, PATIENCE)
    relatives = {relative for pid in pids if alive(pid) for relative in family(pid)}
    # PostgreSQL takes SIGQUIT as "stop at once and leave no shared memory behind"; the others just end.
    end_now(sorted(relatives), signal.SIGQUIT, PATIENCE)
    # A worker's children lose their parent before we look, so they are known by what they carry.
    end_now(marked(f"{OWN}={folder}"), signal.SIGKILL, PATIENCE)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
