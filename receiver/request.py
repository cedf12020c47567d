"""One request as it comes in: its head, its body so far, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable

from receiver.answers import Answer

SMALL = 64 * 1024
_PER_BYTE = 4.0 / (1024 * 1024)  # seconds; a batch is masked at about 10 MiB/s, on a busy machine slower
SHORT_BATCH = 2.0
_AT_MOST, _GZIP = 60.0, 8


class Request:
    """What is known of a request; `began` is the loop's time of its first byte."""

    __slots__ = (
        "answered", "began", "body", "complete", "declared", "encoding", "expects", "method", "path", "refusal",
        "sender", "size", "stays", "token", "turn",
    )  # fmt: skip

    def __init__(self, began: float) -> None:
        self.began, self.method, self.path = began, "", ""
        self.token = self.encoding = ""
        self.declared = -1  # a chunked body's size is not known
        self.expects = self.complete = self.answered = self.stays = False
        self.body: list[bytes] = []
        self.size = 0
        self.refusal: Answer | None = None
        self.sender: object | None = None
        self.turn: Callable[[Answer], None] | None = None

    def header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        match name.lower():
            case b"authorization":
                scheme, _, rest = value.decode("latin-1").strip().partition(" ")
                self.token = rest.strip() if scheme.lower() == "bearer" else ""
            case b"content-length":
                self.declared = int(value) if value.isdigit() and len(value) < 19 else -1
            case b"content-encoding":
                self.encoding = value.decode("latin-1").strip().lower()
            case b"expect":
                self.expects = value.lower() == b"100-continue"

    @property
    def is_small(self) -> bool:
        """Whether it is the one line of an audit device, or as short: it is judged within the deadline."""
        return 0 <= max(self.declared, self.size) <= SMALL and self.declared >= 0 and not self.encoding

    def is_one_line(self, body: bytes) -> bool:
        """Whether a whole body is the one line of an audit device: it is masked at once, anything else in a thread."""
        return self.is_small and not body.startswith(b"[") and body.find(b"\n", 0, -1) < 0

    def allowance(self) -> float:
        """Seconds that a batch may take beyond the deadline."""
        if self.is_small:
            return 0.0
        factor = _GZIP if self.encoding else 1
        return min(_AT_MOST, max(SHORT_BATCH, max(self.declared, self.size) * factor * _PER_BYTE))
