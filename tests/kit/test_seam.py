"""A seam finds its plug-ins by their files, and says which of them is half done."""

from __future__ import annotations

import sys
from typing import Protocol

import pytest

from kit import seam


class Wanted(Protocol):
    TITLE: str

    def look(self) -> int: ...


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that makes a package of these modules (name to text) and returns its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(**modules: str) -> str:
        place = tmp_path / "plugs_of_a_test"
        place.mkdir()
        (place / "__init__.py").write_text("")
        (place / "deeper").mkdir()
        (place / "deeper" / "__init__.py").write_text("")
        for name, text in modules.items():
            (place / f"{name}.py").write_text(text)
        return place.name

    yield make
    for name in [each for each in sys.modules if each.startswith("plugs_of_a_test")]:
        del sys.modules[name]


WHOLE = "TITLE = 'x'\ndef look(): return 1\n"


def test_each_module_is_a_plug_in_by_the_name_of_its_file(package):
    found = seam.plugins(package(b=WHOLE, a=WHOLE))
    assert list(found) == ["a", "b"]
    assert found["a"].look() == 1


def test_a_protocol_wants_its_attributes_and_its_functions():
    assert seam.wanted(Wanted) == ["TITLE", "look"]


def test_a_plug_in_that_lacks_something_is_named_with_what_it_lacks(package):
    name = package(whole=WHOLE, half_done="TITLE = 'x'\n", empty="")
    assert seam.lacking(name, Wanted) == [f"{name}.empty lacks TITLE, look", f"{name}.half_done lacks look"]


def test_a_seam_with_a_half_done_plug_in_does_not_start(package):
    name = package(half_done="TITLE = 'x'\n")
    with pytest.raises(seam.HalfDone, match=r"half_done lacks look"):
        seam.complete(name, Wanted)


def test_a_whole_seam_gives_its_plug_ins(package):
    assert list(seam.complete(package(a=WHOLE), Wanted)) == ["a"]
