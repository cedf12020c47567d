"""Tracked files: nothing of the machine they were written on, no host that software is fetched from, nothing huge."""

from __future__ import annotations

import re
import socket

# In two halves, so that this file does not trip over itself.
HOSTS = [
    f"{name}.{top}"
    for name, top in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("deb.debian", "org"),
        ("proxy.golang", "org"),
        ("unpkg", "com"),
        ("jsdelivr", "net"),
    )
]
TEXT = {
    ".py",
    ".md",
    ".txt",
    ".toml",
    ".html",
    ".css",
    ".js",
    ".hcl",
    ".yml",
    ".yaml",
    ".json",
    ".sql",
    ".sh",
    "",
    ".example",
}


def _texts(house):
    for path in house.files():
        if path.suffix in TEXT and not path.is_relative_to("tests/data"):
            yield path, (house.root / path).read_text(encoding="utf-8", errors="replace")


def test_no_file_names_the_place_it_was_written_in(house):
    here = re.compile(re.escape(str(house.root)) + r"\b")
    assert [str(path) for path, text in _texts(house) if here.search(text)] == []


def test_no_file_names_the_machine_it_was_written_on(house):
    name = socket.gethostname()
    plain = len(name) < 6 or name in {"localhost", "debian", "ubuntu"}
    assert plain or [str(path) for path, text in _texts(house) if name in text] == []


def test_no_file_names_a_host_that_software_is_fetched_from(house):
    found = [f"{path}: {host}" for path, text in _texts(house) for host in HOSTS if host in text]
    assert found == []


def test_no_tracked_file_is_larger_than_5_megabytes(house):
    assert [str(path) for path in house.files() if (house.root / path).stat().st_size > 5_000_000] == []


def test_nothing_that_a_program_makes_is_tracked(house):
    made = re.compile(r"(^|/)(__pycache__|\.venv|staticfiles|node_modules)/|\.(pyc|log|sqlite3|dump)$")
    assert [
        str(path) for path in house.files() if made.search(str(path)) and not path.is_relative_to("tests/data")
    ] == []
