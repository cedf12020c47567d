"""The bell of the trail: a worker that has the anchor writes the trail's head to it when it is new."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import cast

from celery import shared_task
from django.db import DatabaseError, InterfaceError

from accounts import anchor

_log = logging.getLogger("keybook.accounts")
_bell = cast("Callable[[Callable[[], None]], Callable[[], None]]", shared_task(name="accounts.anchor_trail"))


@_bell
def anchor_trail() -> None:
    """Write the head; what prevents it is said in the log, and by doctor, and the next minute tries again."""
    try:
        anchor.keep()
    except (DatabaseError, InterfaceError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        _log.warning("The trail's head waits: PostgreSQL said: %s.", said)
