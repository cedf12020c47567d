"""COMMAND: a program in our own process group that gets our signals and whose exit code is ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.errors import YardError
from sandbox.process import dies_with_us, signal_all

PATIENCE = 5.0  # seconds that a program gets to end in order


class Command:
    """A running program; quiet ones keep their output for themselves."""

    def __init__(self, argv: Sequence[str], process: asyncio.subprocess.Process) -> None:
        """Wrap a process that `launch` started."""
        self.sentence = shlex.join(argv)
        self.pid = process.pid
        self._process = process
        self.finished = asyncio.ensure_future(self._finish())

    async def _finish(self) -> tuple[int, str]:
        """Return the exit code (128 + N when signal N ended it, as shells have it) and a quiet program's output."""
        output, _ = await self._process.communicate()
        code = self._process.returncode or 0
        return (code if code >= 0 else 128 - code), (output or b"").decode(errors="replace").strip()

    def pass_on(self, sig: signal.Signals) -> None:
        """Hand a signal to the program, unless it was Ctrl-C: the terminal gives that to our whole process group."""
        if not (sig == signal.SIGINT and _in_foreground()):
            self._send(sig)

    async def end(self) -> None:
        """Ask the program to end, and see to it after some seconds."""
        self._send(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.finished), PATIENCE)
        self._send(signal.SIGKILL)
        await self.finished

    def _send(self, sig: signal.Signals) -> None:
        if self._process.returncode is None:
            signal_all([self.pid], sig)


async def launch(argv: Sequence[str], env: Mapping[str, str], *, quiet: bool = False) -> Command:
    """Start a program. Raises YardError with the shells' codes: 127 when there is none, 126 when it can't be run."""
    output = asyncio.subprocess.PIPE if quiet else None
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL if quiet else None,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT if quiet else None,
            env=dict(env),
            preexec_fn=dies_with_us(signal.SIGTERM),
        )
    except FileNotFoundError:
        raise YardError(f"There is no program {argv[0]}: name one that is on PATH or give its path.", 127) from None
    except OSError as trouble:
        raise YardError(f"The program {argv[0]} can't be run ({trouble.strerror}): check it.", 126) from None
    return Command(argv, process)


def _in_foreground() -> bool:
    """Tell whether our process group owns the terminal, which then sends Ctrl-C to the whole group itself."""
    try:
        with Path(os.ctermid()).open("rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
