"""One part of the yard: a server process that is ready when it answers and can be killed, stopped and started again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.errors import YardError, last_lines
from sandbox.places import Account
from sandbox.process import alive, dies_with_us, dropping, family, plain_environment, signal_all, spawn

READY_WITHIN = 60.0  # seconds; a part answers within 0.1 to 0.6 s on an idle machine


class Part(ABC):
    """A server process; a subclass says how it is started, when it answers and what COMMAND must know of it."""

    name: str
    title: str
    gentle = signal.SIGTERM  # asks for an orderly end
    abrupt = signal.SIGKILL  # ends it when its data are thrown away anyway
    patience = 10.0  # seconds for an orderly end
    late = False  # late parts use the others, so they start after them and end before them
    cwd = Path("/")

    def __init__(self, folder: Path, account: Account | None = None, log: Path | None = None) -> None:
        """Remember the part's own folder (made already), the account it runs as (None: ours) and its log."""
        self.folder = folder
        self.account = account
        self.log = log or folder.parent / f"{folder.name}.log"
        self.process: asyncio.subprocess.Process | None = None
        self.seconds = 0.0
        self.expected_end = False
        self.on_spawn: Callable[[int], None] = lambda pid: None

    @abstractmethod
    def argv(self) -> Sequence[str | Path]:
        """Return the command line of the server."""

    @abstractmethod
    async def answers(self) -> bool:
        """Ask the server once; False while it isn't ready."""

    async def prepare(self) -> None:  # noqa: B027 (not every part has something to prepare)
        """Make what the server needs before its start."""

    async def furnish(self) -> None:  # noqa: B027
        """Make what COMMAND expects inside the running server."""

    def environment(self) -> dict[str, str]:
        """Return the variables that tell COMMAND of this part."""
        return {}

    def server_environment(self) -> Mapping[str, str]:
        """Return the server's own environment."""
        return plain_environment()

    def pass_fds(self) -> tuple[int, ...]:
        """Return the descriptors that the server inherits."""
        return ()

    def data(self) -> Path:
        """Return the folder that holds the server's data."""
        return self.folder

    @property
    def pid(self) -> int | None:
        """Return the pid of the running server, None when it has ended."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    async def start(self) -> None:
        """Prepare, start and furnish the server; return when it answers. Raises YardError with its last words."""
        began = time.monotonic()
        await self.prepare()
        self.expected_end = False
        self.process = await spawn(
            self.argv(),
            log=self.log,
            cwd=self.cwd,
            env=self.server_environment(),
            account=self.account,
            death_signal=self.abrupt,
            pass_fds=self.pass_fds(),
        )
        self.on_spawn(self.process.pid)
        await self._until_it_answers(began + READY_WITHIN)
        await self.furnish()
        self.seconds = time.monotonic() - began

    async def _until_it_answers(self, deadline: float) -> None:
        pause = 0.005
        while not await self.answers():
            if self.pid is None:
                raise self._failure(f"{self.epitaph()} while it was starting")
            if time.monotonic() > deadline:
                raise self._failure(f"{self.title} did not answer within {READY_WITHIN:.0f} s")
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, 0.1)

    def _failure(self, what: str) -> YardError:
        return YardError(f"{what}; the last lines of its log:\n{last_lines(self.log)}")

    def epitaph(self) -> str:
        """Return the beginning of a sentence: who ended how."""
        code = self.process.returncode if self.process is not None else None
        how = f"was killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended, code {code}"
        return f"{self.title} {how}"

    async def end(self, *, thrown_away: bool) -> None:
        """End the server in order, or at once when its data are thrown away; return when its whole family is gone."""
        pid = self.pid
        self.expected_end = True
        if pid is None or self.process is None:
            return
        relatives = family(pid)
        signal_all([pid], self.abrupt if thrown_away else self.gentle)
        signal_all(relatives, signal.SIGCONT)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.process.wait(), self.patience)
        await _gone(relatives, 1.0)
        signal_all([relative for relative in relatives if relative != pid or self.pid], signal.SIGKILL)
        await self.process.wait()

    async def kill(self) -> None:
        """SIGKILL the server and its children, as a power cut would; return when they are gone."""
        pid = self.pid
        self.expected_end = True
        if pid is None or self.process is None:
            raise YardError(f"{self.title} does not run, so it can't be killed.")
        relatives = family(pid)
        signal_all(relatives, signal.SIGKILL)
        await self.process.wait()
        await _gone(relatives, 10.0)

    def freeze(self) -> None:
        """SIGSTOP the server and its children: connections hang instead of failing."""
        self._signal_family(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal_family(signal.SIGCONT)

    def _signal_family(self, sig: signal.Signals) -> None:
        if self.pid is None:
            raise YardError(f"{self.title} does not run, so it can't get {sig.name}.")
        signal_all(family(self.pid), sig)


async def _gone(pids: Sequence[int], patience: float) -> None:
    """Wait until none of the processes lives, at most `patience` seconds."""
    deadline = time.monotonic() + patience
    while any(map(alive, pids)) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)


async def run_quietly(
    argv: Sequence[str | Path], *, what: str, env: Mapping[str, str], text: str = "", account: Account | None = None
) -> str:
    """Run a short helper to its end and return its output; raises YardError with its output when it fails."""
    drop = dropping(account)
    process = await asyncio.create_subprocess_exec(
        *map(str, argv),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(env),
        cwd="/",
        start_new_session=True,
        preexec_fn=dies_with_us(signal.SIGKILL),
        user=drop.uid if drop else None,
        group=drop.gid if drop else None,
        extra_groups=[] if drop else None,
    )
    try:
        output, _ = await process.communicate(text.encode())
    finally:  # we were cancelled
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = output.decode(errors="replace")
    if process.returncode:
        raise YardError(f"{what} failed with code {process.returncode}:\n{said.strip()}")
    return said
