"""Dependencies: what is installed is what was locked, by hash, from whatever index the machine is set up for."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain

import pytest

LOCKS = ("base", "embedded", "dev")
ENTRY = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==([^ ;\\]+)( ;[^\\]*)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(wanted: list[str]) -> set[str]:
    return {_canonical(re.split(r"[\[=<>~! ;]", line, maxsplit=1)[0]) for line in wanted}


def _pins(text: str) -> dict[str, str]:
    return {_canonical(m[1]): m[2] for line in text.splitlines() if (m := ENTRY.match(line))}


@pytest.fixture(scope="module")
def project(house) -> dict:
    return tomllib.loads(house.text("pyproject.toml"))["project"]


@pytest.mark.parametrize("lock", (*LOCKS, "clients"))
def test_every_line_is_a_pin_with_hashes_and_nothing_else(house, lock):
    text = house.text(f"requirements/{lock}.txt")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert [line for line in lines if not ENTRY.match(line) and not HASH.match(line)] == []
    blocks = re.split(r"(?m)^(?=[a-z0-9])", text)[1:]
    assert blocks and [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", (*LOCKS, "clients"))
def test_no_lock_names_an_index_or_an_address(house, lock):
    assert (
        re.findall(r"://|--(?:extra-)?index|--find-links|--trusted-host| @ ", house.text(f"requirements/{lock}.txt"))
        == []
    )


def test_what_pyproject_asks_for_is_in_the_locks(house, project):
    base, extras = project["dependencies"], project["optional-dependencies"]
    wanted = {"base": base, "embedded": base + extras["embedded"], "dev": base + extras["embedded"] + extras["dev"]}
    missing = {lock: _names(wanted[lock]) - set(_pins(house.text(f"requirements/{lock}.txt"))) for lock in LOCKS}
    assert missing == {lock: set() for lock in LOCKS}, "run requirements/renew"


def test_exact_pins_of_pyproject_are_the_locked_versions(house, project):
    pins = _pins(house.text("requirements/dev.txt"))
    asked = chain(project["dependencies"], *project["optional-dependencies"].values())
    exact = dict(line.split("==") for line in asked if "==" in line)
    wrong = {name: version for name, version in exact.items() if pins[_canonical(name.split("[")[0])] != version}
    assert wrong == {}, "run requirements/renew"


def test_the_locks_agree_with_each_other(house):
    base, embedded, dev = (_pins(house.text(f"requirements/{lock}.txt")) for lock in LOCKS)
    assert base.items() <= embedded.items() <= dev.items()


def test_binary_packages_are_locked_for_every_platform_and_python(house):
    blocks = re.split(r"(?m)^(?=[a-z0-9])", house.text("requirements/base.txt"))[1:]
    hashes = {block.split("==")[0]: block.count("--hash=") for block in blocks}
    # Linux and macOS, x86-64 and arm64, four Pythons: fewer files than that means somebody locked one machine's wheels.
    assert all(hashes[name] >= 16 for name in ("msgspec", "psycopg-binary", "pydantic-core", "zstandard"))


@pytest.mark.parametrize(
    "rooms, extras",
    [
        (("config", "kit", "vault", "cluster", "inventory", "audit", "accounts", "rotation", "dashboard"), ()),
        (("sandbox",), ("embedded",)),
    ],
)
def test_every_import_is_a_dependency_that_the_room_may_have(house, project, rooms, extras):
    may = _names(
        project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    )
    owners = packages_distributions()
    imported = {
        (str(path), name.split(".")[0])
        for path in house.modules(*rooms)
        for node in ast.walk(house.tree(path))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    foreign = {(path, name) for path, name in imported if name not in sys.stdlib_module_names | set(house.rooms)}
    undeclared = {(path, name) for path, name in foreign if not {_canonical(d) for d in owners.get(name, [])} & may}
    assert undeclared == set(), "name it in pyproject.toml and run requirements/renew"
