"""The pages of changes: what waits for whom, one change as it stands, the question before each verb, and the form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from accounts.models import PersonArea, Role, User
from dashboard.change_form import ChangeForm
from dashboard.change_offers import FROM
from rotation.models import ApproverKey, Change, Freeze
from tests.dashboard.conftest import Browser, Page
from tests.dashboard.leases_made import vault
from tests.rotation import toy_targets
from tests.rotation.toy_targets import asked, looked

PASSWORD = "a long enough password"
SECRET = "secret/prod/ledger/bank-sftp"


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    toy_targets.use(monkeypatch)


def someone(name: str, role: str) -> User:
    return User.objects.create_user(name, password=PASSWORD, role=role)


@pytest.fixture
def ann(db) -> User:
    return someone("ann", Role.OPERATOR)


@pytest.fixture
def bob(db) -> User:
    return someone("bob", Role.APPROVER)


class Window:
    """A browser in which somebody has just signed in."""

    def __init__(self, user: User) -> None:
        self.client = Browser()
        assert self.client.post("/sign-in/", {"username": user.username, "password": PASSWORD}).status_code == 302

    def get(self, address: str, status: int = 200, **headers: str) -> Page:
        response = self.client.get(address, headers=headers or None)
        assert response.status_code == status, response.content.decode()[:2000]
        return Page.of(response)

    def send(self, address: str, status: int = 302, **form: object):
        response = self.client.post(address, form)
        assert response.status_code == status, response.content.decode()[:2000]
        return response


@pytest.fixture
def anns(ann) -> Window:
    return Window(ann)


@pytest.fixture
def bobs(bob) -> Window:
    return Window(bob)


def links(page: Page, css: str) -> list[str]:
    return [own["href"] for own in page.all("a", class_=css)]


def running(change: Change) -> None:
    """Leave what a worker leaves in the middle of a change: one step done, one that was tried twice and goes on."""
    now = datetime.now(UTC)
    Change.objects.filter(pk=change.pk).update(state="running", approved_at=now, started_at=now)
    one = change.steps.create(
        number=1, kind="write", args={}, title="Write version 15", state="done", started_at=now - timedelta(seconds=9),
        ended_at=now, seen_at=now, says="Version 15 is written.",
    )  # fmt: skip
    one.attempts.create(number=1, epoch=1, worker="w-1", intent={"cas": 14}, outcome="done", receipt={"version": 15})
    two = change.steps.create(
        number=2, kind="destroy", args={}, title="Destroy version 14", state="waiting", started_at=now,
        progress={"done": 1, "of": 4},
    )  # fmt: skip
    two.attempts.create(number=1, epoch=1, worker="w-1", outcome="refused", says="the budget allows 0 disruptions")
    two.attempts.create(number=2, epoch=2, worker="w-2")
    change.proofs.create(
        step=1, kind="pod", subject="payments/ledger-1", state="proven", grade="exact", holds="v15", at=now
    )
    change.proofs.create(
        step=1, kind="pod", subject="payments/ledger-2", state="short", says="synced, not yet in this pod"
    )


# -- the inbox ---------------------------------------------------------------------------------------------------------


def test_the_inbox_says_who_has_to_decide_what_and_shows_the_first(anns, bobs, ann, bob):
    soon = asked(ann, expires_at=datetime.now(UTC) + timedelta(minutes=47, seconds=30))
    late, own = asked(ann, "secret/prod/other"), asked(bob, "secret/prod/bobs")
    asked(ann, "secret/prod/old", state="rejected", ended_at=datetime.now(UTC))
    page = bobs.get("/changes/")
    order = [href.rpartition("=")[2] for href in links(page, "inbox-item")]
    assert order[:3] == [soon.name, late.name, own.name]
    assert "Needs me 2" in page.text and "Waits for others 1" in page.text and "Decided" in page.text
    assert "47 min left" in page.text and "asked by me, 0 of 1" in page.text
    assert f"/changes/{soon.name}/approve/" in links(page, "primary")
    assert "5 pods" not in page.text and all(word in page.text for word in ("pods", "of 2 workloads", "sure holders"))
    assert "Needs me" not in anns.get("/changes/").text


def test_the_rail_counts_what_needs_the_person_who_reads(anns, bobs, ann):
    asked(ann)
    assert "Changes1" in bobs.get("/changes/").text.replace(" ", "")
    asked(ann, state="failed")
    assert [own["aria-label"] for own in anns.get("/").all("b", class_="rail-count")] == ["1 need you"]


def test_another_change_is_chosen_by_the_address_and_one_that_is_not_there_is_told(bobs, ann):
    first, second = asked(ann), asked(ann, "secret/prod/other")
    page = bobs.get(f"/changes/?change={second.name}")
    assert f"/changes/{second.name}/approve/" in links(page, "primary")
    assert [own["href"] for own in page.all("a", aria_current="true")] or page.all("a", class_="inbox-item")
    assert "There is no change C-999999" in bobs.get("/changes/?change=C-999999").text
    assert first.name in page.text


def test_without_any_change_the_inbox_says_what_one_is(bobs):
    assert "No change waits for anybody" in bobs.get("/changes/").text


def test_a_freeze_stands_over_the_lists(bobs, ann):
    Freeze.objects.create(scope="everything", reason="Black Friday", by_name="eve")
    assert "Everything is frozen by eve: Black Friday" in bobs.get("/changes/").text


def test_lists_show_what_runs_and_all_by_state_and_subject(bobs, ann):
    waits, runs = asked(ann), asked(ann, "secret/prod/other")
    running(runs)
    assert links(bobs.get("/changes/running/"), "row-link") == [f"/changes/{runs.name}/"]
    assert "1 of 2" in bobs.get("/changes/running/").text
    assert links(bobs.get("/changes/all/"), "row-link") == [f"/changes/{runs.name}/", f"/changes/{waits.name}/"]
    assert links(bobs.get(f"/changes/all/?subject={SECRET}"), "row-link") == [f"/changes/{waits.name}/"]
    assert links(bobs.get("/changes/all/?state=running"), "row-link") == [f"/changes/{runs.name}/"]
    assert "No change fits, and nothing is missing" in bobs.get("/changes/all/?state=expired").text
    assert "No change runs" not in bobs.get("/changes/running/").text


def test_pages_of_the_list_meet_without_a_double_or_a_loss(bobs, ann, monkeypatch):
    monkeypatch.setattr("dashboard.changes_page.SHOWN", 2)
    made = [asked(ann, f"secret/prod/{at}") for at in range(5)]
    found, address = [], "/changes/all/"
    while address:
        page = bobs.get(address)
        found += links(page, "row-link")
        older = page.by_id("older")
        address = f"/changes/all/{older['href']}" if older else ""
    assert found == [f"/changes/{one.name}/" for one in reversed(made)]


# -- one change --------------------------------------------------------------------------------------------------------


def test_the_plan_is_read_before_it_is_decided_on(bobs, ann):
    change = asked(ann, evidence="F-41")
    page = bobs.get(f"/changes/{change.name}/")
    for words in ("Write version 15", "version 14", "cannot be undone", "ann", "“Planned rotation, 90 days. SEC-1182.”",
                  "F-41", "1 approval needed", "ann cannot approve it", "2 holders are likely, not sure",
                  "it can be done", change.plan_hash[:6]):  # fmt: skip
        assert words in page.text, words
    assert "Approve: rotate bank-sftp…" in page.text and page.by_id("look-again")["hx-trigger"] == "every 3s"


def test_whoever_asked_reads_why_there_is_no_button(anns, ann):
    page = anns.get(f"/changes/{asked(ann).name}/")
    assert "You asked for this; another person approves." in page.text and links(page, "primary") == []
    assert "Cancel it…" in page.text


def test_what_keeps_it_from_being_done_stands_over_the_plan(bobs, ann):
    change = asked(ann)
    looked(change, "Vault does not let us patch here.")
    page = bobs.get(f"/changes/{change.name}/")
    assert "it could not be done now" in page.text and "Vault does not let us patch here." in page.text


def test_a_running_change_shows_each_attempt_and_what_is_short_of_proof(bobs, ann):
    change = asked(ann)
    running(change)
    page = bobs.get(f"/changes/{change.name}/")
    for words in ("step 2 of 2", "Version 15 is written.", "seen in the audit log at", "refused: the budget allows 0",
                  "under way on worker w-2", "1 of 4", "1 of 2 lines proven", "synced, not yet in this pod",
                  "Not proven yet: 1 line falls short.", "Cannot be undone."):  # fmt: skip
        assert words in page.text, words
    live = page.by_id("look-again")
    assert (live["hx-trigger"], live["hx-swap"]) == ("every 2s", "outerMorph")
    assert page.all("li", class_="mark-now") and "Cancel it…" in page.text


def test_the_live_part_comes_alone_and_asks_for_the_page_when_the_state_is_another(bobs, ann):
    change = asked(ann)
    running(change)
    asks = {"HX-Request": "true", "HX-Target": "div#live"}
    part = bobs.get(f"/changes/{change.name}/?seen=running", **asks)
    assert part.by_id("live") and not part.all("html")
    Change.objects.filter(pk=change.pk).update(state="succeeded")
    gone = bobs.client.get(f"/changes/{change.name}/?seen=running", headers=asks)
    assert (gone.headers["HX-Refresh"], gone.content) == ("true", b"")


@pytest.mark.parametrize(
    "state, mark, says",
    [("succeeded", "Done, short of proof", ""), ("failed", "Stopped", "Stopped at step 2 of 2."),
     ("rejected", "Rejected", ""), ("cancelled", "Cancelled", ""), ("expired", "Expired", "")],
)  # fmt: skip
def test_each_end_is_named_once_in_the_line_of_its_life(bobs, ann, state, mark, says):
    change = asked(ann)
    running(change)
    Change.objects.filter(pk=change.pk).update(state=state, ended_at=datetime.now(UTC), says=says)
    page = bobs.get(f"/changes/{change.name}/")
    assert mark in page.text and says in page.text and page.by_id("look-again") is None


@pytest.mark.parametrize("ago, seen, looks", [(5, False, True), (5, True, False), (600, False, False)])
def test_a_change_that_is_done_looks_on_until_vaults_log_has_shown_what_it_did(bobs, ann, ago, seen, looks):
    change = asked(ann)
    running(change)
    now = datetime.now(UTC)
    Change.objects.filter(pk=change.pk).update(state="succeeded", ended_at=now - timedelta(seconds=ago))
    change.steps.update(kind="write_kv", seen_at=now if seen else None)
    assert bool(bobs.get(f"/changes/{change.name}/").by_id("look-again")) is looks


def test_a_stopped_change_names_what_is_true_and_the_step_to_resume_from(anns, ann):
    change = asked(ann)
    running(change)
    Change.objects.filter(pk=change.pk).update(state="failed", says="Stopped at step 2 of 2. Nothing is half done.")
    page = anns.get(f"/changes/{change.name}/")
    assert "Stopped at step 2 of 2. Nothing is half done." in page.text
    assert "Resume from step 2…" in page.text and "Cancel the rest…" in page.text
    title = change.steps.get(number=2).title
    for verb, words in (("resume", "Goes on with"), ("cancel", "Left out")):
        asked_again = anns.get(f"/changes/{change.name}/{verb}/").text
        assert words in asked_again and f"2. {title} cannot be undone" in asked_again


def test_hostile_text_is_spelt_out_and_never_an_element(bobs, ann):
    evil = "<script>report('ran')</script>\u202egnp"
    change = asked(ann, reason=evil, evidence=evil)
    running(change)
    change.proofs.create(step=2, kind="pod", subject=evil, state="short", says=evil, holds=evil)
    Change.objects.filter(pk=change.pk).update(says=evil, subject=evil, verb=evil)
    html = bobs.client.get(f"/changes/{change.name}/").content.decode()
    assert "<script>report" not in html and "\u202e" not in html
    for address in ("/changes/", "/changes/all/", "/changes/running/", f"/changes/{change.name}/cancel/"):
        html = bobs.client.get(address).content.decode()
        assert "<script>report" not in html and "\u202e" not in html, address


def test_a_limited_person_meets_only_changes_of_their_areas(bobs, ann, bob):
    PersonArea.objects.create(user=bob, vault="demo", prefix="secret/prod/ledger")
    mine, other = asked(ann), asked(ann, "secret/prod/ledgers")
    assert links(bobs.get("/changes/all/"), "row-link") == [f"/changes/{mine.name}/"]
    assert other.name not in bobs.get("/changes/").text
    for address in ("", "approve/", "reject/", "cancel/", "resume/"):
        bobs.get(f"/changes/{other.name}/{address}", status=404)
    assert other.name not in bobs.get(f"/changes/?change={other.name}").text.replace("no change " + other.name, "")


# -- the verbs ---------------------------------------------------------------------------------------------------------


def test_approving_asks_once_more_with_the_focus_on_cancel_and_the_target_to_type(bobs, ann):
    change = asked(ann)
    page = bobs.get(f"/changes/{change.name}/approve/")
    assert "Rotate x?" in page.text and "Yours is the last approval that it needs: it starts at once." in page.text
    assert "Step 2 cannot be undone." in page.text and "Type the target to go on: bank-sftp" in page.text
    (leave,) = [own for tag, own in page.elements if "autofocus" in own]
    assert leave["href"] == f"/changes/{change.name}/"


def test_an_approval_needs_the_typed_target_and_the_hash_that_was_looked_at(bobs, ann):
    change = asked(ann)
    address, good = f"/changes/{change.name}/approve/", {"plan_hash": change.plan_hash, "typed": "bank-sftp"}
    page = Page.of(bobs.send(address, 409, **{**good, "typed": "bank"}))
    assert "Type bank-sftp to go on" in page.text
    page = Page.of(bobs.send(address, 409, **{**good, "plan_hash": "0" * 64}))
    assert "has another plan than the one you looked at" in page.text
    assert bobs.send(address, **good, note="Idle until 15:00.").headers["Location"] == f"/changes/{change.name}/"
    change.refresh_from_db()
    (verdict,) = change.verdicts.all()
    assert (change.state, verdict.proof, verdict.note) == ("approved", "step_up", "Idle until 15:00.")
    assert "In a session with a fresh proof. “Idle until 15:00.”" in bobs.get(f"/changes/{change.name}/").text


def test_an_old_session_has_to_prove_anew_who_it_is_before_it_decides(bobs, ann, monkeypatch):
    change = asked(ann)
    monkeypatch.setattr("accounts.step_up.SECONDS", -1.0)
    monkeypatch.setattr("accounts.step_up.fresh", lambda request, seconds=0.0: False)
    for verb in ("approve", "reject"):
        answer = bobs.send(f"/changes/{change.name}/{verb}/", plan_hash=change.plan_hash)
        assert answer.headers["Location"] == f"/confirm/?{urlencode({'next': f'/changes/{change.name}/{verb}/'})}"
    assert not change.verdicts.exists()
    page = bobs.get(f"/changes/{change.name}/")
    assert "You are asked once more who you are." in page.text
    (approve,) = page.all("a", class_="primary")
    assert "hx-get" not in approve


def test_a_rejection_ends_it_with_its_note(bobs, ann):
    change = asked(ann)
    bobs.send(f"/changes/{change.name}/reject/", plan_hash=change.plan_hash, note="wrong window")
    page = bobs.get(f"/changes/{change.name}/")
    assert "Rejected" in page.text and "“wrong window”" in page.text


def test_the_question_comes_alone_for_the_dialog(bobs, ann):
    change = asked(ann)
    part = bobs.get(f"/changes/{change.name}/approve/", **{"HX-Request": "true", "HX-Target": "dialog#asking"})
    assert part.by_id("ask-head") is not None and not part.all("html")


def test_cancel_and_resume_do_what_their_buttons_say(anns, ann):
    waits, stopped = asked(ann), asked(ann, "secret/prod/other", state="failed")
    anns.send(f"/changes/{waits.name}/cancel/")
    anns.send(f"/changes/{stopped.name}/resume/")
    states = dict(Change.objects.values_list("pk", "state"))
    assert (states[waits.pk], states[stopped.pk]) == ("cancelled", "running")
    page = Page.of(anns.send(f"/changes/{waits.name}/resume/", 409))
    assert "The change is cancelled, so it can't be resumed." in page.text


def test_another_operator_can_not_cancel_it(anns, bob):
    change = asked(bob)
    page = Page.of(anns.send(f"/changes/{change.name}/cancel/", 409))
    assert "bob asked for" in page.text


# -- the form ----------------------------------------------------------------------------------------------------------


def test_a_new_change_begins_with_the_kinds_that_take_what_one_came_from(anns):
    page = anns.get(f"/changes/new/?secret={SECRET}&evidence=F-41")
    assert "Rotate a KV secret" in page.text and "takes what you came from" in page.text
    assert any("target=kv&secret=secret%2Fprod" in own["href"].replace("&amp;", "&") or "target=kv" in own["href"]
               for own in page.all("a"))  # fmt: skip


def test_the_form_asks_for_the_arguments_of_the_target_and_keeps_what_was_given(anns):
    page = anns.get(f"/changes/new/?target=kv&secret={SECRET}&evidence=F-41")
    assert [own["value"] for own in page.all("input", name="secret")] == [SECRET]
    assert [own["value"] for own in page.all("input", name="evidence")] == ["F-41"]
    assert page.all("textarea", name="keys") and page.all("input", name="way")


FORM = {"target": "kv", "secret": SECRET, "way": "generated", "keys": "password\nuser", "reason": "90 days"}


def test_the_plan_is_shown_before_anything_is_asked_and_then_asked_once(anns):
    page = Page.of(anns.send("/changes/new/", 200, **FORM, action="preview"))
    assert "What would happen" in page.text and "Destroy version 14" in page.text and not Change.objects.exists()
    (key,) = (own["value"] for own in page.all("input", name="once"))
    (plan,) = page.all("input", name="plan_hash")
    more = {"action": "ask", "once": key, "plan_hash": plan["value"]}
    first = anns.send("/changes/new/", **FORM, **more)
    assert anns.send("/changes/new/", **FORM, **more).headers["Location"] == first.headers["Location"]
    change = Change.objects.get()
    assert (change.args["keys"], change.asked_by, change.plan_hash) == (["password", "user"], "page", plan["value"])


def test_a_form_that_was_sent_before_asks_for_nothing_else_and_goes_on_with_a_key_of_its_own(anns):
    page = Page.of(anns.send("/changes/new/", 200, **FORM, action="preview"))
    (key,), (plan,) = page.all("input", name="once"), page.all("input", name="plan_hash")
    more = {"action": "ask", "once": key["value"], "plan_hash": plan["value"]}
    anns.send("/changes/new/", **FORM, **more)
    page = Page.of(anns.send("/changes/new/", 400, **{**FORM, "reason": "another"}, **more))
    name = Change.objects.get().name
    assert f"This form was sent before and asked for {name}, with something else in it." in page.text
    (other,) = page.all("input", name="once")
    anns.send("/changes/new/", **{**FORM, "reason": "another"}, **{**more, "once": other["value"]})
    assert Change.objects.count() == 2


def test_a_plan_that_was_not_looked_at_is_not_asked_for(anns):
    page = Page.of(anns.send("/changes/new/", 409, **FORM, action="ask", plan_hash="0" * 64))
    assert "The plan is another one than you looked at." in page.text and not Change.objects.exists()


@pytest.mark.parametrize(
    "more, says",
    [({"secret": "secret/missing"}, "No secret is called secret/missing."),
     ({"secret": "secret/paused"}, "Deployment shop/web can't be restarted: it is paused. Resume it first."),
     ({"secret": "secret/foreign"}, "is not enrolled. Apply this policy:"), ({"secret": ""}, "secret"),
     ({"target": "odd"}, "No target is called")],
)  # fmt: skip
def test_what_can_not_be_planned_is_said_over_the_form(anns, more, says):
    page = Page.of(anns.send("/changes/new/", 400, **{**FORM, **more}, action="preview"))
    assert says in page.text


def test_a_reason_is_needed(anns):
    page = Page.of(anns.send("/changes/new/", 200, **FORM, action="preview"))
    (plan,) = page.all("input", name="plan_hash")
    page = Page.of(anns.send("/changes/new/", 400, **{**FORM, "reason": " "}, action="ask", plan_hash=plan["value"]))
    assert "A change needs a reason that the approver can judge." in page.text


# -- how often the database is asked -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address, most", [("/changes/", 18), ("/changes/all/", 12), ("/changes/running/", 12), ("one", 17)]
)
def test_a_page_asks_the_database_a_fixed_number_of_times(bobs, ann, address, most):
    def count() -> int:
        with CaptureQueriesContext(connection) as statements:
            bobs.get(f"/changes/{Change.objects.order_by('pk').first().name}/" if address == "one" else address)
        return len(statements)

    for at in range(3):
        running(asked(ann, f"secret/prod/{at}"))
        asked(ann, f"secret/prod/w{at}")
    bobs.get("/changes/")  # what is kept for a process is looked up once
    few = count()
    for at in range(3, 8):
        running(asked(ann, f"secret/prod/{at}"))
        asked(ann, f"secret/prod/w{at}")
    assert count() == few <= most + (address == "one")


# -- ways in -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "about, words, url",
    [(("secret", "secret/prod/x", "KV v2", "demo"), "Rotate…", "target=kv&secret=secret%2Fprod%2Fx&vault=demo"),
     (("secret", "secret/prod/x", "KV v2", "demo"), "Schedule…", "target=kv&pattern=secret%2Fprod%2Fx&vault=demo"),
     (("secret", "database/static-creds/x", "database", "demo"), "Rotate…", "target=database_role&secret="),
     (("secret", "database/creds/x", "database", "demo"), "Revoke its leases…", "lease&role=database%2Fcreds%2Fx"),
     (("secret", "transit/keys/x", "transit", "demo"), "Rotate…", "target=transit&key=transit%2Fkeys%2Fx"),
     (("lease", "database/creds/x/1", "demo", "p", ""), "Revoke…",
      "target=lease&leases=database%2Fcreds%2Fx%2F1&vault=demo"),
     (("pod", "u-1", True), "Revoke its leases…", "target=lease&pod=u-1"),
     (("workload", "prod", "Deployment", "pay", "api"), "Restart…",
      "target=restart&cluster=prod&kind=Deployment&namespace=pay&name=api"),
     (("principal", "pay/api", "demo", "e-1"), "Disable…", "target=entity&entity=e-1&vault=demo")],
)  # fmt: skip
def test_a_change_begins_on_the_page_of_what_it_is_about_with_its_form_filled_in(about, words, url):
    name, *facts = about
    way = next(one for one in FROM[name](*facts) if one.words == words)
    assert url in way.url


@pytest.mark.parametrize(
    "about, url",
    [(("secret", "secret/prod/x", "KV v2", "demo"), "/playbooks/?secret=secret%2Fprod%2Fx&vault=demo"),
     (("lease", "database/creds/x/1", "demo", "pay/api", "u-1"),
      "/playbooks/?principal=pay%2Fapi&pod=u-1&vault=demo&evidence=lease%3Adatabase%2Fcreds%2Fx%2F1"),
     (("pod", "u-1", False), "/playbooks/?pod=u-1"),
     (("principal", "pay/api", "demo", ""), "/playbooks/?principal=pay%2Fapi&vault=demo"),
     (("event", 7, "secret/x", "pay/api", "", "demo", "2026-11-18T02:46:58.102Z"),
      "/playbooks/?secret=secret%2Fx&principal=pay%2Fapi&vault=demo&time=2026-11-18T02%3A46%3A58.102Z&evidence=event%3A7")],
)  # fmt: skip
def test_whoever_responds_to_something_finds_the_playbooks_with_what_is_known_of_it(about, url):
    name, *facts = about
    way = FROM[name](*facts)[-1]
    assert (way.words, way.url) == ("Respond…", url)


def test_every_way_leads_to_a_target_that_takes_what_it_gives(monkeypatch, ann):
    monkeypatch.undo()
    window = Window(ann)
    for way in (*FROM["lease"]("a/b", "demo", "p", ""), *FROM["pod"]("u", True),
                *FROM["secret"]("secret/x", "kv", "demo"),
                *FROM["workload"]("c", "Deployment", "n", "w"), *FROM["principal"]("p", "demo", "e"),
                *FROM["secret"]("transit/keys/x", "transit", "v"), *FROM["secret"]("d/static-creds/x", "database", "v"),
                *FROM["secret"]("d/creds/x", "database", "v")):  # fmt: skip
        if way.words == "Respond…":
            continue  # it leads to the playbooks
        page = window.get(way.url)
        given = [pair.partition("=") for pair in way.url.partition("?")[2].split("&")]
        names = {own.get("name") for _, own in page.elements}
        assert {name for name, _, _ in given} <= names or "/all/" in way.url, way


def test_home_names_what_needs_the_person_and_leads_to_it(bobs, ann):
    vault()
    change = asked(ann)
    running(asked(ann, "secret/prod/other"))
    page = bobs.get("/")
    assert "Needs me" in page.text and f"asked by ann, {23} h left" in page.text
    assert f"/changes/{change.name}/" in links(page, "small-button")
    assert "Changes under way, or stopped1" in page.text.replace(" 1", "1")


# -- passkeys ----------------------------------------------------------------------------------------------------------


def test_a_word_without_the_passkey_that_is_asked_for_is_refused(bobs, ann, bob, settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"url": "http://localhost:8000"})
    change = asked(ann, rule={"proof": "passkey"})
    ApproverKey.objects.create(user_id=bob.pk, user_name="bob", credential=b"k" * 32, public_key=b"p")
    page = bobs.get(f"/changes/{change.name}/approve/")
    (form,) = page.all("form", class_="ask-form")
    assert '"challenge"' in form["data-passkey"] and page.all("input", name="assertion")
    for answer in ("", "{", "[]", "7", '{"id": "x"}'):
        sent = {"plan_hash": change.plan_hash, "typed": "bank-sftp", "assertion": answer}
        bobs.send(f"/changes/{change.name}/approve/", 409, **sent)
    assert not change.verdicts.exists()


def test_registering_a_passkey_needs_the_browsers_answer(bobs, settings):
    assert "KEYBOOK_URL" in bobs.get("/account/passkeys/").text
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"url": "http://localhost:8000"})
    page = bobs.get("/account/passkeys/")
    (form,) = [own for _, own in page.elements if "data-passkey-new" in own]
    assert '"challenge"' in form["data-passkey-new"] and "No passkey is pinned for you." in page.text
    assert "The browser sent no passkey." in Page.of(bobs.send("/account/passkeys/", 400)).text
    bobs.get("/account/passkeys/")
    answer = bobs.send("/account/passkeys/", 400, assertion='{"id": "x"}')
    assert "The browser's answer is no passkey of ours" in Page.of(answer).text and not Change.objects.exists()


# -- who may decide what, and the freeze -------------------------------------------------------------------------------


def test_the_policies_that_hold_are_listed_and_changed_by_a_change(bobs, db):
    page = bobs.get("/changes/policies/")
    assert "everything" in page.text and "1 approval" in page.text and "fresh proof" in page.text
    assert not page.all("a", href="target=approval_policy")
    eve = Window(someone("eve", Role.ADMINISTRATOR))
    hrefs = [own["href"] for own in eve.get("/changes/policies/").all("a", href="target=approval_policy")]
    assert len(hrefs) == 3 and "name=everything" in hrefs[0]


def test_one_person_freezes_and_its_lifting_is_asked_for(anns, ann, monkeypatch):
    assert "Nothing is frozen." in anns.get("/changes/freeze/").text
    page = Page.of(anns.send("/changes/freeze/", 400, scope="vault", subject="", reason="Black Friday"))
    assert "Name one vault." in page.text and not Freeze.objects.exists()
    anns.send("/changes/freeze/", scope="vault", subject="eu-prod", reason="Black Friday")
    one = Freeze.objects.get()
    page = anns.get("/changes/freeze/")
    assert "vault eu-prod" in page.text and "Black Friday" in page.text
    monkeypatch.undo()
    form = anns.get(f"/changes/new/?target=freeze_off&freeze={one.pk}")
    assert [own["value"] for own in form.all("input", name="freeze")] == [str(one.pk)]
    sent = {"target": "freeze_off", "freeze": str(one.pk), "reason": "It is over.", "action": "preview"}
    assert "freeze of vault eu-prod" in Page.of(anns.send("/changes/new/", 200, **sent)).text


def test_a_restart_keeps_the_namespace_for_itself(ann, monkeypatch):
    monkeypatch.undo()
    query = QueryDict("target=restart&cluster=prod&kind=Deployment&namespace=pay&name=api&vault=demo")
    want = ChangeForm(query, ann).want
    assert (want.vault, want.namespace, want.cluster) == ("demo", "", "") and want.args["namespace"] == "pay"
