"""Kills, stops and starts the parts of a running sandbox: `python -m sandbox.control kill|stop|cont|start PART`."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import TypedDict

from sandbox.errors import BAD_INPUT, YardError

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


def ask(verb: str, part: str, state_file: Path | None = None) -> None:
    """Have the supervisor kill (SIGKILL), stop (SIGSTOP), cont (SIGCONT), end (in order) or start a part.

    The sandbox is the one that we run in, or the one whose state file is given. Returns when it is done.
    A part that was killed or ended starts again on the same data, socket and port.
    Raises YardError with the reason when the supervisor could not.
    """
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str((state_file or _state_file()).with_name("control")))
        wire.sendall(f"{verb} {part}\n".encode())
        answer = b"".join(iter(lambda: wire.recv(65536), b"")).decode()
    if answer.strip() != "ok":
        raise YardError(answer.strip() or "The sandbox ended before it answered.")


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
