"""Findings: what stands against Keybook's own work, who looked into it, and that Home and the API tell the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import PersonArea, Role, TrailEntry, User
from accounts.scope import Area
from config import roles
from rotation import findings
from rotation.models import ApprovalPolicy, Change, Mismatch
from rotation.notice_models import ExecutorTrouble, Notice
from tests.api.test_changes import by
from tests.dashboard.change_windows import Window, someone
from tests.rotation.asked import as_role
from tests.rotation.conftest import made_roles

__all__ = ["made_roles"]
SAYS = "update secret/data/x at 2026-03-14 09:00:00 UTC: it claims C-777777, and Keybook has no such change."


@pytest.fixture
def bobs(db) -> Window:
    return Window(someone("bob", Role.APPROVER))


def mismatch() -> Mismatch:
    return Mismatch.objects.create(change="C-777777", step="1", vault="demo", event=5, says=SAYS)


def broken(hours: int) -> Change:
    now = datetime.now(UTC)
    return Change.objects.create(
        target="lease", args={}, verb="Revoke 3 leases", subject="database/creds/x", reason="out", asker_name="ann",
        asker_id=1, state="succeeded", plan={"steps": []}, plan_hash="0" * 64, break_glass=True, expires_at=now,
        review_due=now - timedelta(hours=hours), vault="demo",
    )  # fmt: skip


def test_an_empty_page_says_what_is_looked_for(bobs):
    assert "Nothing that we know of stands against what Keybook did" in bobs.get("/findings/").text


def test_what_stands_is_told_with_its_call_and_what_to_do_and_home_counts_it(bobs):
    row = mismatch()
    change = broken(1)
    page = bobs.get("/findings/")
    assert "2 findings stand" in page.text and SAYS in page.text and "critical" in page.text
    assert f"Nobody has reviewed {change.name}" in page.text and "freeze everything" in page.text
    hrefs = [own["href"] for own in page.all("a", class_="button")]
    assert f"/findings/M-{row.pk}/" in hrefs and "/events/5/" in hrefs and f"/changes/{change.name}/" in hrefs
    shown = json.loads(bobs.client.get("/api/v1/findings").content)["items"]
    assert {one["kind"] for one in shown} == {"mismatch", "review"} and shown[0]["found_at"]
    assert json.loads(bobs.client.get("/api/v1/findings?state=over").content)["items"] == []


def test_an_approver_says_what_it_was_once_and_it_stays(bobs, made_roles):
    row = mismatch()
    address = f"/findings/M-{row.pk}/"
    assert "What it was" in bobs.get(address).text
    assert "Write what it was" in bobs.send(address, 409, note=" ").content.decode()
    with as_role(roles.WEB):
        bobs.send(address, note="A restore of ours: hvs.CAESIJ1234567890abcdefghijklmnopqrstuvwxyz")
    row.refresh_from_db()
    assert row.ended_by == "bob" and "CAESIJ" not in row.note
    entry = TrailEntry.objects.get(verb="rotation.finding.looked_into")
    assert entry.subject_text.startswith(f"M-{row.pk} ") and entry.details["note"].startswith("A restore of ours")
    text = bobs.get("/findings/").text
    assert "bob looked into it" in text and "Nothing that we know of" in text
    assert "already" in bobs.send(address, 409, note="again").content.decode()
    (told,) = json.loads(bobs.client.get("/api/v1/findings?state=over").content)["items"]
    assert told["looked_into_by"] == "bob" and told["ended_at"]


def test_who_may_not_say_so_has_no_button_and_a_limited_view_sees_its_reviews_alone(db):
    row, change = mismatch(), broken(1)
    cat, lea = someone("cat", Role.READER), someone("lea", Role.APPROVER)
    assert f"/findings/M-{row.pk}/" not in str(Window(cat).get("/findings/").all("a"))
    PersonArea.objects.create(user=lea, vault="demo", prefix="database/creds/x")
    leas = Window(lea)
    text = leas.get("/findings/").text
    assert change.name in text and "C-777777" not in text and "Your view has areas" in text
    leas.get(f"/findings/M-{row.pk}/", 404)


def test_an_executor_without_identity_stands_until_it_has_one_and_is_told_once(db, made_roles):
    with as_role(roles.OPERATIONS):
        for _turn in range(3):
            findings.meet([("prod", "its secret id was opened by somebody else")])
    row = ExecutorTrouble.objects.get()
    assert row.ended_at is None and Notice.objects.filter(kind="no_identity").count() == 1
    ExecutorTrouble.objects.update(seen_at=timezone.now() - findings.FORGOTTEN * 2)
    with as_role(roles.OPERATIONS):
        findings.meet([])
    row.refresh_from_db()
    assert row.ended_at is not None and row.ended_by == ""


def test_what_somebody_looked_into_is_not_told_again_while_it_goes_on(db, made_roles):
    bob = User.objects.create_user("bob", role="approver")
    findings.meet([("prod", "it is gone")])
    findings.look_into(f"E-{ExecutorTrouble.objects.get().pk}", "We rotate it tomorrow.", actor=bob)
    findings.meet([("prod", "it is gone")])
    assert ExecutorTrouble.objects.count() == 1
    findings.meet([("prod", "it was opened by somebody else")])
    assert ExecutorTrouble.objects.filter(ended_at=None).count() == 1, "another trouble is another finding"


def test_a_token_that_may_approve_says_what_it_was_and_a_review_is_named_its_own_way(db):
    ApprovalPolicy.objects.update(proof="api_token")  # else no token may approve, and none is made
    row, change = mismatch(), broken(1)
    bob = User.objects.create_user("bob", role=Role.APPROVER)
    bobs, address = by(bob, "changes:read", "changes:approve"), f"/findings/M-{row.pk}/looked-into"
    assert by(bob, "changes:read").send(address, {"note": "x"}).problem() == (403, "scope-missing")
    assert bobs.send(address, {"note": " "}).problem() == (422, "bad-arguments")
    assert bobs.send(address, {}).problem() == (400, "bad-body")
    for _ in range(2):
        told = bobs.send(address, {"note": "A restore of ours."}).json
        assert (told["looked_into_by"], told["note"]) == ("bob", "A restore of ours.") and told["ended_at"]
    assert TrailEntry.objects.filter(verb="rotation.finding.looked_into", actor_name="bob").count() == 1
    assert bobs.send(address, {"note": "Another."}).problem() == (409, "moved-meanwhile")
    assert bobs.send("/findings/M-999999/looked-into", {"note": "x"}).problem() == (404, "not-found")
    review = bobs.send(f"/findings/R-{change.pk}/looked-into", {"note": "x"})
    assert review.status == 409 and f"/api/v1/changes/{change.pk}/review" in review.json["detail"]
    limited = by(bob, "changes:read", "changes:approve", areas=[Area(vault="demo")])
    assert limited.send(address, {"note": "x"}).status == 403
