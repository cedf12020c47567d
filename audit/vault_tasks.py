"""The bells for asking connected vaults, in a module of its own: pages must not even import who calls a vault."""

from __future__ import annotations

import logging

import psycopg
from celery import shared_task
from django.db import Error

from audit.looking import look_at_vaults
from audit.verifying import verify

_log = logging.getLogger("keybook.audit")


@shared_task(name="audit.look_at_vaults")  # type: ignore[untyped-decorator]
def look() -> None:
    """Take the looks that are due; PostgreSQL may be away, then the next bell tries again."""
    try:
        look_at_vaults()
    except (Error, psycopg.Error) as error:
        _log.warning("Looking at the vaults waits: PostgreSQL said: %s", str(error).splitlines()[0])


@shared_task(name="audit.verify_leases")  # type: ignore[untyped-decorator]
def verify_leases() -> None:
    """Ask the vaults about leases for some seconds; what a vault does not let us ask is said in the log."""
    try:
        for sentence in dict.fromkeys(verify().refused):
            _log.warning("Leases can't be verified: %s", sentence)
    except (Error, psycopg.Error) as error:
        _log.warning("Verifying leases waits: PostgreSQL said: %s", str(error).splitlines()[0])
