"""Pages under a strict policy: no inline style, script or handler, no foreign host, and nothing marked safe."""

from __future__ import annotations

import re

import pytest

# `mark_safe` needs a reason here.
MAY_MARK_SAFE = {"dashboard/templatetags/keybook.py": "the glyph of a grade is drawn from constants and numbers"}

FORBIDDEN = {
    "an inline style": re.compile(r"\sstyle\s*=", re.IGNORECASE),
    "a style element": re.compile(r"<style\b", re.IGNORECASE),
    "an inline script": re.compile(r"<script\b(?![^>]*\bsrc=)(?![^>]*type=[\"']application/json)", re.IGNORECASE),
    "an inline handler": re.compile(r"\son[a-z]+\s*=\s*[\"']", re.IGNORECASE),
    "an htmx expression that is evaluated": re.compile(r"\shx-on[:-]|\bhx-vars\b|[\"']js:", re.IGNORECASE),
    "a javascript: address": re.compile(r"javascript:", re.IGNORECASE),
    "a foreign host": re.compile(r"(?:src|href|action)\s*=\s*[\"'](?:https?:)?//", re.IGNORECASE),
    "unescaped text": re.compile(r"\|\s*safe(?:seq)?\b|autoescape\s+off", re.IGNORECASE),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_template_holds(house, what):
    found = [
        f"{path}: {match.group().strip()}"
        for path in house.files()
        if path.suffix == ".html" and path.parts[0] in {"templates", *house.rooms}
        for match in FORBIDDEN[what].finditer(house.text(path))
    ]
    assert found == []


def test_python_marks_text_as_safe_only_where_it_is_ours(house):
    marks = re.compile(r"\bmark_safe\(|\bSafeString\(|\|safe\b")
    found = {str(path) for path in house.modules(*house.rooms) if marks.search(house.text(path))}
    assert found == set(MAY_MARK_SAFE), "use format_html, or say here why nothing from outside can be in it"
