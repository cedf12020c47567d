"""An empty past for tests that read what the ambient OpenBao has just written."""

from __future__ import annotations

from tests.audit.conftest import past, test_database

__all__ = ["past", "test_database"]
