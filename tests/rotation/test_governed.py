"""Powers are given by changes: another administrator approves, the worker does it, the trail tells who asked."""

from __future__ import annotations

import json
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError
from fido2.utils import websafe_decode

from accounts import people
from accounts.models import TrailEntry, User
from accounts.not_done import NotDone
from accounts.ties import same_person
from config import roles
from inventory.models import Cluster, Connection
from rotation import approver_keys, assertions, freeze, preflight, rules, runner, standing
from rotation.actions import Asked
from rotation.approvers import database_time, policies, rule_for, takes_tokens
from rotation.approving import NotApproved, approve
from rotation.assertions import fingerprint
from rotation.models import ApprovalPolicy, ApproverKey, Change, Freeze
from rotation.planning import Refused
from rotation.redraw import differs
from tests.rotation.asked import BOOKS, as_role, ask, fresh, person, pin, touched
from tests.rotation.passkeys import PARTY, Authenticator

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("made_roles")]


@pytest.fixture
def dan() -> User:
    return person("dan")


def hands(**more: Any) -> runner.Hands:
    """Return the worker's hands as they are, but for the doors: nothing here opens one."""
    given = {
        "worker": "one", "doors": lambda _change, _step: SimpleNamespace(), "witness": SimpleNamespace(),
        "frozen": freeze.over, "unsure": lambda change: standing.unsure(change, database_time(), PARTY),
        "drawn": lambda change: differs(change, BOOKS),
    }  # fmt: skip
    return runner.Hands(**{**given, **more})


def looked(change: Change) -> Change:
    """Let the worker look at a change before anybody approves."""
    preflight.keep(change, preflight.check(change, hands()))
    return change


def run(change: Change) -> Change:
    """Let the worker take a change as far as it goes."""
    with as_role(roles.OPERATIONS):
        assert runner.turn(change.pk, hands())
    change.refresh_from_db()
    return change


def approved(change: Change, user: User, given: Any = None) -> Change:
    """Return the change as somebody has approved it, with a passkey that is pinned for them."""
    looked(change)
    assert change.found["ok"], change.found
    return approve(change, user, change.plan_hash, given or touched(change, pin(user)))


def test_a_role_of_power_is_granted_by_a_change_and_ties_whoever_asked(eve, mia, dan):
    change = ask(eve, "grant_role", user="dan", role="approver", checked=False)
    assert (change.risk, change.subject, change.rule["proof"]) == ("highest", "approver to dan", "passkey")
    assert change.rule["roles"] == ["administrator"]
    with pytest.raises(NotApproved, match="eve asked"):
        approve(looked(change), eve, change.plan_hash, touched(change, pin(eve)))
    done = run(approved(change, mia))
    dan.refresh_from_db()
    assert (done.state, dan.role, dan.epoch) == ("succeeded", "approver", 1)
    entry = TrailEntry.objects.get(verb="accounts.role.changed")
    assert (entry.actor_id, entry.subject_id, entry.details["change"]) == (eve.pk, dan.pk, change.name)
    assert same_person(dan, database_time())[eve.pk].why == "granted"


def test_an_approver_approves_no_power(eve, dan):
    change = looked(ask(eve, "grant_role", user="dan", role="administrator", checked=False))
    bob = person("bob")
    with pytest.raises(NotApproved, match="bob is approver"):
        approve(change, bob, change.plan_hash, touched(change, pin(bob)))


@pytest.mark.parametrize(
    ("target", "args", "said"),
    [
        ("grant_role", {"user": "nobody", "role": "approver"}, "Nobody active is called"),
        ("grant_role", {"user": "dan", "role": "operator"}, "not granted by a change"),
        ("grant_role", {"user": "eve", "role": "administrator"}, "eve is administrator already"),
        ("enrol_key", {"user": "dan", "credential": "ä", "public_key": ""}, "no base64url"),
        ("freeze_off", {"freeze": 7}, "No freeze with the number 7"),
        ("approval_policy", {"name": "x", "end": True}, "No approval policy is called"),
        ("approval_policy", {"name": "x"}, "The targets of the policy"),
        ("approval_policy", {"name": "", "targets": ["*"]}, "The name of the policy"),
        ("approval_policy", {"name": "x", "targets": ["*"], "approvers": 0}, "The approvers of the policy"),
        ("approval_policy", {"name": "x", "targets": ["*"], "roles": ["operator"]}, "The roles of the policy"),
        ("approval_policy", {"name": "x", "targets": ["*"], "proof": "word"}, "The proof of the policy"),
        ("approval_policy", {"name": "x", "targets": ["*"], "hours": 1_000}, "The hours of the policy"),
        ("approval_policy", {"name": "x", "targets": ["*"], "groups": [["a"]]}, "The groups of the policy"),
        ("approval_policy", {"name": "x", "targets": ["*"], "effect": "allow"}, "The effect of the policy"),
        ("approval_policy", {"name": "x", "targets": ["*"], "risk": "low"}, "The risk of the policy"),
        ("approval_policy", {"name": "x", "targets": ["*"], "effect": "deny"}, "nobody could undo it"),
        ("approval_policy", {"name": "x", "targets": ["*"], "people": ["nobody"]}, "Nobody active is called"),
    ],
)
def test_what_can_not_be_granted_is_refused_with_its_reason(eve, dan, target, args, said):
    with pytest.raises(Refused, match=said):
        ask(eve, target, checked=False, **args)


def test_a_policy_is_set_by_a_change_and_what_was_asked_before_keeps_its_own(eve, mia):
    before = ask(eve, "approval_policy", checked=False, name="later", targets=["kv:*"])
    change = ask(eve, "approval_policy", checked=False, name="production", targets=["kv:secret/prod/*"], approvers=2)
    assert run(approved(change, mia)).state == "succeeded"
    assert rule_for("kv", "secret/prod/x", "high").approvers == 2
    assert rule_for("kv", "secret/dev/x", "high").approvers == 1
    again = ask(eve, "approval_policy", checked=False, name="production", targets=["kv:secret/prod/*"], approvers=3)
    assert run(approved(again, mia, touched(looked(again), _key(mia)))).state == "succeeded"
    assert rule_for("kv", "secret/prod/x", "high").approvers == 3
    assert rule_for("kv", "secret/prod/x", "high", at=change.asked_at).approvers == 1
    assert ApprovalPolicy.objects.filter(name="production").count() == 2
    end = ask(eve, "approval_policy", checked=False, name="production", end=True)
    assert run(approved(end, mia, touched(looked(end), _key(mia)))).state == "succeeded"
    assert {rule.name for rule in policies()} == {"everything", "powers"}
    assert standing.judged_rule(looked(before)) == rules.read(before.rule)


def test_an_approver_reads_every_part_of_a_policy_that_changes(eve, dan):
    group = ["https://idp", "g-1", "security"]
    whole = {"name": "p", "targets": ["kv:*"], "people": ["dan"], "groups": [group], "risk": "high"}
    (step,) = ask(eve, "approval_policy", checked=False, **whole).plan["steps"]
    assert step["describe"]["after"] == (
        "kv:* of high risk: 1 of administrator or approver, of these: dan, in the groups security at https://idp, "
        "by step_up, within 24 h"
    )
    ApprovalPolicy.objects.create(name="p", targets=["kv:*"], people=[dan.pk], groups=[group])
    (step,) = ask(eve, "approval_policy", checked=False, name="p", targets=["kv:*"], risk="highest").plan["steps"]
    assert "of these: dan" in step["describe"]["now"] and "of these" not in step["describe"]["after"]
    assert "of highest risk" in step["describe"]["after"]


_KEYS: dict[int, Authenticator] = {}


def _key(user: User) -> Authenticator:
    """Return another passkey of somebody."""
    return _KEYS[user.pk] if ApproverKey.objects.filter(name="again", user_id=user.pk).exists() else _again(user)


def _again(user: User) -> Authenticator:
    made = _KEYS[user.pk] = pin(user)
    ApproverKey.objects.filter(credential=made.credential).update(name="again")
    return made


def test_a_policy_that_was_changed_meanwhile_stops_the_change(eve, mia):
    change = approved(ask(eve, "approval_policy", checked=False, name="everything", targets=["*"], approvers=2), mia)
    ApprovalPolicy.objects.filter(name="everything").update(hours=3)
    with as_role(roles.OPERATIONS):
        runner.turn(change.pk, hands(unsure=lambda _change: ("", "")))
    change.refresh_from_db()
    assert change.state == "failed" and "changed meanwhile" in change.says


def test_a_passkey_is_registered_asked_for_approved_and_pinned(eve, mia):
    mine = Authenticator(eve.pk)
    asked, state = approver_keys.begin(eve, PARTY)
    state = json.loads(json.dumps(state))
    answer = mine.register(websafe_decode(asked["challenge"]))
    change = approver_keys.ask(eve, answer, state, "blue key", by=PARTY, books=BOOKS, asked=Asked())
    assert fingerprint(mine.key()) in change.subject
    assert run(approved(change, mia)).state == "succeeded"
    row = ApproverKey.objects.get(user_id=eve.pk)
    assert (row.user_name, row.name, row.pinned_by_change) == ("eve", "blue key", change.pk)
    later = looked(ask(mia, "grant_role", checked=False, user=person("dan").username, role="approver"))
    assert approve(later, eve, later.plan_hash, touched(later, mine)).state == "approved"
    again = ask(eve, "enrol_key", checked=False, **change.args)
    assert not looked(again).found["ok"]


def key_of(owner: User) -> dict[str, str]:
    """Return a passkey of somebody as it is asked for."""
    made = Authenticator(owner.pk).key()
    packed = {"credential": assertions.pack(made.credential), "public_key": assertions.pack(made.public_key)}
    return {"user": owner.username, **packed}


def test_nobody_has_a_passkey_pinned_for_somebody_else(eve, mia):
    change = looked(ask(eve, "enrol_key", checked=False, **key_of(mia)))
    assert "nobody but mia can say which passkey is theirs" in change.found["lines"][0]["says"]
    assert not change.found["ok"], "so nobody can approve it"


@pytest.mark.parametrize(
    "more", [{"public_key": "AAAA"}, {"credential": "A" * 4_000}, {"sign_count": 2**70}, {"name": "n" * 101}]
)
def test_a_passkey_that_could_not_be_kept_is_refused(eve, more):
    with pytest.raises(Refused):
        ask(eve, "enrol_key", checked=False, **{**key_of(eve), **more})


def _register(user: User) -> tuple[Authenticator, Change]:
    mine = Authenticator(user.pk)
    asked, state = approver_keys.begin(user, PARTY)
    answer = mine.register(websafe_decode(asked["challenge"]))
    return mine, approver_keys.ask(user, answer, state, "", by=PARTY, books=BOOKS, asked=Asked())


def _command(name: str, *args: str) -> dict:
    out = StringIO()
    call_command(name, *args, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_first_two_administrators_keys_are_pinned_at_set_up_and_no_third(eve, mia, dan):
    with pytest.raises(CommandError, match="dan is reader"):
        call_command("enrol_approver", "dan", "--pin", "SHA256:x")
    for user in (eve, mia):
        mine, change = _register(user)
        print_of = fingerprint(mine.key())
        waiting = {"user": user.username, "standing": [], "waiting": [{"change": change.name, "fingerprint": print_of}]}
        assert _command("enrol_approver", user.username) == waiting
        with pytest.raises(CommandError, match="with the fingerprint SHA256:other waits"):
            call_command("enrol_approver", user.username, "--pin", "SHA256:other")
        assert _command("enrol_approver", user.username, "--pin", print_of)["pinned"] == print_of
        change.refresh_from_db()
        assert change.state == "cancelled" and "at set-up" in change.says
        assert ApproverKey.objects.get(user_id=user.pk).credential == mine.credential
    zoe = person("zoe", role="administrator")
    mine, _change = _register(zoe)
    with pytest.raises(CommandError, match="Two administrators have, or had, passkeys"):
        call_command("enrol_approver", "zoe", "--pin", fingerprint(mine.key()))
    with pytest.raises(CommandError, match="Nobody is called"):
        call_command("enrol_approver", "nobody")


def test_the_policy_to_begin_with_is_set_until_a_change_was_asked_for(eve):
    assert not takes_tokens()
    assert _command("set_up_approvals", "--proof", "api_token")["proof"] == "api_token"
    assert takes_tokens()
    for bad in (["--proof", "word"], ["--approvers", "0"], ["--approvers", "x"]):
        with pytest.raises(CommandError):
            call_command("set_up_approvals", *bad)
    ask(eve, "approval_policy", checked=False, name="x", targets=["*"])
    with pytest.raises(CommandError, match="Changes were asked for already"):
        call_command("set_up_approvals")


def test_roles_of_power_are_not_given_on_pages_once_there_are_two_administrators(eve):
    alone, _ = people.create("first", "approver", actor=eve, link=False)
    people.change_role(alone, "administrator", actor=eve)
    for act in (
        lambda: people.create("second", "approver", actor=eve, link=False),
        lambda: people.create("second", "administrator", actor=eve, link=False),
        lambda: people.change_role(person("dan"), "approver", actor=eve),
    ):
        with pytest.raises(NotDone, match=r"Nobody grants \w+ alone"):
            act()
    other, _ = people.create("second", "operator", actor=eve, link=False)
    people.change_role(other, "reader", actor=eve)
    people.change_role(alone, "reader", actor=eve)  # taking a power away needs nobody else
    people.create("third", "approver", actor="command line: root", link=False)


def test_one_person_freezes_and_two_lift_it(eve, mia):
    row = freeze.freeze("everything", "", "leak", actor=person("ann"))
    other = ask(eve, "approval_policy", checked=False, name="x", targets=["*"])
    assert "Everything is frozen since" in freeze.over(other) and "by ann: leak" in freeze.over(other)
    change = looked(ask(eve, "freeze_off", checked=False, freeze=row.pk))
    assert freeze.over(change) == "" and change.risk == "high"
    with pytest.raises(NotApproved, match="another person"):
        approve(change, eve, change.plan_hash, fresh())
    assert run(approve(change, mia, change.plan_hash, fresh())).state == "succeeded"
    row.refresh_from_db()
    assert row.lifted_by_change == change.pk and freeze.over(other) == "" and freeze.standing() == []
    verbs = set(TrailEntry.objects.values_list("verb", flat=True))
    assert {"rotation.freeze.set", "rotation.freeze.lifted"} <= verbs


@pytest.mark.parametrize("scope", ["vault", "cluster", "person"])
def test_a_freeze_of_a_name_that_nothing_has_is_refused_with_the_names_that_there_are(eve, scope):
    Connection.objects.create(vault="prod", address="http://127.0.0.1:8200")
    Cluster.objects.create(name="eu")
    with pytest.raises(
        Refused, match=f"No {scope} is called “prdo”, so nothing would be frozen. Known are (prod|eu|eve)"
    ):
        freeze.freeze(scope, "prdo", "leak", actor=eve)
    assert not Freeze.objects.exists()


@pytest.mark.parametrize(
    ("scope", "subject", "over"),
    [("vault", "prod", True), ("vault", "dev", False), ("cluster", "eu", True), ("cluster", "us", False),
     ("person", "ann", True), ("person", "bob", False), ("everything", "", True)],
)  # fmt: skip
def test_a_freeze_lies_over_what_it_names(eve, scope, subject, over):
    change = Change(target="kv", vault="prod", cluster="eu", asker_name="ann")
    Connection.objects.create(vault=subject, address="http://127.0.0.1:8200")
    Cluster.objects.create(name=subject)
    User.objects.create_user(subject or "nobody")
    freeze.freeze(scope, subject, "to see", actor=eve)
    assert bool(freeze.over(change)) is over
    assert freeze.over(_lifting(change)) == ""


def _lifting(change: Change) -> Change:
    return Change(target="freeze_off", vault=change.vault, cluster=change.cluster, asker_name=change.asker_name)


def test_a_scope_that_nobody_knows_and_a_table_that_nobody_can_read_count_as_frozen(eve, monkeypatch):
    change = Change(target="kv", vault="prod", asker_name="ann")
    Freeze.objects.create(scope="planet", reason="?", by_name="somebody")
    assert "planet" in freeze.over(change)

    def away(*_args, **_more):
        raise DatabaseError("gone")

    monkeypatch.setattr(Freeze.objects, "filter", away)
    assert "counts as frozen" in freeze.over(change)


@pytest.mark.parametrize(
    ("scope", "subject", "reason"),
    [("planet", "", "x"), ("everything", "prod", "x"), ("vault", "", "x"), ("vault", "v" * 201, "x"),
     ("everything", "", " "), ("everything", "", "x" * 2_001)],
)  # fmt: skip
def test_a_freeze_that_says_nothing_is_refused(eve, scope, subject, reason):
    with pytest.raises(Refused):
        freeze.freeze(scope, subject, reason, actor=eve)
    assert not Freeze.objects.exists()
