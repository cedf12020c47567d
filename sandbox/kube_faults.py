"""What can go wrong on the way to the simulated Kubernetes API, made to happen on purpose."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field

from sandbox.kube_status import Refusal


@dataclass
class Fault:
    """One mishap for requests of a verb (get list watch create update patch delete) and resource; empty: any.

    `times` is how often it happens (None: until it is cleared).
    """

    verb: str = ""
    resource: str = ""
    namespace: str = ""
    times: int | None = 1
    delay: float = 0.0  # seconds before the answer
    refusal: Refusal | None = None
    cut_after: int | None = None  # bytes of the body after which the connection is cut
    hang_after: int | None = None  # bytes of the body after which nothing comes any more and the connection stays
    garbage: bytes = b""  # sent by a watch before its first event

    def fits(self, verb: str, resource: str, namespace: str) -> bool:
        """Tell whether a request is one of those that it happens to."""
        pairs = ((self.verb, verb), (self.resource, resource), (self.namespace, namespace))
        return all(not wanted or wanted == found for wanted, found in pairs)


@dataclass
class Mishaps:
    """What happens to one request, put together from its faults."""

    delay: float = 0.0
    refusal: Refusal | None = None
    cut_after: int | None = None
    hang_after: int | None = None
    garbage: bytes = b""


@dataclass
class Faults:
    """The faults that wait for their requests."""

    waiting: list[Fault] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> Fault:
        """Let a fault wait for its requests."""
        with self._lock:
            self.waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Take back all faults and close the connections that hang."""
        with self._lock:
            self.waiting.clear()
        self.released.set()
        self.released = threading.Event()

    def take(self, verb: str, resource: str, namespace: str) -> Mishaps:
        """Return what happens to a request, and count it."""
        found = Mishaps()
        with self._lock:
            for fault in [fault for fault in self.waiting if fault.fits(verb, resource, namespace)]:
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.waiting.remove(fault)
                found.delay += fault.delay
                found.refusal = fault.refusal or found.refusal
                found.cut_after = fault.cut_after if fault.cut_after is not None else found.cut_after
                found.hang_after = fault.hang_after if fault.hang_after is not None else found.hang_after
                found.garbage += fault.garbage
        return found

    # The usual ones ---------------------------------------------------------------------------------------------

    def fail(
        self, code: int, verb: str = "", resource: str = "", *, times: int | None = 1, retry_after: int = 0
    ) -> Fault:
        """Answer a Status with this code; `retry_after` (seconds) also sends the header."""
        message = f"the server answers {code} because a test wants it"
        details = {"retryAfterSeconds": retry_after} if retry_after else None
        return self.add(Fault(verb, resource, times=times, refusal=Refusal(code, message, details=details)))

    def delay(self, seconds: float, verb: str = "", resource: str = "", *, times: int | None = 1) -> Fault:
        """Answer late."""
        return self.add(Fault(verb, resource, times=times, delay=seconds))

    def cut(self, after: int, verb: str = "", resource: str = "", *, times: int | None = 1) -> Fault:
        """Cut the connection after so many bytes of the body."""
        return self.add(Fault(verb, resource, times=times, cut_after=after))

    def hang(self, after: int, verb: str = "", resource: str = "", *, times: int | None = 1) -> Fault:
        """Send nothing more after so many bytes of the body and keep the connection (half-dead), until `clear`."""
        return self.add(Fault(verb, resource, times=times, hang_after=after))

    def garble(self, resource: str = "", line: bytes = b'{"type":"MODIFIED","object":{"ki\n', **also: int) -> Fault:
        """Send a line that is no event in a watch."""
        return self.add(Fault("watch", resource, garbage=line, times=also.get("times", 1)))


class Broken(Exception):
    """The connection was cut on purpose, or the other side has gone."""


class Wire:
    """One connection while it answers one request; it cuts or hangs after so many bytes of the body."""

    def __init__(self, connection: socket.socket, mishaps: Mishaps, faults: Faults) -> None:
        """Count the bytes of one answer's body."""
        self._connection = connection
        self._mishaps = mishaps
        self._faults = faults
        self._sent = 0

    def head(self, data: bytes) -> None:
        """Send what does not count as body."""
        try:
            self._connection.sendall(data)
        except OSError as gone:
            raise Broken from gone

    def body(self, data: bytes) -> None:
        """Send a part of the body. Raises Broken when the connection ended here."""
        for limit, end in ((self._mishaps.cut_after, self._cut), (self._mishaps.hang_after, self._hang)):
            if limit is not None and self._sent + len(data) > limit:
                self.head(data[: max(0, limit - self._sent)])
                end()
        self.head(data)
        self._sent += len(data)

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        raise Broken

    def _hang(self) -> None:
        self._faults.released.wait()
        raise Broken
