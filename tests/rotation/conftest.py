"""Changes' tests share the databases and servers of the audit tests."""

from __future__ import annotations

from tests.audit.conftest import own_database, own_sandbox, test_database

__all__ = ["own_database", "own_sandbox", "test_database"]
