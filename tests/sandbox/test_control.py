"""Parts can be killed, frozen and started again, on the same data and the same address."""

from __future__ import annotations

import psycopg
import pytest
import redis

from sandbox import control
from sandbox.errors import YardError


def test_a_killed_postgres_comes_back_with_what_was_committed(yard):
    url = yard.environment["DATABASE_URL"]
    with psycopg.connect(url) as session:
        session.execute("create table kept (x int)")
        session.execute("insert into kept values (42)")
    control.ask("kill", "postgres")
    assert control.state()["postgres"]["pid"] is None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    control.ask("start", "postgres")
    with psycopg.connect(url) as session:
        assert session.execute("select x from kept").fetchone() == (42,)


def test_a_killed_valkey_comes_back_empty_at_the_same_port(yard):
    with redis.Redis.from_url(yard.environment["REDIS_URL"]) as wire:
        wire.set("bell", "rung")
        control.ask("kill", "valkey")
        with pytest.raises(redis.ConnectionError):
            wire.ping()
        control.ask("start", "valkey")
        assert wire.get("bell") is None


def test_a_frozen_postgres_keeps_callers_waiting_until_it_thaws(yard):
    url = yard.environment["DATABASE_URL"]
    control.ask("stop", "postgres")
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(url, connect_timeout=2)
    control.ask("cont", "postgres")
    with psycopg.connect(url) as session:
        assert session.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("verb", "part", "word"),
    [
        ("explode", "postgres", "kill, stop, cont, start, end"),
        ("kill", "oracle", "postgres, valkey, openbao"),
        ("start", "postgres", "runs already"),
    ],
)
def test_what_cannot_be_done_is_said(yard, verb, part, word):
    with pytest.raises(YardError, match=word):
        control.ask(verb, part)


def test_outside_of_a_sandbox_there_is_nothing_to_control(monkeypatch):
    monkeypatch.delenv(control.STATE, raising=False)
    with pytest.raises(YardError, match="inside bin/sandbox only"):
        control.state()
