"""The supervisor: starts the parts, runs COMMAND among them, ends everything and hands back COMMAND's exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sandbox.control import STATE
from sandbox.errors import YardError, last_lines
from sandbox.guardian import Guardian
from sandbox.part import Part
from sandbox.process import alive, dies_with_us, marked, signal_all

ROOT = Path(__file__).resolve().parent.parent
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Yard:
    """Parts under one supervisor, in one folder whose lock we hold."""

    def __init__(self, folder: Path, guardian: Guardian, parts: Sequence[Part], *, thrown_away: bool) -> None:
        """Take the parts in the order in which their environments are laid over each other."""
        self.folder = folder
        self.parts = {part.name: part for part in parts}
        self.thrown_away = thrown_away
        self.state = folder / "state.json"
        self._guardian = guardian
        self._crash: asyncio.Future[Part] = asyncio.get_running_loop().create_future()
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._signal = 0
        self._command: asyncio.subprocess.Process | None = None
        for part in parts:
            part.on_spawn = guardian.watch
        loop = asyncio.get_running_loop()
        for sig in FORWARDED:
            loop.add_signal_handler(sig, self._pass_on, sig)

    def environment(self) -> dict[str, str]:
        """Return COMMAND's environment: ours, the parts' variables and the project's Python first on PATH."""
        own = {
            "KEYBOOK_EMBEDDED": "1",
            "KEYBOOK_SECRET_KEY": secrets.token_urlsafe(48),
            "KEYBOOK_LOG_ROOTS": str(self.folder),
            "KEYBOOK_SECURE_COOKIES": "0",
            STATE: str(self.state),
            "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)]),
        }
        for part in self.parts.values():
            own.update(part.environment())
        return {**os.environ, **own}

    async def start(self, names: Iterable[str] | None = None) -> None:
        """Start parts side by side (all of them by default); the first failure ends the attempt."""
        async with asyncio.TaskGroup() as group:
            for name in names or self.parts:
                group.create_task(self.start_part(name))

    async def start_part(self, name: str) -> None:
        """Start one part and watch over it."""
        part = self.parts[name]
        if part.pid is not None:
            raise YardError(f"{part.title} runs already.")
        await part.start()
        self._watchers[name] = asyncio.create_task(self._watch(part))
        self.write_state()

    async def _watch(self, part: Part) -> None:
        process = part.process
        if process is None:
            return
        await process.wait()
        self._guardian.forget(process.pid)
        self.write_state()
        if not part.expected_end and not self._crash.done():
            self._crash.set_result(part)

    def write_state(self) -> None:
        """Write every part's pid, data and log as JSON; readers see the old or the new file, never half of one."""
        state = {
            part.name: {"pid": part.pid, "data": str(part.data()), "log": str(part.log)} for part in self.parts.values()
        }
        fresh = self.state.with_suffix(".new")
        fresh.write_text(json.dumps(state, indent=1))
        fresh.rename(self.state)

    async def run(self, command: Sequence[str], env: dict[str, str], *, quiet: bool = False) -> int:
        """Run a command among the parts and return its exit code (128 + N for signal N), as a shell does.

        Raises YardError when a part dies meanwhile, and when the program can't be started (126, 127).
        """
        if self._stopping.is_set():
            return 128 + self._signal
        self._command = await _launch(command, env, quiet)
        self._guardian.watch(self._command.pid)
        waiting = asyncio.ensure_future(self._command.communicate())
        if not await self._first(waiting):
            await self._end_command(waiting)
            part = self._crash.result()
            raise YardError(f"{part.epitaph()} {' '.join(command)!r} was ended.\n{last_lines(part.log)}")
        output, _ = await waiting
        code = self._command.returncode or 0
        self._guardian.forget(self._command.pid)
        self._command = None
        if quiet and code and not self._stopping.is_set():
            raise YardError(
                f"{' '.join(command)!r} failed with code {code}:\n{output.decode(errors='replace').strip()}"
            )
        return code if code >= 0 else 128 - code

    async def _first(self, waiting: asyncio.Future[Any]) -> bool:
        """Wait for `waiting` or the crash of a part; tell whether it was `waiting`."""
        await asyncio.wait([waiting, self._crash], return_when=asyncio.FIRST_COMPLETED)
        return waiting.done()

    async def _end_command(self, waiting: asyncio.Future[tuple[bytes, bytes]]) -> None:
        """Ask COMMAND to end, and see to it after five seconds."""
        if self._command is not None:
            signal_all([self._command.pid], signal.SIGTERM)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(waiting), 5)
            signal_all([self._command.pid] if self._command.returncode is None else [], signal.SIGKILL)
            await waiting

    def _pass_on(self, sig: signal.Signals) -> None:
        """Hand a signal to COMMAND; the terminal has given it Ctrl-C already, since it is in our process group."""
        self._signal = sig
        self._stopping.set()
        if self._command is not None and not (sig == signal.SIGINT and _in_foreground()):
            signal_all([self._command.pid], sig)

    @property
    def interrupted(self) -> int:
        """Return the exit code that the last signal asks for, 0 without one."""
        return 128 + self._signal if self._signal else 0

    async def until_interrupted(self) -> None:
        """Wait for a signal; raises YardError when a part dies meanwhile."""
        waiting = asyncio.ensure_future(self._stopping.wait())
        if not await self._first(waiting):
            waiting.cancel()
            part = self._crash.result()
            raise YardError(f"{part.epitaph()}\n{last_lines(part.log)}")

    async def end(self) -> None:
        """End what COMMAND left behind, then the parts, the last started first; bounded by their patience."""
        await self._end_leftovers()
        for part in self.parts.values():
            part.expected_end = True
        await asyncio.gather(*(part.end(thrown_away=self.thrown_away) for part in self.parts.values()))
        await asyncio.gather(*self._watchers.values())

    async def _end_leftovers(self) -> None:
        mark = f"{STATE}={self.state}"
        left = marked(mark)
        signal_all(left, signal.SIGTERM)
        for _ in range(100):
            if not any(map(alive, left)):
                return
            await asyncio.sleep(0.02)
        signal_all(marked(mark), signal.SIGKILL)


async def _launch(command: Sequence[str], env: dict[str, str], quiet: bool) -> asyncio.subprocess.Process:
    """Start COMMAND in our own process group, so that the terminal's keys reach it; quietly means: keep its output."""
    output = asyncio.subprocess.PIPE if quiet else None
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL if quiet else None,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT if quiet else None,
            env=env,
            preexec_fn=dies_with_us(signal.SIGTERM),
        )
    except FileNotFoundError:
        raise YardError(f"There is no program {command[0]}: name one that is on PATH or give its path.", 127) from None
    except PermissionError:
        raise YardError(f"The program {command[0]} may not be run: check its mode.", 126) from None


def _in_foreground() -> bool:
    """Tell whether our process group owns the terminal, which then sends Ctrl-C to the whole group itself."""
    try:
        with Path(os.ctermid()).open("rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
