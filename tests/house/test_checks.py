"""Django's own checks find nothing; our commands leave them out, because they import every page to look at it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in ROOT.glob("*/management/commands/*.py")
    if path.name != "__init__.py"
)


def test_django_finds_nothing_to_complain_about():
    call_command("check", fail_level="INFO")


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_starts_without_every_page(module):
    assert not import_module(module).Command.requires_system_checks
