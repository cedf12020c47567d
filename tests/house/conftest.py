"""What the rules of the house are checked against: the files that git knows or would know, and the rooms."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class House:
    """The checkout: its files by kind, read once."""

    root = ROOT
    rooms = (
        "config",
        "kit",
        "vault",
        "cluster",
        "inventory",
        "audit",
        "accounts",
        "rotation",
        "dashboard",
        "receiver",
        "sandbox",
    )

    @cache  # noqa: B019 - one House per run
    def files(self) -> list[Path]:
        """Return every file that is tracked, or new and not ignored, as a path from the root."""
        out = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        found = {Path(name.decode()) for name in out.split(b"\0") if name}
        return sorted(path for path in found if (ROOT / path).is_file())

    @cache  # noqa: B019
    def text(self, path: Path | str) -> str:
        """Return a file's text."""
        return (ROOT / path).read_text(encoding="utf-8")

    @cache  # noqa: B019
    def tree(self, path: Path) -> ast.Module:
        """Return a module's syntax tree."""
        return ast.parse(self.text(path), filename=str(path))

    def modules(self, *rooms: str) -> list[Path]:
        """Return the Python files of these rooms, or of the whole house, without empty package markers."""
        return [
            path
            for path in self.files()
            if path.suffix == ".py" and (not rooms or path.parts[0] in rooms) and self.text(path).strip()
        ]


@pytest.fixture(scope="session")
def house() -> House:
    return House()
