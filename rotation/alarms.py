"""Tells a person of what can't wait, beside the change that it is about: kept once, and said as critical."""

from __future__ import annotations

import logging

from rotation.models import Mismatch

_log = logging.getLogger("keybook.rotation")


def alarm(change: str, step: int, vault: str, says: str) -> None:
    """Keep what a step of a change (`C-215`) found, the first of a step, and say it in the log."""
    told = {"vault": vault, "says": f"{change}, step {step}: {says}"}
    _, new = Mismatch.objects.get_or_create(change=change, step=str(step), event=0, defaults=told)
    if new:
        _log.critical("%s", told["says"])
