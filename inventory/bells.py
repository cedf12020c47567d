"""What the tasks of every room share: a task as a doorbell, its ringing, and a PostgreSQL that may be away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import psycopg
from celery import shared_task
from celery.exceptions import OperationalError as BrokerError
from django.db import Error, connection

BELL_LIVES = 20.0  # seconds: the sweep has rung again long before
_log = logging.getLogger("keybook.bells")


class Bell(Protocol):
    """A task as we use it: called in place, or rung with one primary key."""

    def __call__(self, *key: int) -> None:
        """Do the work here and now."""

    def apply_async(self, args: tuple[int, ...], **options: Any) -> object:
        """Send the message."""


def doorbell(name: str) -> Callable[[Callable[..., None]], Bell]:
    """Return the decorator that makes a function the task `name`."""
    return cast("Callable[[Callable[..., None]], Bell]", shared_task(name=name))


def ring(bell: Bell, *key: int) -> bool:
    """Ring for a row; False when the broker is away, which only means that the sweep has to find the row."""
    try:
        bell.apply_async(key, expires=BELL_LIVES, headers={"rung": time.time()})
    except (BrokerError, OSError):
        _log.warning("The broker took no message; the sweep rings again when it is back.")
        return False
    return True


@contextmanager
def database_may_be_away(what: str, log: logging.Logger) -> Iterator[None]:
    """Say in one line that PostgreSQL is away; the next bell tries again from what was committed.

    The connection is closed, and what a turn held of locks goes with it.
    """
    try:
        yield
    except (Error, psycopg.Error) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        log.warning("%s ended: PostgreSQL said: %s. It is taken up from what was committed.", what, said)
        connection.close()
