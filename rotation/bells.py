"""Rings workers by the names of their tasks alone: pages ring, and reach no wire by it."""

from __future__ import annotations

import logging
import time

from celery import current_app
from celery.exceptions import OperationalError as BrokerError
from django.db import transaction

BELL_LIVES = 20.0  # seconds: the sweep has rung again long before
_log = logging.getLogger("keybook.rotation")


def ring_on_commit(change_id: int) -> None:
    """Ring for a change once the transaction is committed."""
    transaction.on_commit(lambda: ring(change_id))


def ring(change_id: int) -> None:
    """Ring for a change; a broker that is away, or unknown to this process, only means that the sweep finds it."""
    _send("rotation.run_change", (change_id,), "operations")


def _send(task: str, key: tuple[int, ...], queue: str) -> None:
    if not current_app.conf.broker_url:
        return
    try:
        current_app.send_task(task, key, queue=queue, expires=BELL_LIVES, headers={"rung": time.time()})
    except (BrokerError, OSError):
        _log.warning("The broker took no message; the sweep rings again when it is back.")


def ring_for_notices() -> None:
    """Ring the worker that delivers notices; its sweep finds what this did not reach."""
    _send("rotation.deliver", (), "notices")
