"""HTTP/1.1 on one connection (RFC 9112), one request after the other, each answered within its time whatever happens.

The parser is httptools' (llhttp); ours are the limits: of the head, of the body, of the time from the first byte on.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools

from receiver import answers
from receiver.answers import Answer
from receiver.request import SHORT_BATCH, SMALL, Request

_HEAD = 32 * 1024
_LINGER = 2.0  # seconds that the rest of a refused body is read and thrown away, so that the answer arrives


class House(Protocol):
    """Who judges requests."""

    deadline: float
    largest_body: int

    def entered(self, wire: Wire) -> bool:
        """A connection came; False when there is no room for it."""

    def left(self, wire: Wire) -> None:
        """A connection ended."""

    def room_for(self, more: int) -> bool:
        """Whether so many bytes more of bodies may be held; gives them back when negative."""

    def admit(self, request: Request) -> Answer | None:
        """Judge a request by its head; None to go on."""

    def take(self, request: Request, body: bytes) -> None:
        """Judge a whole request; `request.turn` is called once with the answer."""

    def answered(self, wire: Wire, answer: Answer) -> None:
        """An answer went out."""


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, house: House, loop: asyncio.AbstractEventLoop) -> None:
        self._house, self._loop = house, loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._head = 0
        self._deaf = False  # nothing that still comes is looked at
        self.since = loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self._request is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._house.entered(self):
            self._write(answers.FULL)
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; what was under way goes on, for the line may be in the spool already."""
        self._deaf = True
        self._forget()
        self._house.left(self)

    def eof_received(self) -> bool:
        """The sender sends no more; an answer that is under way still goes out."""
        return self._request is not None and self._request.complete

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._deaf:
            return
        if self._request is None:
            self._begin()
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(answers.NOT_HTTP)
            return
        self._after_data()

    def _begin(self) -> None:
        self._request, self._head = Request(self._loop.time()), 0
        self._request.turn = self._turn(self._request)
        self._timer = self._loop.call_later(self._house.deadline, self._late)

    def _after_data(self) -> None:
        request = self._request
        if request is None or request.answered:
            return
        if not request.method and self._head > _HEAD:
            self._refuse(answers.HEAD_TOO_LARGE)
        elif request.refusal is not None:
            if request.complete or request.refusal.close or not 0 <= request.declared <= SMALL:
                self._refuse(request.refusal)
        elif request.complete:
            self._take(request)

    def _take(self, request: Request) -> None:
        body = b"".join(request.body)
        if request.is_small and not request.is_one_line(body):
            self._wait_until(request.began + self._house.deadline + SHORT_BATCH)
        self._house.take(request, body)

    # What the parser calls.
    def on_message_begin(self) -> None:
        """A request begins; a second one before the first is answered is not looked at, and ends the connection."""
        if self._request is not None and self._request.complete:
            self._deaf = True

    def on_url(self, url: bytes) -> None:
        """Take the target of the request, perhaps in pieces."""
        if self._request is not None and not self._deaf:
            self._request.path += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if self._request is not None and not self._deaf:
            self._request.header(name, value)

    def on_headers_complete(self) -> None:
        """Judge the head."""
        request = self._request
        if request is None or self._deaf:
            return
        request.method = self._parser.get_method().decode("latin-1")
        request.stays = self._parser.should_keep_alive() and request.method != "HEAD"
        request.path = request.path.partition("?")[0]
        request.refusal = self._house.admit(request)
        if request.refusal is None and request.declared > self._house.largest_body:
            request.refusal = answers.too_large(self._house.largest_body)
        if request.refusal is None:
            if request.expects:
                self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
            if more := request.allowance():
                self._wait_until(request.began + self._house.deadline + more)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        request = self._request
        if request is None or self._deaf or request.refusal is not None:
            return
        request.size += len(body)
        if request.size > self._house.largest_body:
            request.refusal = answers.too_large(self._house.largest_body)
        elif not self._house.room_for(len(body)):
            request.size -= len(body)
            request.refusal = answers.BUSY._replace(close=True)
        else:
            request.body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._request is not None and not self._deaf:
            self._request.complete = True

    # How it is answered.
    def _turn(self, request: Request) -> answers.Reply:
        def answer(one: Answer) -> None:
            if not request.answered:
                self._answer(request, one)

        return answer

    def _late(self) -> None:
        request = self._request
        if request is not None:
            self._answer(request, answers.LATE if request.complete else answers.TOO_SLOW)

    def _refuse(self, answer: Answer) -> None:
        if self._request is not None:
            self._answer(self._request, answer)

    def _answer(self, request: Request, answer: Answer) -> None:
        close = answer.close or self._deaf or not request.complete or not request.stays
        self._write(answer, close=close)
        whole = request.complete and not self._deaf
        self._forget()
        self.since = self._loop.time()
        self._house.answered(self, answer)
        if close:
            self._end(linger=not whole)

    def _forget(self) -> None:
        request, self._request = self._request, None
        if self._timer is not None:
            self._timer.cancel()
        if request is not None:
            request.answered = True
            self._house.room_for(-sum(map(len, request.body)))
            request.body = []

    def _wait_until(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(moment, self._late)

    def _write(self, answer: Answer, *, close: bool = True) -> None:
        self._send(answer.encode(close=close))

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _end(self, *, linger: bool = False) -> None:
        """Close; with the rest of a request still to come, only after the sender could read the answer."""
        self._deaf = True
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if linger:
            transport.write_eof()
            self._loop.call_later(_LINGER, transport.abort)
        else:
            transport.close()

    def close(self) -> None:
        """End the connection from outside."""
        self._end()
