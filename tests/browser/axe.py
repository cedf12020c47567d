"""The serious faults that axe finds in a page; in a dark page it looks at colours, all else is as in the light one.

In a light page it leaves contrast, three quarters of its work, to test_look.py, whose measure is stricter.
"""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

COLOURS = ["color-contrast", "link-in-text-block"]
# What these find is moderate or minor at most, and some of them look at every element.
MILD = [
    "empty-heading", "heading-order", "image-redundant-alt", "landmark-banner-is-top-level",
    "landmark-contentinfo-is-top-level", "landmark-main-is-top-level", "landmark-no-duplicate-banner",
    "landmark-no-duplicate-contentinfo", "landmark-no-duplicate-main", "landmark-one-main", "landmark-unique",
    "page-has-heading-one", "presentation-role-conflict", "region", "scope-attr-valid", "skip-link",
]  # fmt: skip
# A list's rows are made of the same parts. Every text's contrast in every row is looked at by test_look.py.
LIKE_THOSE_BEFORE = {"exclude": [["tbody tr:nth-child(n+25)"]]}


def faults(page: Page, scheme: str = "light", *, colours: bool = False) -> list[str]:
    """Return the serious and critical faults of a page, each as its rule and an element; `colours` has those alone."""
    some: dict[str, object] = {"rules": {name: {"enabled": False} for name in [*MILD, "color-contrast"]}}
    if colours or scheme == "dark":
        some = {"runOnly": {"type": "rule", "values": COLOURS}}
    report = Axe().run(page, LIKE_THOSE_BEFORE, options={"resultTypes": ["violations"], **some}).response["violations"]
    return [f"{one['id']} {one['nodes'][0]['html']}" for one in report if one["impact"] in {"serious", "critical"}]
