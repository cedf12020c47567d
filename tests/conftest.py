"""What all tests share: the trail of the tests' own database may be emptied between tests, and nowhere else."""

from __future__ import annotations

import pytest
from django.db import connection


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Let tests with real transactions start from empty tables; `tests/accounts/test_trail.py` tests the trigger."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_trailentry DISABLE TRIGGER accounts_trail_whole")
