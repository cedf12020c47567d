"""What the receiver answers: a status and one small JSON document, never a byte of what was sent."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

import msgspec

POST = "Send audit lines with POST to /audit."


Reply = Callable[["Answer"], None]


class Answer(NamedTuple):
    """One answer; `close` ends the connection after it."""

    status: int
    told: dict[str, object]
    close: bool = False
    extra: bytes = b""

    def encode(self, *, close: bool) -> bytes:
        """Return the whole answer as HTTP/1.1 has it (RFC 9112)."""
        body = msgspec.json.encode(self.told)
        ending = b"Connection: close\r\n" if close or self.close else b""
        head = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\nContent-Length: {len(body)}\r\n"
        return b"".join(
            (head.encode(), b"Content-Type: application/json\r\n", self.extra, ending, b"\r\n", body, b"\n")[:-1]
        )


def refused(status: int, sentence: str, *, close: bool = False, extra: bytes = b"") -> Answer:
    """An answer that says what is wrong and what to do."""
    return Answer(status, {"error": sentence}, close, extra)


def unavailable(sentence: str, *, close: bool = False) -> Answer:
    """Nothing was kept for sure; the sender may try again."""
    return refused(503, f"{sentence} Nothing is certain to be kept: send it again.", close=close, extra=_LATER)


_LATER = b"Retry-After: 1\r\n"
NOT_FOUND = refused(404, f"There is nothing here. {POST}")
NOT_ALLOWED = refused(405, POST, extra=b"Allow: POST\r\n")
UNAUTHORIZED = refused(
    401,
    "The token is missing, wrong or revoked. Send a receiver token as `Authorization: Bearer TOKEN`; "
    "`manage.py receiver_token --vault NAME --device NAME` makes one.",
    extra=b"WWW-Authenticate: Bearer\r\n",
)
TOO_SLOW = refused(408, "The request did not come whole in its time. Send it again, in smaller pieces.", close=True)
NOT_HTTP = refused(400, "This is not an HTTP/1.1 request.", close=True)
HEAD_TOO_LARGE = refused(431, "The request's headers are longer than 32 KiB.", close=True)
BUSY = unavailable("As many lines as fit wait to be stored already.")
DOWN = unavailable("PostgreSQL does not take lines now.")
LATE = unavailable("The line was not stored in time.")
FULL = unavailable("As many senders as fit are connected already.", close=True)
UNCHECKED = unavailable("Tokens can't be checked now, for PostgreSQL does not answer.")


def too_large(limit: int) -> Answer:
    """The body is larger than allowed, packed or unpacked."""
    sentence = f"The body is larger than {limit} bytes (KEYBOOK_RECEIVER_BODY), as sent or unpacked."
    return refused(413, f"{sentence} Nothing was kept: send smaller batches.", close=True)


EMPTY = refused(400, "The body is empty. Send audit lines: one, one on each line, or a JSON array of them.")
FAULT = refused(500, "The receiver failed on this body. Nothing was kept; please report it.")
