"""One connection to PostgreSQL that another thread can cut, whatever it waits for."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Connection = psycopg.Connection[tuple[Any, ...]]
_OURS = {
    "connect_timeout": "2",
    "tcp_user_timeout": "2000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
}


class Link:
    """A connection that one thread uses; `cut` ends its waiting from any other, even when PostgreSQL is frozen."""

    def __init__(self, url: str, name: str, statement_timeout: int) -> None:
        """`name` is what pg_stat_activity shows; the timeout is in milliseconds."""
        self._address = make_conninfo(url, **(_OURS | conninfo_to_dict(url)), application_name=f"keybook {name}")
        self._timeout = statement_timeout
        self._connection: Connection | None = None
        self._wire: socket.socket | None = None
        self._lock = threading.Lock()

    def connection(self) -> Connection:
        """Return the connection, opened if there is none; raises psycopg's errors within about two seconds."""
        if self._connection is None:
            made: Connection = psycopg.connect(self._address, autocommit=True, prepare_threshold=0)
            with self._lock:
                self._connection, self._wire = made, socket.socket(fileno=os.dup(made.fileno()))
            made.execute(f"SET statement_timeout = {self._timeout:d}")
        return self._connection

    @property
    def broken(self) -> bool:
        """Whether there is no connection that can still be used."""
        return self._connection is None or self._connection.closed

    def drop(self) -> None:
        """Close the connection; the next use opens another. For the thread that uses it."""
        with self._lock:
            wire, self._wire = self._wire, None
            made, self._connection = self._connection, None
        if wire is not None:
            wire.close()
        if made is not None:
            with suppress(psycopg.Error):
                made.close()

    def cut(self) -> None:
        """Shut the connection's socket, so that whoever waits on it hears of its end at once. For other threads."""
        with self._lock, suppress(OSError):
            if self._wire is not None:
                self._wire.shutdown(socket.SHUT_RDWR)
