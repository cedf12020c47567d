"""Rings the worker of operations by the name of its task alone: pages ring, and reach no wire by it."""

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
    if not current_app.conf.broker_url:
        return
    try:
        current_app.send_task(
            "rotation.run_change", (change_id,), queue="operations", expires=BELL_LIVES, headers={"rung": time.time()}
        )
    except (BrokerError, OSError):
        _log.warning("The broker took no message; the sweep rings again when it is back.")
