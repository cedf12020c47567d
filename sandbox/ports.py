"""Keeps a free loopback port for a part for as long as the sandbox lives."""

from __future__ import annotations

import socket


class Port:
    """A port of 127.0.0.1 that no other bind(0) gets while we hold it.

    The holder is bound without SO_REUSEADDR, so the kernel gives the number to nobody else, and gets the option
    afterwards: then a server which sets it (Valkey, Go and gunicorn do) may listen there, again after a restart, too.
    """

    def __init__(self) -> None:
        """Take a free port."""
        self._holder = socket.socket()
        self._holder.bind(("127.0.0.1", 0))
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.number: int = self._holder.getsockname()[1]

    def give_back(self) -> None:
        """Hold it no longer."""
        self._holder.close()


_held: list[Port] = []


def take_port() -> int:
    """Return a port that is held for as long as this process lives."""
    _held.append(Port())
    return _held[-1].number


def is_free(port: int) -> bool:
    """Tell whether nobody listens at this port of 127.0.0.1."""
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(wanted: int) -> int:
    """Return this port of 127.0.0.1 if it is free, else another one that is."""
    return wanted if is_free(wanted) else take_port()
