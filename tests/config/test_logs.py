"""What a process says is one line of JSON, whatever stands in it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

from config.logs import OneLine
from kit import tokens
from tests.audit.conftest import ROOT


def _line(message: str, *values: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    return OneLine().format(logging.LogRecord("keybook.audit", logging.WARNING, "", 0, message, values, info))


def test_a_message_with_line_breaks_and_foreign_letters_stays_one_line():
    line = _line("Path %s\nwas %s", "a\r\nb", "naïve")
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("warning", "keybook.audit", "Path a\r\nb\nwas naïve")
    assert told["time"].endswith("+00:00")


def test_a_traceback_is_one_string_of_it():
    try:
        raise ValueError("of the test")
    except ValueError as error:
        line = _line("Keybook failed.", error=error)
    assert "\n" not in line and "ValueError: of the test" in json.loads(line)["error"]


def test_no_token_is_in_a_line():
    token = tokens.make("kbk_")
    try:
        raise ValueError(f"LINE 1: SELECT '{token}'")
    except ValueError as error:
        line = _line("Not Found: /api/%s", token, error=error)
    assert token not in line and line.count("<token, 55>") >= 2


def test_django_and_ours_say_each_thing_once_on_standard_error():
    code = "import django, logging; django.setup(); logging.getLogger('{}').warning('said')"
    for logger in ("django.request", "keybook.audit", "celery"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(logger)], cwd=ROOT, capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "config.settings"},
        )  # fmt: skip
        assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == ["said"]


def test_no_letter_of_a_stranger_turns_the_text_around_or_speaks_to_the_terminal():
    line = _line("Not Found: %s", "/\x9b2J\u202e\x1b[2J")
    assert line.isascii() and line.isprintable()
    assert json.loads(line)["message"] == "Not Found: /\x9b2J\u202e\x1b[2J"
