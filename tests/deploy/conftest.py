"""docker-compose.yml as a test reads it, and a database of its own to start the services at."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.audit.conftest import ROOT, own_database, test_database

__all__ = ["own_database", "test_database"]


def expanded(text: str) -> str:
    """Replace `${NAME:-default}` by the default and `$$` by `$`, as compose does in an empty environment."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("$$", "$")


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """Return the file, with the defaults of its variables."""
    return yaml.safe_load(expanded(Path(ROOT / "docker-compose.yml").read_text()))


@pytest.fixture(scope="session")
def ours(compose) -> dict[str, dict[str, Any]]:
    """Return the services that run Keybook's own image."""
    return {name: one for name, one in compose["services"].items() if one["image"].startswith("keybook:")}
