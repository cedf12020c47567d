"""Kills, stops and starts the parts of a running sandbox: `python -m sandbox.control kill|stop|cont|start PART`."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from sandbox.errors import BAD_INPUT, YardError

if TYPE_CHECKING:
    from sandbox.yard import Yard

STATE = "KEYBOOK_SANDBOX_STATE"
VERBS = ("kill", "stop", "cont", "start", "end")


class PartState(TypedDict):
    """One part in the state file: its pid (None when it doesn't run), data folder and log."""

    pid: int | None
    data: str
    log: str


def state() -> dict[str, PartState]:
    """Return the parts of the sandbox that we run in, by name. Raises YardError outside of one."""
    found: dict[str, PartState] = json.loads(_state_file().read_text())
    return found


def _state_file() -> Path:
    place = os.environ.get(STATE)
    if not place:
        raise YardError(f"{STATE} is not set: this works inside bin/sandbox only.", BAD_INPUT)
    return Path(place)


def ask(verb: str, part: str) -> None:
    """Have the supervisor kill (SIGKILL), stop (SIGSTOP), cont (SIGCONT), end (in order) or start a part.

    Returns when it is done. A part that was killed or ended starts again on the same data, socket and port.
    Raises YardError with the reason when the supervisor could not.
    """
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(_state_file().with_name("control")))
        wire.sendall(f"{verb} {part}\n".encode())
        answer = b"".join(iter(lambda: wire.recv(65536), b"")).decode()
    if answer.strip() != "ok":
        raise YardError(answer.strip() or "The sandbox ended before it answered.")


class Controls:
    """The supervisor's side of the control socket (0600, in the sandbox's folder)."""

    def __init__(self, yard: Yard) -> None:
        """Serve `yard`."""
        self._yard = yard
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        place = self._yard.folder / "control"
        self._server = await asyncio.start_unix_server(self._serve, str(place))
        place.chmod(0o600)

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode().split()
        try:
            await self._obey(words)
            answer = "ok"
        except YardError as trouble:
            answer = str(trouble)
        writer.write(f"{answer}\n".encode())
        await writer.drain()
        writer.close()

    async def _obey(self, words: list[str]) -> None:
        verb, name = (*words, "", "")[:2]
        part = self._yard.parts.get(name)
        if verb not in VERBS or part is None:
            known = ", ".join(self._yard.parts)
            raise YardError(f"Say one of {', '.join(VERBS)} and one of {known}, not {' '.join(words)!r}.", BAD_INPUT)
        match verb:
            case "kill":
                await part.kill()
            case "end":
                await part.end(thrown_away=False)
            case "stop":
                part.freeze()
            case "cont":
                part.thaw()
            case _:
                await self._yard.start_part(name)
        self._yard.write_state()


def main() -> int:
    """Obey the command line."""
    try:
        if len(sys.argv) != 3:
            raise YardError(f"Usage: python -m sandbox.control {'|'.join(VERBS)} PART", BAD_INPUT)
        ask(sys.argv[1], sys.argv[2])
    except (YardError, OSError) as trouble:
        print(trouble, file=sys.stderr)
        return trouble.code if isinstance(trouble, YardError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
