"""A simulated Kubernetes API: a real HTTP server on loopback that answers as API servers do, and fails on demand."""

from __future__ import annotations

import contextlib
import gzip
import select
import socket
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox import kube_discovery
from sandbox.kube_access import Access, Wish, forbidden
from sandbox.kube_budgets import evict
from sandbox.kube_call import Call, Place, Reply, Stream, place_of
from sandbox.kube_controllers import Controllers
from sandbox.kube_faults import Broken, Faults, Mishaps, Wire
from sandbox.kube_lists import listed
from sandbox.kube_objects import Objects
from sandbox.kube_reviews import Reviews
from sandbox.kube_status import Refusal, Unrouted
from sandbox.kube_store import WINDOW, Store, encode
from sandbox.kube_tokens import is_review
from sandbox.kube_watch import Manners, Watch

GZIP_FROM = 128 * 1024  # bytes; smaller answers go plain
OPEN_TO_ALL = ("/openid/v1/jwks", "/version", "/livez", "/readyz", "/healthz")
KEPT_REQUESTS = 10_000


@dataclass
class Asked:
    """One request in the log; the code is 0 while it is being answered."""

    at: float
    verb: str
    path: str
    query: dict[str, str]
    resource: str
    user: str
    agent: str
    accept: str
    code: int = 0


class KubeApi:
    """The server with its store; `url` and `token` let a client in, `faults` makes it fail."""

    def __init__(self, store: Store | None = None, *, port: int = 0, window: int = WINDOW, token: str = "") -> None:
        """Listen on a free port of loopback (or this one) once `start` is called; `token` is the administrator's."""
        self.store = store or Store(window)
        self.access = Access(self.store, token)
        self.token = self.access.token
        self.faults = Faults()
        self.manners = Manners()
        self.objects = Objects(self.store)
        self.tokens = self.access.tokens
        self.reviews = Reviews(self.access, self.tokens)
        self.controllers = Controllers(self.store)
        self.uninstalled: set[str] = set()
        self.requests: deque[Asked] = deque(maxlen=KEPT_REQUESTS)
        self._connections: set[socket.socket] = set()
        self._server = self._listen(port)
        self.port: int = self._server.server_port
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Return the base address."""
        return f"http://127.0.0.1:{self.port}"

    def _listen(self, port: int) -> _Server:
        server = _Server(("127.0.0.1", port), _Handler)
        server.api = self
        return server

    def start(self) -> KubeApi:
        """Serve in a thread."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every stream and listen no more."""
        self._end_streams()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._close_connections()

    def __enter__(self) -> KubeApi:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop, controllers and all."""
        self.controllers.stop()
        self.stop()

    # What happens to it -----------------------------------------------------------------------------------------

    def restart(self) -> None:
        """End all watches in order and forget every version that was told, as a restarted API server."""
        self._end_streams()
        self.store.age()

    def bookmark(self) -> None:
        """Send every watch that wants bookmarks one now, unless it would say what the watch began with."""
        with self.store.lock:
            self.manners.asked += 1
            self._wake()

    def cut(self) -> None:
        """Cut every connection in the middle of what it says."""
        self._close_connections()

    def go_away(self) -> None:
        """Refuse connections until `come_back`; the open ones are cut."""
        self.stop()

    def come_back(self) -> None:
        """Listen again on the same port."""
        self._server = self._listen(self.port)
        self.start()

    def _end_streams(self) -> None:
        self.faults.clear()
        with self.store.lock:
            self.manners.stopping.set()
            self.manners.stopping = threading.Event()
            self._wake()

    def _wake(self) -> None:
        for shelf in self.store.shelves.values():
            shelf.changed.notify_all()

    def _close_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def uninstall(self, group: str) -> None:
        """Serve the custom resources of a group no more: their paths are 404."""
        self.uninstalled.add(group)

    def install(self, group: str) -> None:
        """Serve the custom resources of a group again."""
        self.uninstalled.discard(group)

    # Answers ----------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Reply | Stream:
        """Answer a request that is identified and resolved. Raises Refusal and Unrouted."""
        place = call.place
        if place is None:
            return self._about_itself(call)
        self.access.allow(call)
        if is_review(place.kind):
            return self.reviews.answer(call, place)
        if call.verb == "list":
            return listed(self.store, place.kind, place.namespace, call)
        if call.verb == "watch":
            watch = Watch(self.store, place.kind, place.namespace, call, self.manners)
            return Stream(watch.pieces())
        return self._one(call, place)

    def _about_itself(self, call: Call) -> Reply:
        if call.path == "/openid/v1/jwks":
            return Reply(200, encode(self.tokens.keys()), "application/jwk-set+json")
        return kube_discovery.answer(call.path, self.uninstalled)

    def _one(self, call: Call, place: Place) -> Reply:
        if place.subresource == "token":
            return self.reviews.answer(call, place)
        if place.subresource != "eviction":
            return self.objects.answer(call, place)
        if call.verb != "create":
            raise Refusal(405, "the server does not allow this method on the requested resource")
        return Reply(201, encode(evict(self.store, self.objects, place.namespace, place.name)))

    def forbid(self, call: Call) -> Refusal:
        """Return the 403 that a request would get of a user without any right."""
        place = call.place
        if place is None:
            return Refusal(403, f'forbidden: User "{call.user.name}" cannot get path "{call.path}"')
        wish = Wish(call.verb, place.kind.group, place.kind.plural, place.namespace, place.name)
        return forbidden(call.user, wish, named=place.name)


class _Server(ThreadingHTTPServer):
    api: KubeApi
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that were cut; the request log has what was asked."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.api._connections.add(self.connection)

    def finish(self) -> None:
        self.server.api._connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the requests are logged with what they mean."""

    def _call(self) -> Call:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.title(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return Call(self.command, unquote(parts.path), query, headers, body)

    def _handle(self) -> None:
        """Answer one request."""
        try:
            self._reply(self._call())
        except (Broken, OSError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

    def _reply(self, call: Call) -> None:
        api, mishaps, asked = self.server.api, Mishaps(), _logged(call)
        api.requests.append(asked)
        try:
            if call.path not in OPEN_TO_ALL:
                call.user = api.access.identify(call)
                asked.user = call.user.name
            if call.path.startswith(("/api/v1/", "/apis/")) and call.path.rstrip("/").count("/") > 2:
                self._resolve(api, call, asked)
            mishaps = api.faults.take(asked.verb, asked.resource, call.place.namespace if call.place else "")
            time.sleep(mishaps.delay)
            if mishaps.refusal is not None:
                raise api.forbid(call) if mishaps.refusal.code == 403 else mishaps.refusal
            reply = api.answer(call)
        except Refusal as refusal:
            reply = refused(refusal)
        except Unrouted:
            reply = Reply(404, b"404 page not found\n", "text/plain; charset=utf-8")
        except (AttributeError, LookupError, TypeError, ValueError) as oddity:
            traceback.print_exc()
            reply = refused(Refusal(500, f"Internal error occurred: {oddity!r}"))
        wire = Wire(self.connection, mishaps, api.faults)
        if isinstance(reply, Stream):
            asked.code = 200
            self._stream(reply, wire, mishaps)
        else:
            asked.code = reply.code
            self._whole(reply, wire, call)

    def _resolve(self, api: KubeApi, call: Call, asked: Asked) -> None:
        parts = call.path.strip("/").split("/")
        if parts[0] == "apis" and len(parts) == 3:
            return  # discovery of one group's version
        call.resolve(place_of(call.path, api.uninstalled))
        asked.verb = call.verb
        asked.resource = call.place.kind.plural if call.place else ""

    def _head(self, code: int, content_type: str, headers: dict[str, str]) -> bytes:
        lines = [f"HTTP/1.1 {code} {self.responses.get(code, ('',))[0]}", f"Content-Type: {content_type}"]
        lines += [f"Date: {self.date_time_string()}", "Cache-Control: no-cache, private"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _whole(self, reply: Reply, wire: Wire, call: Call) -> None:
        body, headers = reply.body, dict(reply.headers)
        if len(body) >= GZIP_FROM and "gzip" in call.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, 1, mtime=0)
            headers.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
        headers["Content-Length"] = str(len(body))
        wire.head(self._head(reply.code, reply.content_type, headers))
        if self.command != "HEAD":
            wire.body(body)

    def _stream(self, stream: Stream, wire: Wire, mishaps: Mishaps) -> None:
        wire.head(self._head(200, "application/json", {"Transfer-Encoding": "chunked"}))
        if mishaps.garbage:
            wire.body(_chunk(mishaps.garbage))
        for piece in stream.pieces:
            if piece:
                wire.body(_chunk(piece))
            elif self._gone():
                raise Broken
        wire.head(b"0\r\n\r\n")

    def _gone(self) -> bool:
        """Tell whether the other side has closed the connection."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _logged(call: Call) -> Asked:
    headers = call.headers
    agent, accept = headers.get("User-Agent", ""), headers.get("Accept", "")
    return Asked(time.time(), call.method.lower(), call.path, call.query, "", "", agent, accept)


def refused(refusal: Refusal) -> Reply:
    """Return the answer that carries a Status."""
    headers = {}
    if refusal.details and refusal.details.get("retryAfterSeconds"):
        headers["Retry-After"] = str(refusal.details["retryAfterSeconds"])
    return Reply(refusal.code, encode(refusal.status()), headers=headers)
