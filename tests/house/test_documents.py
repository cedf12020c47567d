"""Documents say only what is so: commands exist, links lead somewhere, the change log is open."""

from __future__ import annotations

import re

import pytest
from django.core.management import get_commands

# Pages whose commands a reader will type today; plans have their place in README and the threat model, in words.
TYPED = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/operations.md",
    "docs/configuration.md",
    "docs/receiver.md",
)
CODE = re.compile(r"```.*?```|`[^`\n]+`|(?m:^ {4}[^\n]+$)", re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"")


def _code(text: str) -> str:
    return "\n".join(CODE.findall(text))


def _targets(house) -> set[str]:
    return set(re.findall(r"(?m)^([a-z][a-z-]*):", house.text("Makefile")))


@pytest.mark.parametrize("page", TYPED)
def test_every_make_target_that_is_named_exists(house, page):
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", _code(house.text(page))))
    assert named - _targets(house) == set()


@pytest.mark.parametrize("page", TYPED)
def test_every_management_command_that_is_named_exists(house, page):
    named = set(re.findall(r"manage\.py ([a-z_]+)", _code(house.text(page))))
    assert named - set(get_commands()) - {"help"} == set()


@pytest.mark.parametrize("page", TYPED)
def test_every_script_that_is_named_exists_and_runs(house, page):
    named = set(re.findall(r"(?<![\w/.])((?:bin|requirements|\.ci)/[a-z][a-z.]*)", _code(house.text(page))))
    assert [name for name in named if not (house.root / name).is_file()] == []


def test_every_link_between_pages_leads_somewhere(house):
    lost = [
        f"{page}: {target}"
        for page in house.files()
        if page.suffix == ".md"
        for pair in LINK.findall(house.text(page))
        if (target := pair[0] or pair[1]) and "://" not in target and not target.startswith("mailto:")
        if not (house.root / page.parent / target).exists()
    ]
    assert lost == []


def test_the_readme_fits_in_150_lines_and_shows_two_pictures(house):
    text = house.text("README.md")
    assert text.count("\n") <= 150
    assert len(re.findall(r"!\[|<img\b", text)) == 2


def test_the_readme_gives_the_two_commands(house):
    assert {"make demo", "make test"} <= set(re.findall(r"make \w+", _code(house.text("README.md"))))


def test_the_change_log_has_a_section_for_what_is_not_released(house):
    assert re.search(r"(?m)^## \[?Unreleased\]?$", house.text("CHANGELOG.md"))


def test_every_decision_says_what_why_and_what_was_given_up(house):
    records = sorted((house.root / "docs/decisions").glob("[0-9]*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    thin = [
        r.name for r in records if not {"## What", "## Why", "## What we gave up"} <= set(house.text(r).splitlines())
    ]
    assert records and thin == []


def test_every_word_of_the_glossary_is_explained_once(house):
    words = re.findall(r"(?m)^\| \*\*([^*]+)\*\* \|", house.text("docs/glossary.md"))
    assert len(words) == len(set(words)) > 20


def test_every_module_that_a_page_names_exists(house):
    known = {str(one) for path in house.files() for one in (path, *path.parents)}
    lost = [
        f"{page}: {name}"
        for page in house.files()
        if page.suffix == ".md"
        for name in re.findall(rf"`((?:{'|'.join(house.rooms)}|tests|bench)/[\w./-]*)`", house.text(page))
        if name.rstrip("/") not in known
    ]
    assert lost == []


def test_the_map_of_the_house_names_every_room(house):
    page = house.text("docs/architecture.md")
    assert [room for room in house.rooms if f"| `{room}` |" not in page] == []
