"""Nothing of a sandbox outlives its supervisor, however that ends; two sandboxes don't know of each other."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import kombu
import psycopg
import pytest
import redis

from sandbox import control


def _guardian(yard) -> int:
    """Return the guardian: the supervisor's child that is a fork of itself."""
    same = Path(f"/proc/{yard.process.pid}/cmdline").read_bytes()
    return next(pid for pid in yard.all_pids()[1:] if Path(f"/proc/{pid}/cmdline").read_bytes() == same)


def test_nothing_survives_the_supervisors_death(gone, running, until):
    with running() as yard:
        pids = yard.all_pids()
        assert len(pids) > 6  # supervisor, guardian, command, valkey, the postmaster and its children
        yard.process.kill()
        gone(pids)
        until(lambda: not yard.folder.exists(), "the removal of the folder")


def test_nothing_survives_the_death_of_supervisor_and_guardian_and_the_next_one_sweeps(gone, running):
    with running() as yard:
        pids = yard.all_pids()
        os.kill(_guardian(yard), signal.SIGKILL)
        yard.process.kill()
        gone(pids)
        assert yard.folder.exists()
    with running():
        assert not yard.folder.exists()


def test_a_frozen_postgres_does_not_survive_either(gone, running):
    with running() as yard:
        pids = yard.all_pids()
        for pid in [yard.pids["postgres"], yard.pids["valkey"]]:
            os.kill(pid, signal.SIGSTOP)
        yard.process.kill()
        gone(pids)


def test_a_dead_guardian_does_not_disturb_the_end(gone, running):
    with running() as yard:
        pids = yard.all_pids()
        os.kill(_guardian(yard), signal.SIGKILL)
        yard.process.terminate()
        assert yard.process.wait(20) == 128 + signal.SIGTERM
        gone(pids)
        assert not yard.folder.exists()


def test_two_at_once_have_their_own_data_and_neither_sweeps_the_other(running):
    with running() as one, running() as two:
        assert one.folder != two.folder
        assert one.environment["REDIS_URL"] != two.environment["REDIS_URL"]
        with psycopg.connect(one.environment["DATABASE_URL"]) as first:
            first.execute("create table only_here (x int)")
        with psycopg.connect(two.environment["DATABASE_URL"]) as second:
            assert second.execute("select to_regclass('only_here')").fetchone() == (None,)
        two.process.terminate()
        two.process.wait(20)
        with psycopg.connect(one.environment["DATABASE_URL"]) as first:
            assert first.execute("select count(*) from only_here").fetchone() == (0,)


def test_a_crashed_part_is_named_with_its_last_words_and_the_command_is_ended(sandbox):
    kill = (
        "import os, signal\n"
        "from sandbox import control\n"
        "os.kill(control.state()['valkey']['pid'], signal.SIGKILL)\n"
        "signal.pause()"
    )
    root = str(Path(control.__file__).parents[1])
    done = sandbox("--no-migrate", "python", "-c", kill, cwd=Path(root))
    assert done.returncode == 125
    first, *rest = done.stderr.splitlines()
    assert first.startswith("bin/sandbox: Valkey was killed by SIGKILL, so ")
    assert any("Ready to accept connections" in line for line in rest)


def test_valkey_asks_for_its_password_and_never_evicts(yard):
    url = yard.environment["REDIS_URL"]
    with redis.Redis.from_url(url) as known:
        assert known.ping() is True
        assert known.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with kombu.Connection(url) as celery:
        celery.ensure_connection(max_retries=1)
    port = int(url.rpartition(":")[2].partition("/")[0])
    with redis.Redis(port=port, retry=None) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
