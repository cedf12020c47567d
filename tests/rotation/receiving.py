"""A webhook's receiver and a mail server as real servers on loopback, which answer as a test tells them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller


@dataclass
class Got:
    """What a receiver got, and what it answers: a status for each request, 204 when they are used up."""

    url: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    slow: float = 0.0  # seconds between two bytes of an answer's head


@contextmanager
def webhook() -> Iterator[Got]:
    """Serve on a free port of loopback."""
    got = Got()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status = got.statuses.pop(0) if got.statuses else 204
            answer = f"HTTP/1.1 {status} x\r\nLocation: {got.url}/elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
            for byte in answer:
                self.wfile.write(bytes([byte]))
                time.sleep(got.slow)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                return  # it was cut off, as a test wants it

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    got.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mails:
    """What a mail server took, as (recipient, text); `refuse` is what it answers instead."""

    port: int = 0
    taken: list[tuple[str, str]] = field(default_factory=list)
    refuse: str = ""

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        self.taken += [(one, envelope.content.decode()) for one in envelope.rcpt_tos]
        return "250 OK"


class AnyPort(Controller):
    """Listens on a port that is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server() -> Iterator[Mails]:
    """Take mail on a free port of loopback."""
    mails = Mails()
    controller = AnyPort(mails, hostname="127.0.0.1", port=0)
    controller.start()
    mails.port = controller.port
    try:
        yield mails
    finally:
        controller.stop()
