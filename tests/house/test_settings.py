"""Settings: `.env.example`, the configuration page and the typed object name the same things."""

from __future__ import annotations

import re

import pytest

from config.settings import Environment

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
    rows = re.findall(r"(?m)^\| `([A-Z][A-Z0-9_]*)` \|", house.text("docs/configuration.md"))
    assert set(rows) - set(_names()) == set()
