"""Scratch."""

from tests.browser.test_changes import *  # noqa
from tests.browser import test_changes as T
import pathlib

OUT = pathlib.Path("/tmp/shots")
OUT.mkdir(exist_ok=True)
for n in list(globals()):
    if n.startswith("test_"):
        del globals()[n]
import pytest


@pytest.mark.parametrize(
    "width, scheme, names",
    [
        (1440, "light", None),
        (1440, "dark", ["waits", "runs", "stops", "inbox", "approve"]),
        (390, "dark", ["waits", "runs", "stops", "inbox", "chosen", "all", "form", "approve"]),
        (800, "light", ["inbox", "runs"]),
    ],
)
def test_shots(desk, person, width, scheme, names):
    visit = person(
        "bob",
        viewport={"width": width, "height": 900 if width > 500 else 844},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    for name, address in T.addresses(desk).items():
        if names and name not in names:
            continue
        page = visit.go(address)
        page.screenshot(path=str(OUT / f"{width}-{scheme}-{name}.png"), full_page=width < 500)
    page = visit.go(f"/changes/{desk.truth['waits']}/")
    page.get_by_role("link", name="Approve: rotate").click()
    page.get_by_role("alertdialog").wait_for()
    page.screenshot(path=str(OUT / f"{width}-{scheme}-dialog.png"))
    visit.trouble.clear()
