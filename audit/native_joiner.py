"""Takes a Kubernetes API server's audit log apart: records of Secrets become events, all others are only counted."""

from __future__ import annotations

from django.conf import settings

from audit import native
from audit.batch import Batch
from audit.event import Held
from audit.joiner import WRONG_CLOCK, Joiner
from audit.native import NativeNormaliser
from audit.sources.content import CLUSTER_GRAMMAR
from cluster import audit_line
from cluster.audit_line import NotARecord, Record
from vault import framing


class NativeJoiner(Joiner):
    """Joins the records of one batch: a call's coming with its answer, where the policy lets both be written."""

    grammar = CLUSTER_GRAMMAR

    def __init__(self, normaliser: NativeNormaliser, pending: dict[str, Held], batch: Batch) -> None:
        super().__init__(normaliser, pending, batch)
        self.framer = framing.Joiner(settings.KEYBOOK.max_line, CLUSTER_GRAMMAR)
        batch.exact = True

    def join(self, lines: list[bytes], position: int) -> None:
        """Take whole physical lines that begin at `position`."""
        for raw in lines:
            here, position = position, position + len(raw) + 1
            try:
                self._record(audit_line.decode(raw), raw, here, len(raw))
            except NotARecord:
                self._frames(self.framer.feed(raw, here))
        self._frames(self.framer.give_up())
        self.batch.framing += len(lines)  # their newlines

    def _record(self, record: Record, raw: bytes, position: int, length: int) -> None:
        if not native.is_kept(record):
            self._count(record, length)
            return
        held, findings = native.hold(record, raw, self.generation, position)
        held.length = length
        self.find(findings)
        self.take(held)

    def _count(self, record: Record, length: int) -> None:
        """A record of another resource tells nothing but that the log was read up to its time."""
        self.batch.others += 1
        self.batch.framing += length
        micros = audit_line.staged(record)
        self.batch.saw(micros if self.in_time(micros) else 0)

    def take(self, held: Held) -> None:
        """Take one record, whose event has the time at which its call came."""
        assert held.call is not None  # noqa: S101 - as a cluster's have
        if self.in_time(audit_line.received(held.call)):
            super().take(held)
        else:
            self._quarantine(held.raw, held.position, WRONG_CLOCK, held.length, digest=held.digest)

    def _framed_line(self, frame: framing.Frame) -> None:
        try:
            self._record(audit_line.decode(frame.body), frame.body, frame.offset, frame.length)
        except NotARecord as error:
            self._quarantine(frame.body, frame.offset, str(error), frame.length)
            return
        self.find(frame.flags)

    @staticmethod
    def is_answer(held: Held) -> bool:
        """Whether a record tells how the call ended, or how its long answer began."""
        return held.call is not None and held.call.answers
