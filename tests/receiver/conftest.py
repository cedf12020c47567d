"""The receiver's tests share the past of the audit tests."""

from __future__ import annotations

from tests.audit.conftest import empty_past, own_database, own_sandbox, past, recorded, test_database, truth

__all__ = ["empty_past", "own_database", "own_sandbox", "past", "recorded", "test_database", "truth"]
