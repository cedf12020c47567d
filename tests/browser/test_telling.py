"""Notices, findings, a broken glass with its review, and a question, as a browser shows them to who decides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD, Site, people, served
from tests.browser.screens import SCREENS, wrong

HOSTILE = "<script>report('ran')</script>\u202egnp" + "w" * 80
MAKE = f"""
from datetime import UTC, datetime, timedelta
from django.db import transaction
from accounts.models import User
from rotation import channels, rules, telling
from rotation.approvers import rule_for
from rotation.channels import Wish
from rotation.models import Change, Mismatch
from rotation.notice_models import Channel, Delivery, Notice, Try
from tests.rotation.vaults import connected, enrol
now = datetime.now(UTC)
ann, bob, eve = (User.objects.create_user(name, password={PASSWORD!r}, role=role) for name, role in (
    ("ann", "operator"), ("bob", "approver"), ("eve", "administrator")))
demo = connected()
enrol(demo, "token", "revoke")
hook, _ = channels.add(Wish("webhook", "On call", "https://hooks.example.com/keybook"), actor=eve)
evil, _ = channels.add(Wish("email", {HOSTILE!r}, "team@example.com", ("failed", "break_glass")), actor=eve)
def change(**more):
    given = dict(target="lease", args={{}}, verb="Revoke 3 leases", subject="database/creds/payments-rw", vault="demo",
        reason="The build's token was on a public page.", asker_name="ann", asker_id=ann.pk, plan_hash="a" * 64,
        plan={{"steps": []}}, expires_at=now, rule=rules.document(rule_for("lease", "x", "high")))
    return Change.objects.create(**{{**given, **more}})
glass = dict(break_glass=True, approved_at=now, started_at=now, ended_at=now, state="succeeded",
             says="Done and proven.")
fresh = change(**glass, review_due=now + timedelta(hours=23))
late = change(**glass, review_due=now - timedelta(hours=2))
done = change(**glass, review_due=now, reviewed_at=now, reviewed_by="bob", review_note="The leases were the build's.")
asks = change(state="running", approved_at=now, started_at=now)
step = asks.steps.create(number=1, kind="ask_person", args={{"question": "Has the provider revoked the old key?"}},
                         title="Ask operator: Has the provider revoked the old key?", state="waiting", started_at=now)
step.attempts.create(number=1, epoch=1, worker="operations-2", outcome="waiting", says="Waits for an answer.")
for says, more in (("update secret/data/prod/x at 2026-11-28 02:04:11 UTC, from 10.0.3.7: it claims C-777, and Keybook "
                    "has no such change.", dict(event=5)), ({HOSTILE!r}, {{}}),
                   ("Step 2 of C-7 ended.", dict(ended_at=now, ended_by="bob", note="A restore of ours."))):
    Mismatch.objects.create(vault="demo", change=str(len(says)), says=says, **more)
with transaction.atomic():
    for kind in ("break_glass", "overdue", "failed"):
        telling.tell(kind, late, who="ann", says={HOSTILE!r})
for notice, (state, says) in zip(Notice.objects.order_by("pk"), (
        ("sent", "It answered 204."), ("given_up", "It answered 500."),
        ("waiting", "hooks.example.com did not take it: the connection was refused."))):
    row = Delivery.objects.create(notice=notice, channel=hook, address=hook.address, state=state, says=says, tries=2,
                                  next_at=now)
    for number in (1, 2):
        Try.objects.create(delivery=row, number=number, outcome="failed", says=says)
print(fresh.name, late.name, done.name, asks.name)
"""
SETTINGS = {
    "KEYBOOK_REQUIRE_MFA": "false", "KEYBOOK_URL": "http://localhost:{port}", "KEYBOOK_NOTICE_KEY": "k" * 50,
}  # fmt: skip
FORM = "/changes/new/?target=token&accessor=a-1&vault=demo"


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[Site]:
    """A Keybook with channels, findings, broken glasses and a question, and ann, bob and eve."""
    with served(tmp_path_factory.mktemp("none"), {}, {}, **SETTINGS) as running:
        names = running.manage("shell", "-v", "0", "-c", MAKE).split()
        running.truth.update(zip(("fresh", "late", "done", "asks"), names, strict=True))
        yield running


@pytest.fixture
def person(desk, chromium):
    """Return a function that opens a window in which somebody has just signed in."""
    with people(desk, chromium) as start:
        yield start


def addresses(desk: Site) -> dict[str, str]:
    """Return an address of every kind of page of these."""
    found = {name: f"/changes/{change}/" for name, change in desk.truth.items()}
    return {
        **found, "notices": "/settings/notices/", "findings": "/findings/", "one": "/findings/M-1/", "home": "/",
        "review": f"/changes/{desk.truth['fresh']}/review/", "inbox": "/changes/", "form": FORM,
        "glass": f"{FORM}&glass=yes",
        "answer": f"/changes/{desk.truth['asks']}/answer/?word=stop", "kinds": "/changes/new/?glass=yes",
    }  # fmt: skip


@pytest.mark.parametrize("screens", SCREENS)
def test_nothing_is_cut_over_the_edge_too_pale_or_too_small(desk, person, screens):
    assert wrong(person("eve"), addresses(desk), screens) == {}


def test_an_operator_breaks_the_glass_and_another_person_reviews_it(desk, person):
    ann = person("ann").go(FORM)
    ann.get_by_role("link", name="Break the glass…").click()
    expect(ann.locator(".glass-note")).to_contain_text("nobody approves it")
    ann.get_by_label("Reason").fill("The build's token was on a public page.")
    ann.get_by_role("button", name="Preview").click()
    expect(ann.locator("form.change-form")).to_contain_text("1 target here, 50 are the most at once")
    ann.get_by_label("Type the target").fill("a-1")
    ann.get_by_role("button", name="Break the glass: revoke token").click()
    expect(ann.locator(".lifecycle")).to_contain_text("Glass broken")
    address = ann.url.removeprefix(desk.url)
    bob = person("bob").go("/changes/")
    expect(bob.locator(".inbox-list")).to_contain_text("23 h left to review")
    bob.goto(desk.url + address)
    bob.get_by_role("link", name="Review…").click()
    question = bob.get_by_role("alertdialog")
    question.get_by_label("What you found").fill("The token was the build's.")
    question.get_by_role("button", name="Close the review").click()
    expect(bob.locator(".words-of")).to_contain_text("bob reviewed")


def test_an_administrator_adds_a_webhook_and_tries_it(desk, person):
    page = person("eve").go("/settings/notices/")
    page.get_by_label("Name").fill("Chat")
    page.get_by_label("Address").fill("https://chat.example.com/hook")
    page.get_by_label("A change stopped").check()
    page.get_by_role("button", name="Add a webhook").click()
    expect(page.locator("#secret")).to_contain_text("whsec_")
    page.get_by_role("link", name="To the channels").click()
    page.get_by_role("button", name="Test Chat").click()
    expect(page.locator("main")).to_contain_text("chat.example.com/…")
