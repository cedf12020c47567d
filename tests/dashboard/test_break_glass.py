"""Breaking the glass on the page and by the API, the review by another person, and the chase when it is overdue."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import msgspec
import pytest

from accounts.models import Role, TrailEntry
from rotation import delivering, steps, targets
from rotation.approvers import database_time
from rotation.models import ApprovalPolicy, Change
from rotation.notice_models import Answer, Notice
from rotation.outcomes import Sentence
from rotation.planning import Drawn, StepSpec
from tests.api.test_changes import by
from tests.dashboard.change_windows import Window, someone

REASON = "The build's token was on a public page."
FORM = {"target": "lease", "secret": "database/creds/x", "reason": REASON, "once": "k-1", "glass": "yes"}
BODY = {"target": "lease", "args": {"secret": "database/creds/x"}, "reason": REASON, "break_glass": True}


class _Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is revoked."""

    secret: str
    many: int = 3


class _Leases(msgspec.Struct, frozen=True):
    leases: tuple[str, ...] = ()


def _draw(args, wish, _estate):
    leases = [f"{args.secret}/{n}" for n in range(args.many)]
    return Drawn(
        f"Revoke {args.many} leases", args.secret, [StepSpec("revoke_leases", {"leases": leases})], vault="demo"
    )


@pytest.fixture(autouse=True)
def _toys(monkeypatch, db):
    def one(family):
        return SimpleNamespace(TITLE="Toy", FAMILY=family, Args=_Args, risk=lambda _args: "high", draw=_draw)

    step = SimpleNamespace(
        Args=_Leases, describe=lambda args: Sentence("Revoke", undo="cannot be undone"),
    )  # fmt: skip
    monkeypatch.setattr(targets, "kinds", lambda: {"lease": one("revoke"), "kv": one("rotate")})
    monkeypatch.setattr(steps, "kinds", lambda: {"revoke_leases": step})
    monkeypatch.setattr("rotation.asking.books", lambda: SimpleNamespace())


@pytest.fixture
def ann():
    return someone("ann", Role.OPERATOR)


@pytest.fixture
def anns(ann):
    return Window(ann)


@pytest.fixture
def bob():
    return someone("bob", Role.APPROVER)


def sent(window, status=200, **more):
    return window.send("/changes/new/", status, **{"action": "preview", **FORM, **more})


def broken(window) -> Change:
    plan = sent(window).content.decode().partition('name="plan_hash" value="')[2][:64]
    sent(window, 302, action="ask", plan_hash=plan, typed="x")
    return Change.objects.latest("pk")


def test_the_form_of_a_revocation_offers_it_and_that_of_a_rotation_does_not(anns):
    page = anns.get("/changes/new/?target=lease&secret=database/creds/x")
    assert "Break the glass…" in page.text
    assert "Break the glass" not in anns.get("/changes/new/?target=kv&secret=x").text
    assert "nobody approves it" not in anns.get("/changes/new/?target=kv&secret=x&glass=yes").text
    page = anns.get("/changes/new/?target=lease&secret=database/creds/x&glass=yes")
    for words in ("it starts at once, and nobody approves it", "Another person reviews it within 24 h", "20 letters"):
        assert words in page.text
    assert "kv" not in str(anns.get("/changes/new/?glass=yes").all("a", href="?glass=yes&target=kv"))


def test_it_starts_at_once_after_a_plan_with_its_ceilings_and_the_typed_target(anns, ann):
    text = sent(anns).content.decode()
    assert "3 targets here, 50 are the most at once" in text and "Break the glass: revoke 3 leases" in text
    plan = text.partition('name="plan_hash" value="')[2][:64]
    assert "Type x to go on" in sent(anns, 400, action="ask", plan_hash=plan, typed="y").content.decode()
    assert not Change.objects.exists()
    change = broken(anns)
    assert (change.state, change.break_glass, change.asker_id) == ("approved", True, ann.pk)
    assert "rotation.glass.broken" in TrailEntry.objects.values_list("verb", flat=True)
    assert list(Notice.objects.values_list("kind", flat=True)) == ["break_glass"]
    again = sent(anns, 302, action="ask", plan_hash=plan, typed="x")
    assert again.headers["Location"] == f"/changes/{change.name}/" and Change.objects.count() == 1
    page = anns.get(f"/changes/{change.name}/")
    assert "ann broke the glass: nobody approved this" in page.text and "Glass broken" in page.text
    assert "Review…" not in page.text


def test_a_reason_that_says_nothing_and_too_many_targets_are_refused(anns):
    plan = sent(anns).content.decode().partition('name="plan_hash" value="')[2][:64]
    short = sent(anns, 400, action="ask", plan_hash=plan, typed="x", reason="now").content.decode()
    assert "Say why, in 20 letters or more" in short
    many = sent(anns, many="51").content.decode()
    assert "51 targets, and one run may touch 50" in many and "Break the glass: revoke" not in many
    assert not Change.objects.exists()


def test_a_stale_session_proves_itself_first(anns, monkeypatch):
    monkeypatch.setattr("accounts.step_up.fresh", lambda request, seconds=300: False)
    response = anns.client.get("/changes/new/?target=lease&secret=database/creds/x&glass=yes")
    assert response.status_code == 302 and response.headers["Location"].startswith("/confirm/?next=")
    monkeypatch.setattr("accounts.step_up.proved_at", lambda request: database_time() - timedelta(minutes=6))
    text = sent(anns).content.decode()
    plan = text.partition('name="plan_hash" value="')[2][:64]
    stale = sent(anns, 400, action="ask", plan_hash=plan, typed="x").content.decode()
    assert "Prove anew who you are" in stale and "/confirm/?next=" in stale and not Change.objects.exists()


def test_another_person_reviews_it_and_their_word_stays_on_its_page(anns, ann, bob):
    change = broken(anns)
    bobs, address = Window(bob), f"/changes/{change.name}/"
    assert "24 h left to review" in bobs.get("/changes/").text or "23 h left to review" in bobs.get("/changes/").text
    assert "Review…" in bobs.get(address).text
    anns.get(f"{address}review/", 403)
    assert "Write what you found" in bobs.send(f"{address}review/", 409, note=" ").content.decode()
    bobs.send(f"{address}review/", note="The leases were the build's. Right.")
    change.refresh_from_db()
    assert change.reviewed_by == "bob" and change.review_note == "The leases were the build's. Right."
    assert "bob reviewed" in " ".join(bobs.get(address).text.split()) and "Right." in bobs.get(address).text
    assert "waits for no review" in bobs.send(f"{address}review/", 409, note="again").content.decode()
    assert Notice.objects.get(kind="reviewed").people == [ann.pk]


def test_whoever_made_the_asker_s_account_is_not_another_person(bob):
    eve = someone("eve", Role.ADMINISTRATOR)
    eves = Window(eve)
    change = broken(eves)
    text = eves.send(f"/changes/{change.name}/review/", 409, note="I looked.").content.decode()
    assert "eve" in text and Change.objects.get().reviewed_at is None


def test_an_overdue_review_is_told_once_and_stands_on_home(anns, bob):
    change = broken(anns)
    Change.objects.update(review_due=database_time() - timedelta(hours=2))
    delivering.chase(database_time())
    delivering.chase(database_time())
    told = Notice.objects.get(kind="overdue")
    assert told.people == [bob.pk] and told.told["name"] == change.name
    bobs = Window(bob)
    assert "review is overdue since" in bobs.get(f"/changes/{change.name}/").text
    assert "ann broke the glass, review overdue by 2 h" in bobs.get("/changes/").text.replace("  ", " ") or (
        "review overdue by" in bobs.get("/changes/").text
    )


# -- the API -----------------------------------------------------------------------------------------------------------


def test_a_token_breaks_it_only_with_a_scope_of_its_own_and_a_policy_that_takes_its_word(ann, bob):
    assert by(ann, "changes:ask").send("/changes", BODY, "k-1").problem() == (403, "scope-missing")
    ApprovalPolicy.objects.update(proof="api_token")
    own = by(ann, "changes:ask", "changes:read", "changes:break-glass")
    ApprovalPolicy.objects.update(proof="step_up")
    refused = own.send("/changes", BODY, "k-2")
    assert refused.problem() == (403, "not-allowed") and "on the page" in refused.json["detail"]
    ApprovalPolicy.objects.update(proof="api_token")
    told = own.send("/changes", BODY, "k-3")
    assert (told.status, told.json["state"], told.json["break_glass"]) == (201, "approved", True)
    assert told.json["review_due"] and own.send("/changes", BODY, "k-3").json["id"] == told.json["id"]
    assert own.send("/changes", {**BODY, "reason": "x"}, "k-4").problem() == (422, "bad-arguments")
    rotation = {**BODY, "args": {"secret": "x", "many": 51}}
    assert own.send("/changes", rotation, "k-5").problem() == (409, "not-possible")
    decides = by(bob, "changes:read", "changes:approve")
    done = decides.send(f"/changes/{told.json['id']}/review", {"note": "Right."})
    assert (done.status, done.json["reviewed_by"], done.json["review_note"]) == (200, "bob", "Right.")
    assert decides.send(f"/changes/{told.json['id']}/review", {"note": "x"}).problem() == (409, "forbidden-move")


def test_a_question_is_answered_on_its_page_and_by_a_token(anns, ann):
    change = Change.objects.create(
        target="toy", args={}, verb="Rotate", subject="secret/x", reason="r", asker_name="ann", asker_id=ann.pk,
        state="running", plan={"steps": []}, plan_hash="a" * 64, expires_at=database_time() + timedelta(hours=1),
    )  # fmt: skip
    asks = change.steps.create(
        number=1, kind="ask_person", args={"question": "Is the old key revoked?"}, title="Ask", state="waiting"
    )
    asks.attempts.create(number=1, epoch=1, worker="w", outcome="waiting")
    page = anns.get(f"/changes/{change.name}/")
    assert "Step 1 asks" in page.text and "Is the old key revoked?" in page.text and "Go on…" in page.text
    assert "Go on?" in anns.get(f"/changes/{change.name}/answer/?word=go_on").text
    anns.send(f"/changes/{change.name}/answer/", word="go_on", plan_hash="a" * 64, note="Yes.")
    assert Answer.objects.get().word == "go_on"
    own = by(ann, "changes:ask", "changes:read")
    late = own.send(f"/changes/{change.name}/answer", {"word": "stop", "plan_hash": "a" * 64})
    assert late.problem() == (409, "forbidden-move") and "answered step 1" in late.json["detail"]
    asks.attempts.create(number=2, epoch=1, worker="w", outcome="waiting")
    told = own.send(f"/changes/{change.name}/answer", {"word": "stop", "plan_hash": "a" * 64})
    assert told.status == 200 and Answer.objects.latest("pk").proof == "api_token"
    assert own.send(f"/changes/{change.name}/answer", {"word": "x", "plan_hash": ""}).problem() == (400, "bad-body")
