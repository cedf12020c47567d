"""Empties what connecting vaults leaves besides the past: connections, and the trail, which only a test may empty."""

from __future__ import annotations

from django.db import connection

from inventory.models import Connection


def forget_connections() -> None:
    """Remove every connection and every entry of the trail, in the tests' own database only."""
    assert connection.settings_dict["NAME"].startswith("test_")
    Connection.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_trailentry DISABLE TRIGGER accounts_trail_whole")
        cursor.execute("TRUNCATE accounts_trailentry")
