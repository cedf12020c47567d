"""One secret has one name: another spelling of it gets round no policy, and no limited view."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from accounts.models import Role, User
from accounts.scope import Area, Scope
from rotation import approvers, asking, queries
from rotation.actions import Asked
from rotation.asking import Want
from rotation.models import ApprovalPolicy
from rotation.planning import Refused
from tests.rotation.vaults import connected, enrol, held

pytestmark = pytest.mark.django_db

DEV = Scope(((Area("demo", "", "secret/dev"),),))


@pytest.mark.parametrize(
    "spelling",
    [
        "secret//prod/x", "secret/prod//x", "secret/dev/../prod/x", "secret/./prod/x", "secret/prod/x/.",
        "secret/prod/x\n",
    ],
)  # fmt: skip
def test_a_name_that_leads_to_the_same_secret_by_another_spelling_is_refused(spelling):
    enrol(connected(), "kv", "write", "secret/")
    args = {"secret": spelling, "way": "adopt", "retire": False}
    assert asking.draw(Want("kv", {**args, "secret": "secret/prod/x"}, "demo"), Scope()), "the name itself is drawn"
    with pytest.raises(Refused, match="no name of a secret"):
        asking.draw(Want("kv", args, "demo"), Scope())
    with pytest.raises(Refused):
        asking.draw(Want("kv", args, "demo"), DEV)


MINE, OTHERS = "database/creds/mine/a", "vip/creds/boss/b"


@pytest.fixture
def leases(monkeypatch):
    """Two leases of two roles, which a pod `database/app` holds, and leave to revoke each."""
    vault = connected()
    for mount in ("database/", "vip/"):
        enrol(vault, "lease", "revoke", mount)
    some = [held(MINE, principal="database/app"), held(OTHERS, principal="database/app")]
    asked = {"leases": lambda **_: list(some)}
    among = {"leases_among": lambda leases, **_: [one for one in some if one.lease_id in leases]}
    monkeypatch.setattr(asking, "books", lambda: SimpleNamespace(**asked, **among))


@pytest.mark.parametrize(
    "args", [{"leases": [MINE, OTHERS]}, {"service_account": "database/app"}, {"pod": "u1"}, {"prefix": "database"}]
)
def test_a_policy_about_one_lease_holds_however_the_leases_are_named(leases, args):
    ApprovalPolicy.objects.create(name="bosses", targets=["lease:vip/*"], effect="deny")
    with pytest.raises(Refused, match="“bosses” forbids lease:vip/creds/boss"):
        approvers.rule_for_plan(asking.draw(Want("lease", args), Scope()).document, "high")


def test_a_policy_about_a_restart_holds_for_a_rotation_that_restarts_by_the_way():
    steps = [
        {"step": "restart_rollout", "args": {"namespace": "shop", "name": "web"}},
        {"step": "restart_batch", "args": {"workloads": [{"namespace": "shop", "name": "pay"}]}},
    ]
    plan = {"target": "kv", "subject": "secret/prod/x", "steps": steps}
    assert approvers.rule_for_plan(plan, "high").approvers == 1
    ApprovalPolicy.objects.create(name="paying", targets=["restart:shop/pay"], approvers=2)
    assert approvers.rule_for_plan(plan, "high").approvers == 2


@pytest.mark.parametrize(
    "args", [{"leases": [MINE, OTHERS]}, {"service_account": "database/app"}, {"prefix": "database"}]
)
def test_a_limited_person_revokes_no_lease_outside_of_their_view(leases, args):
    mine = Scope(((Area("demo", "", "database"),),))
    assert asking.draw(Want("lease", {"leases": [MINE]}, "demo"), mine).document["subject"] == MINE
    with pytest.raises(Refused, match=r"Nothing that you may see is called so\."):
        asking.draw(Want("lease", args, "demo"), mine)


def test_a_limited_person_sees_no_change_of_others_leases_or_of_a_name_that_is_no_secret(leases):
    ann = User.objects.create_user("ann", role=Role.OPERATOR)
    mine, whole = (Scope(((Area("demo", "", top),),)) for top in ("database", ""))
    wants = [
        Want("lease", {"leases": [MINE]}, "demo"), Want("lease", {"leases": [MINE, OTHERS]}, "demo"),
        Want("lease", {"service_account": "database/app"}, "demo"),
    ]  # fmt: skip
    for want in wants:
        asking.ask(ann, want, "to see", Asked(), Scope())
    assert [one.subject for one in queries.seen(mine)] == [MINE]
    assert queries.seen(whole).count() == 3
