"""A TCP proxy that cuts a connection before, in or after the server's act, as a network does."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import urlsplit

REFUSED = "refused"  # nobody listens
BEFORE = "before"  # taken and cut, nothing forwarded
TORN = "torn"  # half of the request is forwarded
IN = "in"  # the whole request is forwarded, and cut at once
UNHEARD = "unheard"  # the server has answered, and nothing of that comes back
HALF_HEARD = "half heard"  # some bytes of the answer come back
SILENT = "silent"  # the request is forwarded, and the answer never comes
PASSED = "passed"  # all of it
WAYS = (REFUSED, BEFORE, TORN, IN, UNHEARD, HALF_HEARD, PASSED)


class Cutting:
    """Stands before the server at `url`; each new connection is served in the way that `way` names then."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._server = (place.hostname, place.port)
        self.way = PASSED
        self.after = 12  # bytes of the answer that `half heard` lets through
        self._door = socket.create_server(("127.0.0.1", 0))
        self._closed = threading.Event()
        self._held: list[socket.socket] = []
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            self._nobody = nobody.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the address to ask."""
        port = self._nobody if self.way == REFUSED else self._door.getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def close(self) -> None:
        """Serve nobody any more."""
        self._closed.set()
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        for one in self._held:
            one.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                caller, _ = self._door.accept()
            except OSError:
                return
            with suppress(OSError):
                self._serve(caller, self.way)
            if self.way == SILENT:
                self._held.append(caller)
            else:
                _cut(caller)

    def _serve(self, caller: socket.socket, way: str) -> None:
        request = _message(caller)
        if way == BEFORE:
            return
        with socket.create_connection(self._server, timeout=10) as server:
            server.sendall(request[: len(request) // 2] if way == TORN else request)
            if way == TORN:
                _cut(server)
            elif way != IN:
                answer = _message(server)
                if way in (HALF_HEARD, PASSED):
                    caller.sendall(answer[: self.after] if way == HALF_HEARD else answer)


def _cut(wire: socket.socket) -> None:
    """Close with a reset, as a broken network looks like."""
    with suppress(OSError):
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()


def _message(wire: socket.socket) -> bytes:
    """Read one HTTP message to its end."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += _some(wire)
    head, _, _ = got.partition(b"\r\n\r\n")
    wanted = len(head) + 4
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            wanted += int(line.split(b":")[1])
    while len(got) < wanted:
        got += _some(wire)
    return got


def _some(wire: socket.socket) -> bytes:
    part = wire.recv(65536)
    if not part:
        raise ConnectionError("the other side closed")
    return part
