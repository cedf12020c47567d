"""What people do to a change on its page: decide, cancel and resume; with a passkey, by the rules and the freeze."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import QueryDict

from accounts.models import PersonArea, Role, User
from accounts.scope import Area, Scope
from dashboard.change_form import ChangeForm
from inventory.models import Connection
from rotation import queries
from rotation.models import ApprovalPolicy, ApproverKey, Change, Freeze
from tests.dashboard.change_windows import Window, ann, anns, bob, bobs, someone, toys
from tests.dashboard.conftest import Page
from tests.rotation.toy_targets import asked

__all__ = ["ann", "anns", "bob", "bobs", "toys"]

# -- the verbs ---------------------------------------------------------------------------------------------------------


def test_approving_asks_once_more_with_the_focus_on_cancel_and_the_target_to_type(bobs, ann):
    change = asked(ann)
    page = bobs.get(f"/changes/{change.name}/approve/")
    assert (
        "Rotate bank-sftp?" in page.text and "Yours is the last approval that it needs: it starts at once." in page.text
    )
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


def test_its_owner_ends_a_passkey_on_their_page_and_an_administrator_asks_for_it_on_theirs(bobs, bob):
    key = ApproverKey.objects.create(user_id=bob.pk, user_name="bob", credential=b"k" * 32, public_key=b"p")
    (button,) = bobs.get("/account/passkeys/").all("button", name="end")
    eves = Window(someone("eve", Role.ADMINISTRATOR))
    (ask,) = eves.get(f"/people/{bob.pk}/").all("a", href="target=end_key")
    asked_for = QueryDict(ask["href"].partition("?")[2])
    assert (asked_for["user"], asked_for["fingerprint"]) == ("bob", button["value"]), "the link fills in the form"
    other = Page.of(eves.send("/account/passkeys/", 400, end=button["value"]))
    assert "No passkey of eve has the fingerprint" in other.text, "nobody ends somebody else's alone"
    assert bobs.send("/account/passkeys/", end=button["value"]).headers["Location"] == "/account/passkeys/"
    key.refresh_from_db()
    assert key.ended_at is not None and "No passkey is pinned for you." in bobs.get("/account/passkeys/").text
    assert not eves.get(f"/people/{bob.pk}/").all("a", href="target=end_key")


# -- who may decide what, and the freeze -------------------------------------------------------------------------------


def test_the_policies_that_hold_are_listed_and_changed_by_a_change(bobs, db):
    page = bobs.get("/changes/policies/")
    assert "everything" in page.text and "1 approval" in page.text and "fresh proof" in page.text
    assert not page.all("a", href="target=approval_policy")
    eve = Window(someone("eve", Role.ADMINISTRATOR))
    hrefs = [own["href"] for own in eve.get("/changes/policies/").all("a", href="target=approval_policy")]
    assert len(hrefs) == 3 and "name=everything" in hrefs[0]
    group = [["https://idp", "g-1", "security"]]
    ApprovalPolicy.objects.create(name="of ours", targets=["kv:*"], people=[User.objects.get(username="eve").pk])
    ApprovalPolicy.objects.create(name="of a group", targets=["kv:*"], groups=group)
    page = eve.get("/changes/policies/")
    (kept,) = page.all("a", href="name=of+ours")
    assert "people=eve" in kept["href"], "the form begins with all that holds"
    assert not page.all("a", href="name=of+a+group") and "security at https://idp" in page.text


MINE = "secret/prod/ledger"
TOLD = ["*", "kv:*", "kv:secret/*", "kv:secret/prod/led*", f"kv:{MINE}", f"kv:{MINE}/bank*", "playbook:*"]
BEYOND = ["kv:secret/prod/invoicing/*", "kv:secret/prod/*/erp", f"kv:{MINE}s", "entity:payments"]


def test_who_has_a_limited_view_meets_no_name_beyond_it_in_a_policy(bobs, bob, db):
    limited = Scope.of([Area(prefix=MINE)])
    assert [one for one in TOLD + BEYOND if queries.tells_beyond(limited, one)] == BEYOND
    assert not any(queries.tells_beyond(Scope(), one) for one in TOLD + BEYOND)
    assert queries.tells_beyond(Scope.of([Area(vault="demo")]), "kv:secret/*"), "of which vault it does not say"
    ApprovalPolicy.objects.create(name="some", targets=[TOLD[4], *BEYOND])
    assert BEYOND[0] in bobs.get("/changes/policies/").text
    PersonArea.objects.create(user=bob, vault="", namespace="", prefix=MINE)
    said = bobs.get("/changes/policies/").text
    assert f"{TOLD[4]} 4 patterns beyond what you may see" in said and not any(one in said for one in BEYOND)


def test_one_person_freezes_and_its_lifting_is_asked_for(anns, ann, monkeypatch):
    assert "Nothing is frozen." in anns.get("/changes/freeze/").text
    page = Page.of(anns.send("/changes/freeze/", 400, scope="vault", subject="", reason="Black Friday"))
    assert "Name one vault." in page.text and not Freeze.objects.exists()
    Connection.objects.create(vault="eu-prod", address="http://127.0.0.1:8200")
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
