"""A broken glass starts at once and alone, within its bounds, and the executor holds it to them again."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import msgspec
import pytest

from accounts.models import TrailEntry, User
from accounts.trail import record
from config import roles
from rotation import glass, moves, plan, rules, standing, targets
from rotation.actions import Asked
from rotation.approvers import database_time, rule_for
from rotation.approving import NotApproved
from rotation.glass import acts_of
from rotation.models import ApprovalPolicy, Change
from rotation.outcomes import Sentence
from rotation.planning import Blast, Drawn, StepSpec
from tests.rotation.asked import BOOKS, as_role, person
from tests.rotation.toys import Toy, use

pytestmark = pytest.mark.django_db
REASON = "The build's token was on a public page."


class Leases(msgspec.Struct, frozen=True):
    """What a revoking toy is asked."""

    leases: tuple[str, ...] = ("database/creds/x/1",)
    kind: str = "revoke_leases"
    pods: tuple[str, ...] = ("shop/web-1",)
    times: int = 1


def _draw(args, wish, estate):
    step = StepSpec(args.kind, {"leases": list(args.leases), "name": "web"})
    return Drawn("Revoke", "leases", [step] * args.times, blast=Blast(pods=args.pods))


class Given(msgspec.Struct, frozen=True):
    """The arguments of the toys' steps."""

    leases: tuple[str, ...] = ()
    name: str = ""


@pytest.fixture(autouse=True)
def _toys(made_roles, monkeypatch):
    kinds = ("revoke_leases", "restart_rollout", "write_kv")
    use(monkeypatch, **{kind: Toy(Args=Given) for kind in kinds})
    monkeypatch.setattr(Toy, "describe", lambda _self, _args: Sentence("Revoke"))
    target = SimpleNamespace(TITLE="Toy", FAMILY="revoke", Args=Leases, risk=lambda args: "high", draw=_draw)
    monkeypatch.setattr(targets, "kinds", lambda: {"toy": target})


@pytest.fixture
def ann() -> User:
    return person("ann")


def broken(asker: User, reason: str = REASON, evidence: str = "", ago: int = 0, **args) -> Change:
    drawn = plan.make("toy", args, BOOKS)
    proved = database_time() - timedelta(minutes=ago)
    return glass.break_glass(asker, drawn, reason, Asked(evidence=evidence), proved_at=proved)


def judged(change: Change) -> tuple[str, str]:
    with as_role(roles.OPERATIONS):
        return standing.unsure(Change.objects.get(pk=change.pk), database_time(), None)


def test_an_operator_revokes_alone_and_somebody_has_to_look_within_a_day(ann):
    change = broken(ann)
    assert (change.state, change.break_glass) == ("approved", True)
    assert change.says == f"ann broke the glass: {REASON}"
    assert timedelta(hours=23) < change.review_due - database_time() <= timedelta(hours=24)
    assert change.expires_at - database_time() <= timedelta(hours=1)
    assert "rotation.glass.broken" in TrailEntry.objects.values_list("verb", flat=True)
    assert judged(change) == ("", "")


def test_it_is_made_with_the_rights_of_the_web_process(ann):
    with as_role(roles.WEB):
        change = broken(ann)
    assert judged(change) == ("", "")


def test_a_glass_that_began_and_did_nothing_is_judged_again_before_its_first_effect(ann):
    change = broken(ann)
    Change.objects.filter(pk=change.pk).update(state="running", started_at=database_time())
    change.refresh_from_db()
    assert standing.lapsed(change, None) == ""
    User.objects.filter(pk=ann.pk).update(is_active=False)
    assert standing.lapsed(change, None).startswith(f"Nobody active asked for {change.name}.")


def test_what_a_policy_denies_the_executor_gives_to_no_glass(ann):
    change = broken(ann)
    ApprovalPolicy.objects.create(name="never by hand", targets=["toy:*"], effect="deny")
    verb, why = judged(change)
    assert verb == "reject" and "never by hand" in why


@pytest.mark.parametrize(
    ("given", "way"),
    [
        ({"kind": "write_kv"}, "rotation"),
        ({"kind": "restart_rollout"}, "restart"),
        ({"leases": ()}, "empty"),
        ({"leases": tuple(map(str, range(51)))}, "run_ceiling"),
        ({"reason": "now"}, "reason"),
        ({"ago": 6}, "stale"),
    ],
)
def test_anything_else_needs_an_approval_and_leaves_nothing(ann, given, way):
    with pytest.raises(NotApproved) as why:
        broken(ann, **given)
    assert why.value.way == way and not Change.objects.exists()


def test_a_reader_breaks_no_glass():
    with pytest.raises(NotApproved, match="A reader can't"):
        broken(person("cat"))


def test_200_targets_an_hour_are_the_most(ann):
    for run in range(4):
        broken(ann, leases=tuple(f"{run}/{n}" for n in range(50)))
    with pytest.raises(NotApproved, match="201 targets were touched within an hour"):
        broken(ann)


def test_what_was_cancelled_after_it_had_begun_still_counts_against_the_hour(ann):
    for run in range(4):
        change = broken(ann, leases=tuple(f"{run}/{n}" for n in range(50)))
        Change.objects.filter(pk=change.pk).update(state="cancelled", started_at=database_time())
    with pytest.raises(NotApproved, match="201 targets were touched within an hour"):
        broken(ann)
    Change.objects.filter(pk=change.pk).update(started_at=None)
    assert broken(ann).state == "approved"


def test_rows_with_another_number_and_another_time_lift_no_ceiling_of_the_executor(ann):
    """The web process may insert a change with any number and time of asking: the hour counts what began."""
    later = [broken(ann, leases=tuple(f"{run}/{n}" for n in range(50))) for run in range(4)]
    for change in later:
        moves.make(change, "start", "worker operations")
        Change.objects.filter(pk=change.pk).update(asked_at=database_time() - timedelta(days=1))
    one = broken(ann)
    verb, why = judged(one)
    assert verb == "reject" and "201 targets were touched within an hour" in why


def test_a_restart_may_heal_what_was_just_revoked(ann):
    revoked = broken(ann)
    healed = broken(ann, evidence=f"change:{revoked.name}", kind="restart_rollout")
    assert healed.state == "approved" and judged(healed) == ("", "")
    with pytest.raises(NotApproved, match="loses nothing that is revoked"):
        broken(ann, evidence=f"change:{healed.name}", kind="restart_rollout")


@pytest.mark.parametrize("other", [{"pods": ("shop/api-1",)}, {"pods": ()}, {"times": 2}])
def test_a_restart_of_what_lost_nothing_or_of_several_at_once_heals_nothing(ann, other):
    revoked = broken(ann, pods=("shop/web-1", "shop/web-2"))
    with pytest.raises(NotApproved, match="loses nothing that is revoked"):
        broken(ann, evidence=f"change:{revoked.name}", kind="restart_rollout", **other)
    healed = broken(ann, evidence=f"change:{revoked.name}", kind="restart_rollout", pods=("shop/web-2", "shop/web-3"))
    assert judged(healed) == ("", "")


def test_the_executor_holds_a_restart_to_the_pods_of_the_revocation_too(ann):
    revoked = broken(ann)
    healed = broken(ann, evidence=f"change:{revoked.name}", kind="restart_rollout")
    document = {**revoked.plan, "blast_radius": {**revoked.plan["blast_radius"], "pods": []}}
    Change.objects.filter(pk=revoked.pk).update(plan=document)
    verb, why = judged(healed)
    assert verb == "reject" and "loses nothing that is revoked" in why


def test_letting_an_entity_in_again_is_no_revocation():
    steps = [
        {"step": "disable_entity", "args": {"entity": "e", "enable": True}},
        {"step": "verify_delivery", "args": {}},
    ]
    assert [act.family for act in acts_of({"steps": steps})] == ["enable"]
    assert [act.family for act in acts_of({"steps": [{"step": "anything_new", "args": {}}]})] == ["rotate"]


@pytest.mark.parametrize(
    ("args", "more", "said"),
    [
        ({"kind": "write_kv"}, {}, "would be changed otherwise"),
        ({}, {"reason": "x"}, "Say why"),
        ({}, {"asker_id": None}, "Nobody active asked"),
        ({}, {"plan_hash": "0" * 64}, "not the one that its hash names"),
    ],
)
def test_a_row_that_says_that_the_glass_was_broken_is_held_to_its_bounds(ann, args, more, said):
    drawn = plan.make("toy", args, BOOKS)
    rule = rule_for("toy", "leases", "high")
    with as_role(roles.WEB):
        made = Change.objects.create(**{
            "target": "toy", "args": drawn.document["args"], "verb": "Revoke", "subject": "leases", "reason": REASON,
            "asker_id": ann.pk, "asker_name": "ann", "risk": "high", "rule": rules.document(rule), "state": "approved",
            "plan": drawn.document, "plan_hash": drawn.hash, "break_glass": True,
            "expires_at": database_time() + timedelta(days=9), **more,
        })  # fmt: skip
        record(ann, "rotation.change.requested", moves.subject(made))
    verb, why = judged(made)
    assert verb == "reject" and said in why, why


def test_a_broken_glass_is_good_for_an_hour(ann):
    change = broken(ann)
    verb, why = standing.unsure(change, database_time() + timedelta(hours=1), None)
    assert verb == "expire" and "an hour" in why
