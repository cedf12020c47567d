"""Turns one record into rows of the spool: masked, with its key, its time, and the hash of what came."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256

from kit.memory import remember
from receiver import native
from receiver.native import NotARecord
from receiver.row import NO_KEY, Row
from vault import masking, paths, reads
from vault.audit_line import EMPTY, Line, decode, is_response, microseconds, request_key
from vault.errors import NotAnAuditLine
from vault.framing import Kind, frame_line

SHOWN = 4096
_VAULTS = (b'{"time":', b'{"auth":')  # so an entry of a vault begins
_KEPT_ASIDE = 100  # rows of one body; what is bad beyond them becomes one row
_HIDDEN = frozenset(("plain accessor",))  # a device may be set to write accessors in plain
_NULS, _MOST_NULS = re.compile(rb"\x00+"), 50  # a crash leaves one run of them


Mount = tuple[int, str, str, str]


class Mounts:
    """Which KV mounts are of which version: as the database knows, and as answers show while we run.

    A mount is (vault id, namespace, path, accessor).
    """

    def __init__(self) -> None:
        self._known: dict[Mount, int] = {}

    def learn(self, mount: Mount, version: int) -> None:
        """Remember a mount's version; older vaults leave the accessor out of their request entries."""
        remember(self._known)[mount] = version
        self._known[*mount[:3], ""] = version

    def version(self, vault_id: int, line: Line) -> int:
        """Return the KV version of the line's mount, 0 for another engine; 1, which hides most, when nothing tells."""
        asked, answer = line.request, line.response
        kind = asked.mount_type or (answer.mount_type if answer is not None else "")
        if kind.removeprefix("ns_") != "kv":
            return 0
        where = paths.place(asked.path, asked.mount_point, asked.namespace.path)
        accessor = asked.mount_accessor or (answer.mount_accessor if answer is not None else "")
        mount = (vault_id, where.namespace, where.mount, accessor)
        known = self._known.get(mount, 0)
        if not known and answer is not None and answer.data is not EMPTY and not line.error:
            known = paths.kv_version(where.rest, reads.top_keys(bytes(answer.data)), asked.operation)
            if known:
                self.learn(mount, known)
        return known or 1


class Desk:
    """Makes rows of the records of one vault's sender; counts what is good and what is kept aside."""

    def __init__(self, vault_id: int, mounts: Mounts, longest: int) -> None:
        self.vault_id, self.mounts, self.longest = vault_id, mounts, longest
        self.rows: list[Row] = []
        self.good = self.bad = 0
        self._rest, self._rest_hash = 0, sha256()
        self._others = native.Others()

    def take(self, records: Iterable[bytes]) -> None:
        """Take the records in order."""
        for record in records:
            self._take(record)
        if self._others.count:
            self.rows.append(self._others.row())
            self.good += self._others.count
            self._others = native.Others()
        if self._rest:
            reason = f"more of a body with over {_KEPT_ASIDE} records that are no audit entries"
            self.rows.append(Row(NO_KEY, 0, self._rest_hash.digest(), self._rest, b"", "", reason))
            self._rest, self._rest_hash = 0, sha256()

    def _take(self, record: bytes) -> None:
        if len(record) > self.longest:
            self._keep_aside(record, f"longer than {self.longest} bytes (KEYBOOK_MAX_LINE)")
            return
        try:
            self._good(self._row(record))
        except NotAnAuditLine:
            self._frames(record)

    def _frames(self, record: bytes) -> None:
        """What a record that is no bare audit entry is made of: a shipper's wrapper, torn, glued or rubbish."""
        if len(_NULS.findall(record)) > _MOST_NULS:
            self._keep_aside(record, "full of NUL bytes")
            return
        for frame in frame_line(record, grammar=native.EITHER):
            if frame.kind is Kind.FRAMING:
                continue
            if frame.kind is not Kind.LINE:
                self._keep_aside(frame.body, frame.reason)
                continue
            try:
                self._good(self._row(frame.body, frame.flags))
            except NotAnAuditLine as error:
                self._keep_aside(frame.body, str(error))

    def _row(self, raw: bytes, flags: Iterable[str] = ()) -> Row | None:
        """One audit record, masked; None when it was only counted. Raises `NotAnAuditLine`."""
        if not raw.startswith(_VAULTS):
            with suppress(NotARecord):
                return native.row_of(raw, self._others, flags)
        return self._entry(raw, flags)

    def _entry(self, raw: bytes, flags: Iterable[str]) -> Row:
        """One entry of a vault, masked; raises `NotAnAuditLine`."""
        line, _ = decode(raw)
        micros, digest = microseconds(line.time), sha256(raw)
        masked = masking.mask_line(
            raw, failed_login=not _logged_in(line), kv_version=self.mounts.version(self.vault_id, line)
        )
        if "unreadable" in masked.findings:
            raise NotAnAuditLine("it can be read in more than one way, so it can't be masked")
        key = request_key(line.request.id or digest.hexdigest(), b"")[0]
        findings = ",".join(sorted((masked.findings | set(flags)) - _HIDDEN))
        return Row(key, micros, digest.digest(), len(raw), masked.line, findings)

    def _good(self, row: Row | None) -> None:
        if row is not None:
            self.good += 1
            self.rows.append(row)

    def _keep_aside(self, raw: bytes, reason: str) -> None:
        self.bad += 1
        if self.bad > _KEPT_ASIDE:
            self._rest += len(raw)
            self._rest_hash.update(raw)
            return
        shown = masking.preview(raw[:SHOWN]).encode()
        self.rows.append(Row(NO_KEY, 0, sha256(raw).digest(), len(raw), shown, "", reason.replace("\0", "")))


def _logged_in(line: Line) -> bool:
    """Whether a login's answer shows that it succeeded: only then its name is a name."""
    return is_response(line) and line.response is not None and line.response.auth is not EMPTY
