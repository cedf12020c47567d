"""What the receiver knows of the database: whose token it is, and mounts' KV versions; read anew every second."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

import psycopg

from receiver.link import Link
from receiver.records import Mounts

STALE = 5.0  # seconds; a token that was revoked may be taken for so long
_EVERY, _SOONEST, _PATIENCE = 1.0, 0.05, 2.0
_MOUNTS_EVERY, _USED_EVERY = 30.0, 60.0
_TOKENS = """
    SELECT t.digest, t.id, t.device_id, d.vault_id FROM audit_receivertoken t
    JOIN audit_device d ON d.id = t.device_id WHERE t.revoked_at IS NULL
"""
_MOUNTS = "SELECT vault_id, namespace, path, accessor, kv_version FROM audit_mount WHERE kv_version > 0 ORDER BY id"
_USED = """
    UPDATE audit_receivertoken SET used_at = now()
    WHERE id = ANY(%s) AND (used_at IS NULL OR used_at < now() - interval '1 minute')
"""


class Sender(NamedTuple):
    """Whose token it is."""

    token_id: int
    device_id: int
    vault_id: int


class Book:
    """The live tokens by their digest; `read_at` is when the newest look at them began, 0 for never."""

    def __init__(self, link: Link, mounts: Mounts) -> None:
        self.link, self.mounts = link, mounts
        self.senders: dict[bytes, Sender] = {}
        self.read_at = 0.0
        self.used: set[int] = set()
        self._wanted = threading.Event()
        self._busy_since = 0.0
        self._mounts_at = self._used_at = float("-inf")
        self.thread = threading.Thread(target=self._run, name="book", daemon=True)

    @property
    def is_fresh(self) -> bool:
        """Whether what stands here may be relied upon."""
        return self.read_at > 0 and time.monotonic() - self.read_at < STALE

    def look_again(self) -> None:
        """Have the tokens read again now: somebody came with one that may be new."""
        self._wanted.set()

    def watch(self) -> None:
        """Abandon a look that PostgreSQL does not answer; the loop calls this ten times a second."""
        since = self._busy_since
        if since and time.monotonic() - since > _PATIENCE:
            self.link.cut()

    def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                self._look(began)
            except psycopg.Error:
                self.link.drop()
            self._busy_since = 0.0
            time.sleep(_SOONEST)
            self._wanted.wait(_EVERY)
            self._wanted.clear()

    def _look(self, began: float) -> None:
        self._busy_since = began
        wire = self.link.connection()
        self.senders = {bytes(row[0]): Sender(*row[1:]) for row in wire.execute(_TOKENS)}
        self.read_at = began
        if began - self._mounts_at > _MOUNTS_EVERY:
            for vault_id, namespace, path, accessor, version in wire.execute(_MOUNTS):
                self.mounts.learn((vault_id, namespace, path, accessor), version)
            self._mounts_at = began
        if self.used and began - self._used_at > _USED_EVERY:
            used, self.used = self.used, set()
            wire.execute(_USED, [list(used)])
            self._used_at = began
