"""The supervisor: starts the parts, runs COMMAND among them, ends everything and hands back COMMAND's exit code."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.command import Command, launch
from sandbox.control import STATE
from sandbox.errors import YardError, last_lines
from sandbox.guardian import OWN, Guardian
from sandbox.identities import Identity
from sandbox.part import Part
from sandbox.postgres import Postgres
from sandbox.process import alive, marked, signal_all

ROOT = Path(__file__).resolve().parent.parent
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Yard:
    """Parts under one supervisor, in one folder whose lock we hold."""

    def __init__(self, folder: Path, guardian: Guardian, settings: Mapping[str, str], *, thrown_away: bool) -> None:
        """Begin without parts; `settings` go into every environment; `thrown_away`: data go with the folder."""
        self.folder = folder
        self.parts: dict[str, Part] = {}
        self.on_step: Callable[[str, str, float], None] = lambda name, title, seconds: None
        self.thrown_away = thrown_away
        self.state = folder / "state.json"
        self._guardian = guardian
        self._crash: asyncio.Future[Part] = asyncio.get_running_loop().create_future()
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._signal = 0
        self._command: Command | None = None
        self._settings = settings
        for sig in FORWARDED:
            asyncio.get_running_loop().add_signal_handler(sig, self._pass_on, sig)

    def add(self, *parts: Part) -> None:
        """Take parts; the variables of a later one win."""
        for part in parts:
            self.parts[part.name] = part
            part.on_spawn = self._guardian.watch

    def product_environment(self) -> dict[str, str]:
        """Return the environment of our own processes: COMMAND's without the mark by which its leftovers are ended."""
        return {name: value for name, value in self.environment().items() if name != STATE}

    def environment_of(self, identity: Identity) -> Callable[[], dict[str, str]]:
        """Return what tells, when it starts, the environment of one of Keybook's processes; it carries our mark."""

        def tell() -> dict[str, str]:
            postgres = self.parts.get("postgres")
            url = postgres.url if isinstance(postgres, Postgres) else None
            return {**identity.environment(self.product_environment(), url), OWN: str(self.folder)}

        return tell

    def environment(self) -> dict[str, str]:
        """Return COMMAND's environment: ours, the parts' variables and the project's Python first on PATH."""
        own = {
            **self._settings,
            STATE: str(self.state),
            "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)]),
        }
        for part in self.parts.values():
            own.update(part.environment())
        return {**os.environ, **own}

    async def start(self, names: Sequence[str]) -> None:
        """Start parts side by side; the first failure ends the attempt."""
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(self.start_part(name))

    async def start_part(self, name: str) -> None:
        """Start one part and watch over it."""
        part = self.parts[name]
        if part.pid is not None:
            raise YardError(f"{part.title} runs already.")
        await part.start()
        self._watchers[name] = asyncio.create_task(self._watch(part))
        self.write_state()
        self.on_step(part.name, part.title, part.seconds)

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

    async def run(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        """Run a program among the parts and return its exit code.

        Raises YardError when a part dies meanwhile and when the program can't be started.
        """
        return (await self._run(argv, env, quiet=False))[0]

    async def ask(self, *argv: str) -> str:
        """Run `manage.py` with these words and return what it prints. Raises YardError with that when it fails."""
        return (await self.ask_all([argv]))[0]

    async def ask_all(self, commands: Sequence[Sequence[str]]) -> list[str]:
        """Run commands of `manage.py` one after the other in one process; returns what each prints. Raises as `ask`."""
        command = [sys.executable, "-m", "sandbox.manage", json.dumps(commands)]
        environment = {**self.product_environment(), "PYTHONPATH": str(ROOT)}
        code, output = await self._run(command, environment, quiet=True)
        if code or self._stopping.is_set():
            if self._stopping.is_set():
                return [""] * len(commands)
            raise YardError(f"`manage.py {shlex.join(commands[0])}` failed with code {code}:\n{output}")
        told: list[str] = json.loads(output.splitlines()[-1])  # commands may have said something before on stderr
        return told

    async def _run(self, argv: Sequence[str], env: Mapping[str, str], *, quiet: bool) -> tuple[int, str]:
        if self._stopping.is_set():
            return self.interrupted, ""
        command = self._command = await launch(argv, env, quiet=quiet)
        self._guardian.watch(command.pid)
        if not await self._before_a_crash(command.finished):
            raise self._obituary(f", so {command.sentence!r} was ended")
        self._guardian.forget(command.pid)
        self._command = None
        return command.finished.result()

    async def until_interrupted(self) -> None:
        """Wait for a signal; raises YardError when a part dies meanwhile."""
        waiting = asyncio.ensure_future(self._stopping.wait())
        if not await self._before_a_crash(waiting):
            waiting.cancel()
            raise self._obituary("")

    async def _before_a_crash(self, waiting: asyncio.Future[Any]) -> bool:
        """Wait for `waiting` or the crash of a part; tell whether it was `waiting`."""
        await asyncio.wait([waiting, self._crash], return_when=asyncio.FIRST_COMPLETED)
        return waiting.done()

    def _obituary(self, consequence: str) -> YardError:
        part = self._crash.result()
        where = "its log" if self.thrown_away else f"its log, {part.log}"
        return YardError(f"{part.epitaph()}{consequence}; the last lines of {where}:\n{last_lines(part.log)}")

    async def unless_interrupted(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work; when a signal comes meanwhile, give it up and return False. Raises what the work raises."""
        doing = asyncio.ensure_future(work)
        signalled = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait([doing, signalled], return_when=asyncio.FIRST_COMPLETED)
        signalled.cancel()
        if doing.done():
            doing.result()
            return True
        doing.cancel()
        await asyncio.wait([doing])
        return False

    def _pass_on(self, sig: signal.Signals) -> None:
        self._signal = sig
        self._stopping.set()
        if self._command is not None:
            self._command.pass_on(sig)

    @property
    def interrupted(self) -> int:
        """Return the exit code that the last signal asks for, 0 without one."""
        return 128 + self._signal if self._signal else 0

    async def end(self) -> None:
        """End COMMAND and what it left behind, then the parts; bounded by their patience."""
        if self._command is not None:
            await self._command.end()
        await self._end_leftovers()
        for part in self.parts.values():
            part.expected_end = True
        for late in (True, False):
            ending = [part for part in self.parts.values() if part.late == late]
            await asyncio.gather(*(part.end(thrown_away=self.thrown_away) for part in ending))
        await asyncio.gather(*self._watchers.values())

    async def _end_leftovers(self) -> None:
        """End the processes that COMMAND started and left: they carry our state file in their environment."""
        mark = f"{STATE}={self.state}"
        left = marked(mark)
        signal_all(left, signal.SIGTERM)
        for _ in range(100):
            if not any(map(alive, left)):
                break
            await asyncio.sleep(0.02)
        signal_all(marked(mark), signal.SIGKILL)
