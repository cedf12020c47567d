"""How often one caller may ask the API in a minute, counted in PostgreSQL: once for every web process together."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import ceil

from django.conf import settings
from django.db import DatabaseError, connection, transaction

logger = logging.getLogger(__name__)
_COUNT = """
    INSERT INTO accounts_apicount AS a (caller, minute, requests) VALUES (%s, date_trunc('minute', now()), 1)
    ON CONFLICT (caller) DO UPDATE SET minute = excluded.minute,
        requests = CASE WHEN a.minute = excluded.minute THEN a.requests + 1 ELSE 1 END
    RETURNING requests, extract(epoch FROM minute)::bigint + 60, extract(epoch FROM minute - now())::float8 + 60
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a caller has left of this minute, and when the next one begins: as seconds since 1970, and from now."""

    limit: int
    used: int
    resets: int
    wait: int

    @property
    def over(self) -> bool:
        """Whether this request is one too many."""
        return self.used > self.limit

    def headers(self) -> dict[str, str]:
        """Return the headers that tell it."""
        left = max(self.limit - self.used, 0)
        told = {"X-RateLimit-Limit": self.limit, "X-RateLimit-Remaining": left, "X-RateLimit-Reset": self.resets}
        return {name: str(value) for name, value in told.items()}


def count(caller: str) -> Rate | None:
    """Count one request of a caller; None where it can't be counted: reading goes on, and the log says so."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_COUNT, [caller])
            used, resets, wait = cursor.fetchone()
    except DatabaseError as error:
        logger.warning("A request of the API was let through uncounted: %s", str(error).splitlines()[:1])
        return None
    return Rate(settings.KEYBOOK.api_per_minute, used, resets, max(ceil(wait), 1))
