"""Changes as a browser shows them: two people ask and decide, a change moves on by itself; nothing needs scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD, Site, people, served
from tests.browser.screens import SCREENS, wrong

HOSTILE = "<script>report('ran')</script>\u202egnp" + "w" * 80
TOYS = """
from datetime import UTC, datetime, timedelta
from rotation import plan, steps, targets
from rotation.models import Change
from accounts.models import User
from tests.rotation.toy_targets import STEPS, TARGETS, asked, looked
targets.kinds, steps.kinds = (lambda: TARGETS), (lambda: STEPS)
now = datetime.now(UTC)
"""
MAKE = f"""{TOYS}
ann, bob = (User.objects.create_user(name, password={PASSWORD!r}, role=role)
            for name, role in (("ann", "operator"), ("bob", "approver")))
why = "payments-api was rolled at 10:49. Its old pods are gone, but what they read is still good. SEC-1190"
waits = asked(ann, reason=why, evidence="F-41", expires_at=now + timedelta(minutes=47, seconds=50))
asked(ann, "secret/prod/payments/api/bank-sftp-of-the-other-region")
asked(bob, "secret/prod/shop/stripe")
broken = asked(ann, "secret/prod/shop/paypal")
looked(broken, "Vault answered 403 at secret/data/prod/shop/paypal: apply the policy that manage.py connect prints.")
times = dict(approved_at=now - timedelta(minutes=4), started_at=now - timedelta(minutes=3))
runs = asked(ann, "secret/prod/ledger/card-key", state="running", **times)
stops = asked(ann, "secret/prod/ledger/iban-key", state="failed", ended_at=now, **times,
              says="Stopped at step 2 of 2. settlement-1 still reads version 14, which works. Nothing is half done.")
ends = asked(ann, "secret/prod/ledger/vat-key", state="succeeded", ended_at=now, says="Done and proven.", **times)
evil = asked(ann, "secret/prod/evil", state="running", reason={HOSTILE!r}, evidence={HOSTILE!r}[:180], **times)
Change.objects.filter(pk=evil.pk).update(subject={HOSTILE!r}, verb={HOSTILE!r}[:80], says={HOSTILE!r})
for one in (runs, stops, ends, evil):
    one.verdicts.create(person_id=bob.pk, person_name="bob", verdict="approve", plan_hash=one.plan_hash,
                        proof="step_up", note="Settlement is idle until 15:00.")
    ended = one in (stops, ends)
    first = one.steps.create(number=1, kind="write", args={{}}, title="Write version 15", state="done", seen_at=now,
                             started_at=now - timedelta(seconds=170), ended_at=now - timedelta(seconds=169))
    first.attempts.create(number=1, epoch=1, worker="operations-2", outcome="done", says="Version 15 is written.",
                          intent={{"cas": 14}}, receipt={{"version": 15}})
    state = "stopped" if one is stops else "done" if one is ends else "waiting"
    next = one.steps.create(number=2, kind="destroy", args={{}}, title="Restart StatefulSet payments/settlement",
                            state=state, started_at=now - timedelta(seconds=60), progress={{"done": 1, "of": 2}},
                            ended_at=now if ended else None, says="" if ended else "1 of 2 pods are new.")
    next.attempts.create(number=1, epoch=1, worker="operations-2", outcome="refused",
                         says="PodDisruptionBudget ledger-pdb allows 0 disruptions")
    next.attempts.create(number=2, epoch=2, worker="operations-2", outcome="done" if one is ends else "")
    for at, grade in enumerate(("exact", "strong", "exact")):
        one.proofs.create(step=2, kind="pod", subject=f"payments/ledger-7c9d8b6f5-x2lq{{at}}", state="proven",
                          grade=grade, holds="v15", at=now)
    if one is not ends:
        one.proofs.create(step=2, kind="pod", subject="payments/settlement-1", state="waiting", holds="v14 old",
                          says="not yet, step 2 restarts it")
        one.proofs.create(step=2, kind="pod", subject={HOSTILE!r}, state="short", says={HOSTILE!r}, holds="v15")
from rotation.schedule_models import Age, Asking, Schedule
days = timedelta(days=1)
plans = [Schedule.objects.create(
    name=name, target="kv", pattern=pattern, args={{"way": "generated", "keys": ["password"]}}, days=90,
    owner_id=ann.pk, window=window, reason="PCI 8.6.3: every 90 days", owner_name="ann", says=says,
    made_at=now - 300 * days, looked_at=now, vault="demo") for name, pattern, window, says in (
        ("Bank and payments", "secret/prod/*", "sat,sun 22:00-04:00 Europe/Vienna",
         f"{{stops.name}} of secret/prod/ledger/iban-key stopped, so nothing more is asked for: resume it until it "
         "is done, or let the schedule go on."), ({HOSTILE!r}[:100], {HOSTILE!r}, "", ""))]
for name, age, of in (("ledger/iban-key", 130, stops), ("payments/api/bank-sftp-of-the-other-region", None, None),
                      ("shop/stripe", 12, None)):
    Age.objects.create(target="kv", vault="demo", subject=f"secret/prod/{{name}}", seen=now - 210 * days, version=14,
                       rotated=now - age * days if age else None, by="human/dora")
    if of:
        Asking.objects.create(schedule=plans[0], vault="demo", subject=of.subject, period=3, edition=1, due_at=now,
                              opens=now, closes=now + days, change=of)
pauses = asked(ann, "secret/prod/ledger/paused-key", state="running", pause_before=1, paused_by="bob", **times)
print(plans[0].pk, pauses.name, end=" ")
print(waits.name, broken.name, runs.name, stops.name, ends.name, evil.name)
"""
SETTINGS = {"KEYBOOK_REQUIRE_MFA": "false", "KEYBOOK_URL": "http://localhost:{port}"}
FORM = "/changes/new/?target=kv&secret=secret/prod/ledger/bank-sftp&evidence=F-41&vault=demo&way=generated"


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[Site]:
    """A Keybook with changes in every state, and ann who asks and bob who decides."""
    with served(tmp_path_factory.mktemp("none"), {}, {}, **SETTINGS) as running:
        names = running.manage("shell", "-v", "0", "-c", MAKE).split()
        running.truth.update(
            zip(("plan", "pauses", "waits", "broken", "runs", "stops", "ends", "evil"), names, strict=True)
        )
        yield running


@pytest.fixture
def person(desk, chromium):
    """Return a function that opens a window in which somebody has just signed in."""
    with people(desk, chromium) as start:
        yield start


def addresses(desk: Site) -> dict[str, str]:
    """Return an address of every kind of page of changes."""
    found = {name: f"/changes/{change}/" for name, change in desk.truth.items()}
    plan = f"/changes/schedules/{desk.truth['plan']}/"
    del found["plan"]
    return {
        **found, "schedules": "/changes/schedules/", "schedule": plan, "schedule form": f"{plan}change/",
        "schedule end": f"{plan}end/", "new schedule": "/changes/schedules/new/", "overdue": "/changes/overdue/",
        "pause": f"/changes/{desk.truth['runs']}/pause/",
        "inbox": "/changes/", "chosen": f"/changes/?change={desk.truth['broken']}", "all": "/changes/all/",
        "running": "/changes/running/", "none": "/changes/all/?state=expired", "new": "/changes/new/?secret=x",
        "form": FORM, "approve": f"/changes/{desk.truth['waits']}/approve/", "home": "/",
        "cancel": f"/changes/{desk.truth['runs']}/cancel/", "policies": "/changes/policies/",
        "freeze": "/changes/freeze/", "passkeys": "/account/passkeys/",
    }  # fmt: skip


@pytest.mark.parametrize("screens", SCREENS)
def test_nothing_is_cut_over_the_edge_too_pale_or_too_small(desk, person, screens):
    assert wrong(person("bob"), addresses(desk), screens) == {}


def test_the_question_lies_over_the_page_with_the_focus_on_cancel_and_waits_for_the_target(desk, person):
    page = person("bob").go(f"/changes/{desk.truth['waits']}/")
    page.get_by_role("link", name="Approve: rotate").click()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("Yours is the last approval that it needs")
    expect(question.get_by_role("link", name="Cancel")).to_be_focused()
    last = question.get_by_role("button", name="Rotate")
    expect(last).to_be_disabled()
    question.get_by_label("Type the target").fill("bank-sftp")
    expect(last).to_be_enabled()
    question.get_by_role("link", name="Cancel").click()
    expect(question).to_be_hidden()
    assert page.url.endswith(f"/changes/{desk.truth['waits']}/")


def test_one_person_asks_and_another_approves_what_they_saw(desk, person):
    made = desk.manage(
        "shell", "-v", "0", "-c", f"{TOYS}print(asked(User.objects.get(username='ann'), 'secret/prod/two').name)"
    )
    page = person("bob").go("/changes/")
    page.locator(".inbox-item", has_text=made).click()
    page.get_by_role("link", name="Approve: rotate").click()
    question = page.get_by_role("alertdialog")
    question.get_by_label("Type the target").fill("two")
    question.get_by_label("Note for the trail").fill("Idle until 15:00.")
    question.get_by_role("button", name="Rotate").click()
    page.wait_for_url(re.compile(rf"/changes/{made}/$"))
    expect(page.locator(".mark-now")).to_contain_text("Approved")
    expect(page.locator(".words-of")).to_contain_text("“Idle until 15:00.”")


def test_a_running_change_moves_on_by_itself_and_keeps_the_focus(desk, person):
    page = person("bob").go(f"/changes/{desk.truth['runs']}/")
    page.locator("#cancel").focus()
    more = (
        "Change.objects.get(pk={0}).steps.filter(number=2).update(progress={{'done': 2, 'of': 2}}, says='All are new.')"
    )
    desk.manage("shell", "-v", "0", "-c", TOYS + more.format(desk.truth["runs"].removeprefix("C-")))
    expect(page.locator("#step-2")).to_contain_text("All are new.", timeout=20_000)
    expect(page.locator("#cancel")).to_be_focused()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.locator("#cancel span").bounding_box()["width"] > 60, "on a phone the button keeps its words"
    ends = f"Change.objects.filter(pk={desk.truth['runs'].removeprefix('C-')}).update(state='succeeded', ended_at=now)"
    desk.manage("shell", "-v", "0", "-c", TOYS + ends)
    expect(page.locator(".mark-now")).to_contain_text("Done, short of proof", timeout=20_000)


def test_keys_lead_to_changes_and_walk_them(desk, person):
    page = person("bob").go("/secrets/")
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url(re.compile(r"/changes/$"))


def test_without_scripts_a_change_is_asked_for_and_decided(desk, person):
    name = desk.manage(
        "shell", "-v", "0", "-c", f"{TOYS}print(asked(User.objects.get(username='ann'), 'secret/prod/x').name)"
    )
    visit = person("bob", java_script_enabled=False)
    page = visit.go(f"/changes/{name}/")
    page.get_by_role("link", name="Approve: rotate").click()
    page.wait_for_url(re.compile(r"/approve/$"))
    page.get_by_role("button", name="Rotate").click()
    page.get_by_label("Type the target").fill("wrong")
    page.get_by_role("button", name="Rotate").click()
    expect(page.get_by_role("alert")).to_contain_text("Type x to go on")
    page.get_by_label("Type the target").fill("x")
    page.get_by_role("button", name="Rotate").click()
    expect(page.locator(".mark-now")).to_contain_text("Approved")
    visit.trouble.clear()  # the browser's own note of the answer to the wrong word


PIN = """
from rotation.models import ApproverKey
from rotation import assertions
bob = User.objects.get(username="bob")
made = Change.objects.get(target="enrol_key", asker_id=bob.pk)
key = {name: assertions.unpack(made.args[name]) for name in ("credential", "public_key")}
ApproverKey.objects.create(user_id=bob.pk, user_name="bob", **key)
grave = asked(User.objects.get(username="ann"), "secret/prod/root", rule={"proof": "passkey"}, risk="highest")
print(grave.name)
"""


def test_the_highest_class_is_approved_with_a_passkey_that_was_registered_here(desk, person):
    visit = person("bob")
    devices = visit.context.new_cdp_session(visit.page)
    devices.send("WebAuthn.enable")
    kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True}  # fmt: skip
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": kind})
    page = visit.go("/account/passkeys/")
    page.get_by_label("Name").fill("the laptop")
    page.get_by_role("button", name="Register a passkey").click()
    page.wait_for_url(re.compile(r"/changes/C-\d+/$"))
    expect(page.locator(".approval")).to_contain_text("Compare the fingerprint")
    name = desk.manage("shell", "-v", "0", "-c", TOYS + PIN)
    page = visit.go(f"/changes/{name}/")
    page.get_by_role("link", name="Approve: rotate").click()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("The button asks for your passkey")
    question.get_by_label("Type the target").fill("root")
    question.get_by_role("button", name="Rotate").click()
    page.wait_for_url(re.compile(rf"/changes/{name}/$"))
    expect(page.locator(".words-of")).to_contain_text("With a passkey.")
