"""How the worker `operations` comes to a vault as the executor, and how it says that it can't."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest

from inventory import executing
from vault import errors
from vault.bootstrap import NoIdentity
from vault.errors import Unreachable

AT = "https://vault.example:8200"
NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    monkeypatch.setattr(executing, "_known", {})
    monkeypatch.setattr(executing, "_read", "")


def door(file, name="prod"):
    return f"{name}=approle:approle:role-id:{file}@{AT}"


def test_a_vault_that_the_setting_does_not_name_gets_no_call_and_a_line_to_add(tmp_path):
    with pytest.raises(NoIdentity) as caught:
        executing.operator_of("test", AT, door(tmp_path / "x"))
    assert f"add test=approle:approle:ROLE-ID:FILE@{AT}" in str(caught.value) and not caught.value.critical


def test_another_address_than_the_setting_s_is_sent_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("vault.operating.Operator.wrapped", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(NoIdentity) as caught:
        executing.operator_of("prod", "https://evil.example:8200", door(tmp_path / "x"))
    assert "evil.example" in str(caught.value) and "nothing was sent" in str(caught.value)


def test_what_needs_a_person_is_said_as_critical_at_the_start(tmp_path, caplog):
    file = tmp_path / "wrapped"
    file.write_text("s.token-of-somebody-else-0000")
    file.chmod(0o644)
    executing.begin(door(file))
    (record,) = [one for one in caplog.records if one.levelname == "CRITICAL"]
    assert "the vault prod" in record.getMessage() and "0644" in record.getMessage()
    assert "s.token-of" not in caplog.text
    (trouble,) = executing.troubles()
    assert trouble[0] == "prod" and trouble[1].critical
    with pytest.raises(NoIdentity):
        executing.operator_of("prod", AT, door(file))


def test_a_vault_that_is_away_at_the_start_is_tried_until_it_answers(tmp_path, monkeypatch, caplog):
    file, calls, opened = tmp_path / "wrapped", [], threading.Event()
    file.write_text("s.wrapping")
    file.chmod(0o400)

    def away_at_first(executor):
        calls.append(threading.current_thread())
        if len(calls) < 3:
            raise Unreachable("no answer", AT)
        executor._shelf.put({"secret": "x"})
        opened.set()

    monkeypatch.setattr("vault.bootstrap.Executor.open", away_at_first)
    monkeypatch.setattr(executing, "AGAIN", 0.01)
    executing.begin(door(file))
    assert opened.wait(5) and len(set(calls)) == 2 and executing.troubles() == []
    assert "waits for the vault prod" in caplog.text and "CRITICAL" not in caplog.text


def test_until_then_every_call_says_that_it_is_not_opened_yet(tmp_path, monkeypatch):
    monkeypatch.setattr("vault.bootstrap.Executor.open", lambda executor: None)
    with pytest.raises(errors.Unavailable) as caught:
        executing.operator_of("prod", AT, door(tmp_path / "x"))
    assert "not opened yet" in str(caught.value)


def test_a_process_with_the_executor_s_memory_leaves_no_core():
    code = (
        "import ctypes, resource; from kit.undumpable import undumpable; print(undumpable(), "
        "resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True (0, 0) 0" if sys.platform == "linux" else done.stdout.startswith("False (0, 0)")
