"""Two administrators with passkeys in a real browser: registered, pinned at set-up, a change of the highest class."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Visit, opened_by, served
from tests.browser.test_sign_in import NEW
from tests.browser.test_sign_in import _look as look
from tests.browser.test_sign_in import _press as press
from tests.browser.test_sign_in import _set_up as set_up

ASK = """
from accounts.models import User
from rotation import actions, plan, preflight, rules
from rotation.approvers import rule_for
drawn = plan.make("grant_role", {"user": "cat", "role": "approver"}, None)
rule = rule_for("grant_role", drawn.document["subject"], drawn.risk)
change = actions.request(User.objects.get(username="eve"), drawn, "cat is on call", actions.Asked(),
                         rule=rules.document(rule), hours=rule.hours)
preflight.keep(change, {"ok": True, "facts": {"1.role": "reader"}, "lines": [], "drawn": True})
print(change.pk)
"""
JUDGE = """
from rotation import approving, standing
from rotation.approvers import database_time
from rotation.models import Change
change = Change.objects.get(target="grant_role")
print(change.state, standing.unsure(change, database_time(), approving.party()))
"""


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Serve Keybook at a name, because browsers give no passkey to an address of numbers."""
    with served(tmp_path_factory.mktemp("none"), {}, {}, KEYBOOK_URL="http://localhost:{port}") as site:
        yield Site(site.url.replace("127.0.0.1", "localhost"), site.environment, {})


def _with_passkey(visit: Visit) -> None:
    """Give the window an authenticator that has a finger on it."""
    wire = visit.context.new_cdp_session(visit.page)
    wire.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    wire.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def _enter(visit: Visit, site: Site, name: str) -> Page:
    link = json.loads(site.manage("create_user", name, "--role", "administrator", "--json"))["link"]
    page = visit.go(link.removeprefix(site.url))
    press(page, "Enter")
    page.get_by_label("New password").fill(NEW)
    page.get_by_label("The same again").fill(NEW)
    press(page, "Set password")
    set_up(page)
    return page


def _registered(visit: Visit, site: Site, name: str) -> list[str]:
    """Register a passkey on the page and pin it by the command; returns what is wrong with the page."""
    page = visit.go("/account/passkeys/")
    wrong = look(page)
    page.get_by_label("Name").fill(f"{name}'s key")
    press(page, "Register a passkey")
    assert "/changes/C-" in page.url
    waiting = json.loads(site.manage("enrol_approver", name, "--json"))["waiting"]
    expect(page.locator("main")).to_contain_text(waiting[0]["fingerprint"])
    site.manage("enrol_approver", name, "--pin", waiting[0]["fingerprint"])
    expect(visit.go("/account/passkeys/").get_by_role("region", name="Pinned")).to_contain_text(f"{name}'s key")
    return wrong


def test_a_change_of_the_highest_class_is_approved_by_another_administrators_passkey(named, chromium):
    windows = {name: opened_by(named, chromium) for name in ("eve", "mia")}
    wrong = []
    for name, visit in windows.items():
        _enter(visit, named, name)
        _with_passkey(visit)
        wrong += _registered(visit, named, name)
    key = named.manage("shell", "-v", "0", "-c", ASK)
    page = windows["mia"].go(f"/changes/C-{key}/approve/")
    expect(page.locator("main")).to_contain_text("asks for your passkey")
    wrong += look(page)
    press(page, "Grant approver to cat")
    assert page.url == f"{named.url}/changes/C-{key}/"
    assert named.manage("shell", "-v", "0", "-c", JUDGE) == "approved ('', '')"
    assert wrong == [] and [visit.trouble for visit in windows.values()] == [[], []]
    for visit in windows.values():
        visit.context.close()
