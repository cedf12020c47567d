"""Files of other projects are unmodified, colours keep their contrast, and every htmx element is marked as ours."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path

import pytest
from django.template.loader import get_template

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "dashboard/static/vendor"
STYLES = ROOT / "dashboard/static/dashboard"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text())["files"]


@pytest.mark.parametrize("row", MANIFEST, ids=lambda row: row["file"])
def test_a_vendored_file_is_what_its_package_holds(row):
    assert hashlib.sha256((VENDOR / row["file"]).read_bytes()).hexdigest() == row["sha256"]
    assert row["version"] in row["file"]


def test_the_manifest_names_every_vendored_file_with_a_licence():
    there = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()} - {"manifest.json"}
    assert {row["file"] for row in MANIFEST} == there
    assert {Path(name).parent for name in there} == {Path(name).parent for name in there if name.endswith("LICENSE")}


def test_no_style_sheet_asks_another_host_or_marks_itself_important_without_need():
    for sheet in STYLES.glob("*.css"):
        text = sheet.read_text()
        assert not re.search(r"https?:|@import|//[a-z]", text), sheet.name


# -- contrast ------------------------------------------------------------------------------------------------------

COLOUR = re.compile(r"--([a-z0-9-]+): light-dark\(oklch\(([\d. ]+)\), oklch\(([\d. ]+)\)\)")
TOKENS = {
    name: [tuple(map(float, scheme.split())) for scheme in schemes]
    for name, *schemes in COLOUR.findall((STYLES / "tokens.css").read_text())
}


def _luminance(lightness: float, chroma: float, hue: float) -> float:
    """Return the WCAG luminance of an OKLCH colour as a screen of 8 bits shows it (Ottosson's matrices)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return 0.2126 * _shown(red) + 0.7152 * _shown(green) + 0.0722 * _shown(blue)


def _shown(linear: float) -> float:
    """Return a linear part after its way through an 8-bit screen."""
    part = min(max(linear, 0), 1)
    byte = round(255 * (12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055)) / 255
    return byte / 12.92 if byte <= 0.04045 else ((byte + 0.055) / 1.055) ** 2.4


def _ratio(one: str, other: str, scheme: int) -> float:
    high, low = sorted((_luminance(*TOKENS[name][scheme]) for name in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


ROUNDING = 0.98  # the design gives one decimal, of colours as one browser fits them to its screen
# What stands on what, and the least ratio in light and in dark that the design promises.
STATED = [
    ("edge", "surface", 3.6, 3.4), ("ink", "surface", 16.4, 14.7), ("ink-2", "surface", 9.1, 9.2),
    ("ink-3", "surface", 5.8, 6.2), ("ink-3", "sunken", 5.1, 6.7), ("ink-3", "picked", 5.0, 5.1),
    ("accent", "surface", 6.9, 9.6), ("accent", "picked", 5.9, 7.9), ("accent-2", "surface", 9.2, 11.7),
    ("on-accent", "accent", 6.8, 10.1), ("stop", "surface", 6.5, 7.4), ("stop", "stop-tint", 5.7, 6.4),
    ("stop-fill", "surface", 6.0, 4.9), ("on-stop", "stop-fill", 5.9, 5.4), ("ink", "stop-tint", 14.3, 12.7),
    ("warn", "surface", 6.6, 10.1), ("warn", "warn-tint", 6.0, 8.5), ("warn-fill", "surface", 3.2, 8.2),
    ("ink", "warn-tint", 14.9, 12.3), ("bar-ok", "surface", 3.1, 3.3), ("hatch", "surface", 3.3, 3.8),
    ("brass", "paper", 3.4, 9.4),
]  # fmt: skip
# Text of every quiet kind on every ground that a row or a panel may have.
GROUNDS = ["paper", "surface", "sunken", "raised", "hover", "picked"]
TEXTS = ["ink", "ink-2", "ink-3", "accent", "stop", "warn"]


@pytest.mark.parametrize("one, other, light, dark", STATED)
def test_a_colour_stands_out_as_the_design_says(one, other, light, dark):
    assert _ratio(one, other, 0) >= light * ROUNDING
    assert _ratio(one, other, 1) >= dark * ROUNDING


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("text", TEXTS)
def test_text_can_be_read_on_every_ground(text, ground, scheme):
    assert _ratio(text, ground, scheme) >= 4.5


def test_style_sheets_name_no_colour_but_the_tokens():
    for sheet in set(STYLES.glob("*.css")) - {STYLES / "tokens.css"}:
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?!\")|\brgb|\bhsl|\boklch", sheet.read_text()), sheet.name


# -- templates -----------------------------------------------------------------------------------------------------

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# A tag's end is not a `>` inside {{ }} or {% %}.
TAG = re.compile(r"<[a-z][a-z0-9-]*(?:\{[{%].*?[%}]\}|[^>{]|\{(?![{%]))*>", re.DOTALL)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_htmx_element_carries_the_nonce(path):
    for tag in TAG.findall(path.read_text()):
        if re.search(r"\shx-(?!nonce)[a-z]", tag):
            assert 'hx-nonce="{{ request.csp_nonce }}"' in tag, tag


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_htmx_link_is_a_link_without_htmx_too(path):
    for tag in TAG.findall(path.read_text()):
        if (got := re.search(r'hx-get="([^"]*)"', tag)) and not tag.startswith("<form"):
            assert re.search(rf'\shref="{re.escape(got[1])}(?:#[a-z-]+)?"', tag), tag


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_compiles_and_takes_static_files_by_their_digest(path):
    get_template(str(path.relative_to(ROOT / "templates")))
    faces = (STYLES / "tokens.css").read_text()  # which names its faces as they are: a preload must name the same
    assert all(named in faces for named in re.findall(r"{% static \"([^\"]+)\" %}", path.read_text()))


def test_hatch_and_double_rule_are_kept_for_what_they_mean():
    sheets = "".join(sheet.read_text() for sheet in STYLES.glob("*.css"))
    assert len(re.findall(r"\bdouble\b", re.sub(r"/\*.*?\*/", "", sheets))) - sheets.count(".closing-double") == 1
    assert sheets.count("repeating-linear-gradient") == 1
