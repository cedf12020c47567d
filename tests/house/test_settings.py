"""Settings: `.env.example`, the configuration page and the typed object name the same things."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from config.settings import Environment

ROW = re.compile(r"(?m)^\| `([A-Z][A-Z0-9_]*)` \|")
LINE = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$")


def _names() -> dict[str, object]:
    """Return each setting's name in the environment with its default."""
    return {(field.alias or name).upper(): field.default for name, field in Environment.model_fields.items()}


@pytest.fixture
def example(house) -> list[str]:
    return house.text(".env.example").splitlines()


def test_the_example_names_exactly_the_settings_that_exist(example):
    named = [m[1] for line in example if (m := LINE.match(line))]
    assert sorted(named) == sorted(_names())


def test_the_example_gives_the_defaults(house, monkeypatch):
    for name in _names():
        monkeypatch.delenv(name, raising=False)
    values = Environment(_env_file=house.root / ".env.example", _secrets_dir=None).model_dump(by_alias=True)
    assert {name.upper(): value for name, value in values.items()} == _names()


def test_every_setting_of_the_example_has_its_meaning_above_it(example):
    bare = [
        line
        for above, line in zip(["", *example], example, strict=False)
        if LINE.match(line) and not above.startswith("# ")
    ]
    assert bare == []


def test_the_configuration_page_has_a_row_for_each_setting(house):
    page = house.text("docs/configuration.md")
    assert [name for name in _names() if f"| `{name}` |" not in page] == []


def test_the_configuration_page_explains_no_setting_that_is_gone(house):
    settings, tools = house.text("docs/configuration.md").split("## Only for the tools")
    assert set(ROW.findall(settings)) - set(_names()) == set()
    read = "".join(house.text(path) for path in house.files() if path.parts[0] in {"Makefile", "bin", "sandbox"})
    assert [name for name in ROW.findall(tools) if name not in read] == []


def _start(house, code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in _names()}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=house.root, env=clean | settings, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "name, value",
    [
        ("KEYBOOK_MAX_LINE", "hush-16MB"),
        ("DATABASE_URL", "postgresql://me:hush@@@host:port:/x?y=%zz"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,hush"),
        ("KEYBOOK_URL", "https://hush@keybook.example"),
        ("KEYBOOK_OIDC_ISSUER", "http://hush.example"),
        ("KEYBOOK_OIDC_ROLES", "hush=boss"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence_that_does_not_show_its_value(house, name, value):
    done = _start(house, "import config.settings", **{name: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"The setting {name} is wrong: ")
    assert done.stderr.count("\n") == 1 and "hush" not in done.stderr


def test_the_web_process_does_not_start_without_a_key_to_sign_with(house):
    done = _start(house, "import config.wsgi")
    assert done.returncode == 2 and done.stderr.startswith("The setting KEYBOOK_SECRET_KEY is empty")


def test_the_web_process_starts_with_a_key(house):
    assert _start(house, "import config.wsgi", KEYBOOK_SECRET_KEY="x" * 50).returncode == 0
