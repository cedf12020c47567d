"""A plan is of the leases that somebody looked at, on a vault that issues and ends others all the time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import User
from accounts.scope import EVERYTHING
from audit.lease_models import Lease
from inventory.freshness import Freshness
from rotation import asking, plan, redraw
from rotation.actions import Asked
from rotation.asking import Want
from rotation.books import books
from rotation.effects import leases_of
from rotation.models import Change
from rotation.planning import Refused, Wish, digest
from tests.dashboard.change_windows import Window, someone
from tests.dashboard.conftest import Page
from tests.dashboard.leases_made import lease
from tests.rotation.vaults import connected, enrol

ROLE = "database/creds/payments-rw"
WANT = Want("lease", {"role": ROLE}, vault="demo")
LATELY = timedelta(seconds=5)

pytestmark = pytest.mark.django_db


@pytest.fixture
def three() -> list[Lease]:
    """Three leases of a role whose leases may be revoked, and one of another role."""
    enrol(connected(), "lease", "revoke", ROLE)
    lease("database/creds/other", "other/other-api", of="demo")
    return [lease(of="demo", ago=timedelta(hours=hours)) for hours in (3, 2, 1)]


@pytest.fixture
def ann() -> User:
    return someone("ann", "operator")


def busy(three: list[Lease]) -> None:
    """Let a minute pass: one lease comes, one ends, and of another the holder becomes known."""
    lease(of="demo", ago=LATELY)
    Lease.objects.filter(pk=three[0].pk).update(state="revoked")
    Lease.objects.filter(pk=three[1].pk).update(pod="payments/ledger-1", pod_uid="u1", grade="strong")


def ask(ann: User, want: Want = WANT) -> Change:
    made = asking.ask(ann, want, "to see", Asked(), EVERYTHING)
    made.refresh_from_db()
    return made


def altered(change: Change, **more: object) -> Change:
    """Return what somebody who may write rows would make of it."""
    change.plan = {**change.plan, **more}
    change.plan_hash = digest(change.plan)
    return change


def with_leases(change: Change, leases: list[str]) -> Change:
    (first, *others) = change.plan["steps"]
    blast = {**change.plan["blast_radius"], "leases": leases}
    return altered(change, steps=[{**first, "args": {**first["args"], "leases": leases}}, *others], blast_radius=blast)


def test_a_plan_that_was_asked_for_stands_while_leases_come_and_go(three, ann):
    change = ask(ann)
    assert redraw.differs(change, books()) == ""
    busy(three)
    assert plan.make("lease", WANT.args, books(), Wish("lease", "demo")).hash != change.plan_hash
    assert redraw.differs(change, books()) == ""


@pytest.mark.parametrize("by", ["leases", "prefix", "principal", "service_account"])
def test_whatever_way_the_leases_were_named(three, ann, by):
    named = {"leases": [one.lease_id for one in three], "prefix": ROLE}
    change = ask(ann, Want("lease", {by: named.get(by, "payments/payments-api")}, vault="demo"))
    busy(three)
    assert redraw.differs(change, books()) == ""


def test_a_list_that_leaves_out_what_lived_long_before_is_not_drawn_again(three, ann):
    change = with_leases(ask(ann), [one.lease_id for one in three[1:]])
    said = redraw.differs(change, books())
    assert f"One lease lives there longer than the plan is old and not in it, such as {three[0].lease_id}." in said


def test_a_list_with_a_lease_of_somebody_else_is_not_drawn_again(three, ann):
    other = Lease.objects.get(secret__name="database/creds/other").lease_id
    assert "steps" in redraw.differs(with_leases(ask(ann), [other, *(one.lease_id for one in three)]), books())
    assert "steps" in redraw.differs(with_leases(ask(ann), [*(one.lease_id for one in three), "made/up"]), books())


def test_a_picture_that_grows_old_or_is_seen_again_is_no_other_plan(three, ann, monkeypatch):
    change = ask(ann)
    monkeypatch.setattr(plan, "behind", lambda: [Freshness("prod", "stale", None, "")])
    assert any("not seen" in one for one in ask(ann).plan["blast_radius"]["doubts"])
    assert redraw.differs(change, books()) == ""


@pytest.mark.parametrize("made_up", [
    {"pods": ["payments/never-held-any"]}, {"workloads": ["Deployment a/b"]}, {"budgets": ["x"]},
    {"doubts": ["All is well."]}, {"figures": [{"count": 0, "what": "leases", "caveat": ""}]}, {"more": 1},
])  # fmt: skip
def test_what_is_touched_is_not_made_up(three, ann, made_up):
    change = ask(ann)
    assert "blast_radius" in redraw.differs(
        altered(change, blast_radius={**change.plan["blast_radius"], **made_up}), books()
    )


@pytest.mark.parametrize("made_up", [
    {"steps": 5}, {"steps": [{}]}, {"blast_radius": None}, {"blast_radius": {}}, {"blast_radius": {"doubts": 7}},
])  # fmt: skip
def test_what_is_no_plan_at_all_is_told_as_that(three, ann, made_up):
    assert "not of a plan's form" in redraw.differs(altered(ask(ann), **made_up), books())


def test_the_plan_that_was_looked_at_is_asked_for_though_others_came_meanwhile(three, ann):
    window = Window(ann)
    form = {"target": "lease", "role": ROLE, "vault": "demo", "reason": "to see"}
    page = Page.of(window.send("/changes/new/", 200, **form, action="preview"))
    shown = {name: page.all("input", name=name)[0]["value"] for name in ("plan_hash", "looked_at", "once")}
    lease(of="demo", ago=LATELY)
    Lease.objects.filter(pk=three[0].pk).update(state="revoked")
    window.send("/changes/new/", **form, **shown, action="ask")
    change = Change.objects.get()
    assert (change.plan_hash, leases_of(change.plan)) == (shown["plan_hash"], [one.lease_id for one in three])
    some = "\n".join(one.lease_id for one in three[:2])
    page = Page.of(window.send("/changes/new/", 400, **{**form, **shown, "looked_at": some, "once": "b"}, action="ask"))
    assert "longer than the plan is old and not in it" in page.text and Change.objects.count() == 1


def test_many_leases_by_their_ids_are_looked_up_at_once(three, django_assert_max_num_queries):
    named = [one.lease_id for one in three] + [lease(of="demo").lease_id for _ in range(40)]
    with django_assert_max_num_queries(15):
        made = asking.draw(Want("lease", {"leases": named}, vault="demo"), EVERYTHING)
    assert leases_of(made.document) == named


def test_none_is_asked_for_without_any_that_fits(three):
    with pytest.raises(Refused, match="No live lease is known there"):
        asking.draw(Want("lease", {"role": "database/creds/nobody"}, vault="demo"), EVERYTHING, ["made/up"])
