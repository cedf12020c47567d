"""Approving on real rows: who is refused and why, who moves the change, and what the trail keeps of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts import people, tokens
from accounts.entry import make_link
from accounts.models import Role, TrailEntry, User
from accounts.token_wish import Wish
from rotation import approving, moves
from rotation.approvers import database_time
from rotation.approving import Given, NotApproved, approve, reject
from rotation.ballot import Channel, Verdict
from rotation.models import ApprovalPolicy, Change
from rotation.models import Verdict as Row
from tests.rotation.asked import ask, check, fresh, person, pin, touched, toys
from tests.rotation.passkeys import PARTY

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    toys(monkeypatch)


@pytest.fixture
def ann() -> User:
    return person("ann")


@pytest.fixture
def bob() -> User:
    return person("bob")


def refused(change: Change, user: User, given: Given | None = None, plan_hash: str = "", way: str = "") -> str:
    """Check that an approval is refused, that nothing of it is kept, and return the kind of refusal."""
    before = (Row.objects.count(), TrailEntry.objects.count())
    with pytest.raises(NotApproved) as why:
        approve(change, user, plan_hash or change.plan_hash, given or fresh())
    change.refresh_from_db()
    assert change.state == "requested" and (Row.objects.count(), TrailEntry.objects.count()) == before
    return why.value.way


def test_another_person_approves_and_the_change_says_who(ann, bob):
    change = approve(ask(ann), bob, Change.objects.get().plan_hash, fresh())
    assert (change.state, change.says) == ("approved", "Approved by bob.")
    row = Row.objects.get()
    assert (row.verdict, row.proof, row.person_id, row.assertion) == ("approve", "step_up", bob.pk, None)
    assert (row.plan_hash, row.facts_hash) == (change.plan_hash, change.facts_hash)
    verbs = [*TrailEntry.objects.order_by("pk").values_list("verb", "actor_name")]
    assert verbs == [
        ("rotation.change.requested", "ann"), ("rotation.verdict.approved", "bob"), ("rotation.change.approved", "bob"),
    ]  # fmt: skip


def test_whoever_asked_is_refused_by_page_and_by_token(bob):
    change = ask(bob)
    assert refused(change, bob) == "own_account"
    ApprovalPolicy.objects.update(proof="api_token")
    _row, _text = tokens.create(bob, Wish("x", ["changes:approve"], allow_approve=True), actor=bob)
    assert refused(change, bob, Given(Channel.API, token_id=_row.pk)) == "own_token"


def test_ties_of_the_trail_are_ties_of_an_approval(ann, bob, eve):
    make_link(bob, actor=ann)
    change = ask(ann)
    assert refused(change, bob) == "tied_linked"
    approve(change, eve, change.plan_hash, fresh())


def test_an_account_that_the_approver_made_is_the_approvers(bob, eve):
    made, _ = people.create("ann", "operator", actor=eve, link=False)
    change = ask(made)
    assert refused(change, eve) == "tied_created"
    approve(change, bob, change.plan_hash, fresh())


def test_an_account_recreated_under_the_askers_name_is_refused(ann, bob):
    change = ask(ann)
    ann.delete()
    assert refused(change, person("ann", role=Role.APPROVER)) == "recreated"


def test_a_renamed_asker_is_refused(bob):
    change = ask(bob)
    User.objects.filter(pk=bob.pk).update(username="robert")
    bob.refresh_from_db()
    assert refused(change, bob) == "renamed"


@pytest.mark.parametrize(
    ("given", "way"),
    [
        (Given(Channel.COMMAND), "command"),
        (Given(Channel.API), "command"),
        (Given(Channel.PAGE), "stale"),
        (Given(Channel.API, token_id=999_999), "proof"),
    ],
)
def test_a_verdict_without_a_proof_of_the_policy_is_refused(ann, bob, given, way):
    assert refused(ask(ann), bob, given) == way


def test_a_session_that_somebody_elses_link_opened_is_refused(ann, bob, eve):
    assert refused(ask(ann), bob, fresh(impersonator=eve.pk)) == "impersonation"


def test_a_stale_proof_is_refused_by_postgresqls_clock(ann, bob):
    stale = Given(Channel.PAGE, proved_at=database_time() - timedelta(minutes=6))
    assert refused(ask(ann), bob, stale) == "stale"


def test_nobody_decides_on_a_plan_that_they_did_not_see_or_that_the_worker_did_not_look_at(ann, bob):
    change = ask(ann, checked=False)
    assert refused(change, bob) == "unchecked"
    assert refused(check(change, {"ok": False, "facts": {}, "lines": []}), bob) == "not_ready"
    assert refused(check(change), bob, plan_hash="0" * 64) == "plan_edited"


def test_a_role_below_approver_is_refused_and_a_person_votes_once(ann, bob, eve):
    ApprovalPolicy.objects.filter(name="everything").update(approvers=2)
    change = ask(ann)
    assert refused(change, person("cat")) == "role"
    change = approve(change, bob, change.plan_hash, fresh())
    assert change.state == "requested"
    assert refused(change, bob) == "twice"
    assert approve(change, eve, change.plan_hash, fresh()).says == "Approved by bob, eve."


def test_one_rejection_is_enough_and_after_an_approval_too(ann, bob, eve):
    change = ask(ann)
    approve(change, bob, change.plan_hash, fresh())
    assert reject(change, eve, change.plan_hash, fresh(), note="not today").state == "rejected"
    assert Row.objects.get(verdict="reject").note == "not today"
    with pytest.raises(NotApproved, match="is over, or runs"):
        approve(change, eve, change.plan_hash, fresh())


def test_the_highest_class_takes_a_passkey_and_nothing_less(ann, bob):
    change = ask(ann, risk="highest")
    assert refused(change, bob) == "proof"
    mine = pin(bob)
    done = approve(change, bob, change.plan_hash, touched(change, mine))
    assert done.state == "approved" and Row.objects.get().assertion["type"] == "public-key"


def test_a_passkey_proves_one_verdict_by_its_own_person_alone(ann, bob, eve):
    change, other = ask(ann, risk="highest"), ask(ann, risk="highest", label="others")
    mine = pin(bob)
    assert refused(change, eve, touched(change, mine)) == "assertion"
    assert refused(change, bob, touched(other, mine)) == "assertion"
    assert refused(change, bob, touched(change, mine, Verdict.REJECT)) == "assertion"
    assert refused(change, bob, touched(change, mine, origin="https://elsewhere.example")) == "assertion"
    without_party = Given(Channel.PAGE, assertion=touched(change, mine).assertion)
    assert refused(change, bob, without_party) == "assertion"
    given = touched(change, mine)
    check(change, {"ok": True, "facts": {"1.version": 4}, "lines": []})
    assert refused(change, bob, given) == "assertion"  # over other facts


def test_a_page_is_told_beforehand_who_can_decide_and_what_to_ask_the_passkey(ann, bob):
    change = ask(ann, risk="highest")
    assert approving.may(change, ann, fresh()).way == "own_account"
    assert approving.may(change, bob, fresh()).way == "proof"
    mine = pin(bob)
    asked = approving.asked_of(change, bob, Verdict.APPROVE, PARTY)
    assert [one["type"] for one in asked["allowCredentials"]] == ["public-key"]
    assert approving.may(change, bob, touched(change, mine)) is None


def test_a_token_approves_where_the_policy_takes_it(ann, bob):
    ApprovalPolicy.objects.update(proof="api_token")
    change = ask(ann)
    row, _text = tokens.create(bob, Wish("x", ["changes:approve"], allow_approve=True), actor=bob)
    blind, _text = tokens.create(bob, Wish("y", ["changes:read"]), actor=bob)
    assert refused(change, bob, Given(Channel.API, token_id=blind.pk)) == "scope"
    done = approve(change, bob, change.plan_hash, Given(Channel.API, token_id=row.pk))
    assert done.state == "approved" and Row.objects.get().proof == "api_token"
    assert TrailEntry.objects.get(verb="rotation.verdict.approved").details["with"] == f"API token {row.pk}"


def test_an_expired_change_takes_no_verdict(ann, bob):
    change = ask(ann)
    Change.objects.update(asked_at=database_time() - timedelta(hours=25))
    change.refresh_from_db()
    assert refused(change, bob) == "expired"


def test_a_broken_glass_is_reviewed_by_another_person_who_says_what_they_found(bob, eve):
    change = ask(bob)
    Change.objects.update(break_glass=True, state="succeeded", review_due=database_time())
    for user, note, way in ((bob, "fine", "own_account"), (eve, " ", "note")):
        with pytest.raises(NotApproved) as why:
            approving.review(change, user, fresh(), note)
        assert why.value.way == way
    done = approving.review(change, eve, fresh(), "It was the right lease.")
    assert done.reviewed_by == "eve" and done.reviewed_at is not None
    with pytest.raises(NotApproved, match="waits for no review"):
        approving.review(change, eve, fresh(), "again")
    assert TrailEntry.objects.filter(verb="rotation.change.reviewed").count() == 1


def test_a_change_whose_policy_cannot_be_read_is_approved_by_nobody(ann, bob):
    change = ask(ann)
    Change.objects.update(rule={"approvers": 0})
    change.refresh_from_db()
    assert refused(change, bob) == "no_rule"
    assert issubclass(moves.LostRace, Exception)
