"""Turns a Kubernetes API server's audit records into rows of the spool: without values, or only counted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

from cluster import audit_calls, audit_line, audit_masking
from cluster.audit_calls import Sort
from cluster.audit_line import NotARecord
from receiver.row import NO_KEY, Row
from vault.framing import VAULT, Grammar

# What a name stands for is settled by what is sent under it, so the records of both kinds of log are known here.
EITHER = Grammar(
    re.compile(b"(?:" + VAULT.beginning.pattern + b")|(?:" + audit_line.BEGINNING.pattern + b")"),
    lambda document: VAULT.is_entry(document) or audit_line.is_entry(document),
)


class Others:
    """The records of a body that are of other resources than Secrets: how many, their bytes, and the newest's time."""

    def __init__(self) -> None:
        self.count = self.bytes = self.micros = 0
        self._hash = sha256()

    def add(self, raw: bytes, micros: int) -> None:
        """Count one."""
        self.count += 1
        self.bytes += len(raw)
        self.micros = max(self.micros, micros)
        self._hash.update(raw)

    def row(self) -> Row:
        """Return the one row that stands for all of them."""
        return Row(NO_KEY, self.micros, self._hash.digest(), self.bytes, b'{"others":%d}' % self.count)


def row_of(raw: bytes, others: Others, flags: Iterable[str] = ()) -> Row | None:
    """Return the row of one record; None when it was only counted. Raises `NotARecord`."""
    record = audit_line.decode(raw)
    micros = audit_line.staged(record)
    if audit_calls.sort_of(record) is Sort.OTHER:
        others.add(raw, micros)
        return None
    form = audit_masking.stored(record)
    audit_line.received(record)  # a time that can't be read is refused here, not when the spool is emptied
    findings = ",".join(sorted(form.findings | set(flags)))
    return Row(audit_line.key_of(record.audit_id), micros, sha256(raw).digest(), len(raw), form.line, findings)


__all__ = ["EITHER", "NotARecord", "Others", "row_of"]
