"""What the web process's rights in PostgreSQL can forge does not run: the executor judges by what it can't write."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import TrailEntry, User
from accounts.trail import Subject, record
from config import roles
from rotation import actions, moves, redraw, rules, runner, standing
from rotation.approvers import database_time
from rotation.approving import approve, reject
from rotation.models import ApprovalPolicy, ApproverKey, Change, Redrawn, Verdict
from rotation.outcomes import Refused
from rotation.planning import digest
from rotation.rules import Rule
from tests.rotation.asked import BOOKS, as_role, ask, check, fresh, person, pin, touched, toys
from tests.rotation.passkeys import PARTY, Authenticator
from tests.rotation.toys import Toy, hands, use

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _toys(db, made_roles, monkeypatch):
    toys(monkeypatch)


class Scene:
    """ann has asked for something of the highest class; bob and eve have passkeys that are pinned."""

    def __init__(self) -> None:
        self.ann, self.bob, self.eve = person("ann"), person("bob"), person("eve")
        self.keys = {user.pk: pin(user) for user in (self.bob, self.eve)}
        self.change = ask(self.ann, risk="highest")

    def assertion(self, change: Change, user: User) -> dict:
        return touched(change, self.keys[user.pk]).assertion

    def forge(self, change: Change | None = None, **row) -> None:
        """Write an approval of bob's as the web process could, and say that the change is approved."""
        change = change or self.change
        given = {
            "change": change, "person_id": self.bob.pk, "person_name": "bob", "verdict": "approve", "proof": "passkey",
            "plan_hash": change.plan_hash, "facts_hash": change.facts_hash,
        }  # fmt: skip
        with as_role(roles.WEB):
            Verdict.objects.create(**{**given, **row})
            Change.objects.filter(pk=change.pk).update(state="approved", approved_at=database_time())

    def judged(self, change: Change | None = None) -> tuple[str, str]:
        """Return what the executor says, with the executor's own rights."""
        with as_role(roles.OPERATIONS):
            return standing.unsure(Change.objects.get(pk=(change or self.change).pk), database_time(), PARTY)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_people_really_approved_runs_with_the_rights_of_both_processes(scene):
    with as_role(roles.WEB):
        approve(scene.change, scene.bob, scene.change.plan_hash, touched(scene.change, scene.keys[scene.bob.pk]))
    assert scene.judged() == ("", "")


def test_a_lower_class_is_asked_approved_and_judged_with_the_rights_of_both_processes(scene):
    with as_role(roles.WEB):
        change = ask(scene.ann, risk="routine", checked=False)
    with as_role(roles.OPERATIONS):
        change = check(change)
    with as_role(roles.WEB):
        approve(change, scene.bob, change.plan_hash, fresh())
    assert scene.judged(change) == ("", "")


def test_a_state_without_a_verdict_is_nothing(scene):
    with as_role(roles.WEB):
        Change.objects.filter(pk=scene.change.pk).update(state="approved")
    assert scene.judged() == ("void", "1 more approval is needed.")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "It carries no assertion"),
        ({"assertion": {}}, "can't be read"),
        ({"assertion": [1]}, "It carries no assertion"),
        ({"proof": "step_up"}, "asks for a passkey"),
        ({"proof": "api_token"}, "asks for a passkey"),
        ({"proof": "command"}, "A command can't approve"),
        ({"plan_hash": "0" * 64, "proof": "step_up"}, "was changed after bob voted"),
        ({"facts_hash": "0" * 64}, "before the worker found"),
    ],
)
def test_a_row_without_a_passkeys_assertion_is_no_approval(scene, row, said):
    scene.forge(**row)
    verb, why = scene.judged()
    assert verb == "void" and said in why, why


def test_an_assertion_over_something_else_is_no_approval(scene):
    other = ask(scene.ann, risk="highest", label="others")
    stranger = Authenticator(scene.bob.pk)
    for assertion, said in (
        (scene.assertion(other, scene.bob), "another change, another plan"),
        (touched(scene.change, scene.keys[scene.bob.pk], flags=1).assertion, "PIN, finger or face"),
        (touched(scene.change, scene.keys[scene.bob.pk], origin="https://evil.example").assertion, "another address"),
        (scene.assertion(scene.change, scene.eve), "pinned for somebody else"),
        (touched(scene.change, stranger).assertion, "not pinned"),
    ):
        with transaction.atomic():
            scene.forge(assertion=assertion)
            verb, why = scene.judged()
            assert verb == "void" and said in why, why
            transaction.set_rollback(True)


def test_an_assertion_that_was_given_is_not_good_for_another_plan_or_other_facts(scene):
    assertion = scene.assertion(scene.change, scene.bob)
    check(scene.change, {"ok": True, "facts": {"1.version": 9}, "lines": []})
    scene.change.refresh_from_db()
    scene.forge(assertion=assertion)
    verb, why = scene.judged()
    assert verb == "void" and "other facts" in why


def test_the_worker_without_an_address_believes_no_passkey(scene):
    scene.forge(assertion=scene.assertion(scene.change, scene.bob))
    assert scene.judged() == ("", "")
    scene.change.refresh_from_db()
    verb, why = standing.unsure(scene.change, database_time(), None)
    assert verb == "void" and "KEYBOOK_URL" in why


@pytest.mark.parametrize("act", ["role", "disabled", "key", "tie"])
def test_what_an_approver_lost_between_approval_and_start_is_lost(scene, act):
    scene.forge(assertion=scene.assertion(scene.change, scene.bob))
    assert scene.judged() == ("", "")
    if act == "role":
        User.objects.filter(pk=scene.bob.pk).update(role="operator")
    if act == "disabled":
        User.objects.filter(pk=scene.bob.pk).update(is_active=False)
    if act == "key":
        ApproverKey.objects.filter(user_id=scene.bob.pk).update(ended_at=database_time())
    if act == "tie":
        User.objects.filter(pk__in=[scene.ann.pk, scene.bob.pk]).update(email="same@example.com")
    assert scene.judged()[0] == "void"


def _insert(scene: Scene, **other) -> Change:
    """Insert a change as the web process could, with whatever it likes, and its entry in the trail."""
    plan = {**scene.change.plan, **other.pop("plan", {})}
    given = {
        **{name: getattr(scene.change, name) for name in (
            "target", "args", "verb", "subject", "reason", "asker_id", "asker_name", "risk", "rule", "expires_at",
        )},
        "plan": plan, "plan_hash": digest(plan), "state": "approved", "found": {"ok": True}, "facts_hash": "",
    }  # fmt: skip
    trail = other.pop("trail", True)
    with as_role(roles.WEB):
        made = Change.objects.create(**{**given, **other})
        if trail:
            with transaction.atomic():
                record(scene.ann, "rotation.change.requested", moves.subject(made))
    return made


WEAK = rules.document(Rule("everything", approvers=1, proof=rules.Proof.API_TOKEN, hours=168))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({}, "did not come to the plan"),
        ({"trail": False}, "trail does not tell"),
        ({"plan_hash": "0" * 64}, "not the one that its hash names"),
        ({"args": {"label": "toys", "risk": "routine"}}, "something else than its plan"),
        ({"subject": "harmless"}, "something else than its plan"),
        ({"rule": {}}, "no approval policy that can be read"),
        ({"plan": {"steps": [{"number": 1, "step": "rotate_root", "args": {}}]}}, "did not come to the plan"),
    ],
)
def test_a_change_that_the_web_process_made_up_is_rejected(scene, other, said):
    made = _insert(scene, **other)
    scene.forge(made, proof="step_up")
    verb, why = scene.judged(made)
    assert verb == "reject" and said in why, why


@pytest.mark.parametrize("other", [{"rule": WEAK}, {"rule": WEAK, "risk": "routine"}])
def test_a_weaker_rule_or_a_lower_class_than_the_targets_own_is_rejected(scene, other):
    made = _insert(scene, **other)
    Redrawn.objects.create(change=made, plan_hash=made.plan_hash)  # even if the worker came to the same plan
    scene.forge(made, proof="step_up")
    assert scene.judged(made)[0] == "reject" and "carries another approval policy" in scene.judged(made)[1]


def test_a_plan_with_other_steps_than_its_target_draws_is_not_drawn_again(scene):
    made = _insert(scene, plan={"steps": [{"number": 1, "step": "rotate_root", "args": {"mount": "database"}}]})
    assert "steps" in redraw.differs(made, BOOKS)
    assert redraw.differs(scene.change, BOOKS) == ""
    gone = _insert(scene, target="nothing_of_ours")
    assert "can't be drawn again" in redraw.differs(gone, BOOKS)


def test_an_approval_that_is_too_old_is_not_made_younger_by_a_row(scene):
    scene.forge(assertion=scene.assertion(scene.change, scene.bob))
    with as_role(roles.WEB), pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        Change.objects.filter(pk=scene.change.pk).update(asked_at=database_time(), expires_at=database_time())
    scene.change.refresh_from_db()
    later = database_time() + timedelta(hours=24)
    assert standing.unsure(scene.change, later, PARTY)[0] == "expire"


def test_entries_of_the_trail_that_were_sown_for_numbers_to_come_are_not_when_a_change_was_asked_for(scene):
    with as_role(roles.WEB):
        for ahead in range(1, 6):
            record("nobody", "rotation.change.requested", Subject("change", scene.change.pk + ahead, "C"))
    change = ask(scene.ann)
    assert scene.change.pk < change.pk <= scene.change.pk + 5
    asked = TrailEntry.objects.filter(subject_kind="change", subject_id=change.pk).order_by("pk")
    assert len(asked) == 2 and standing.asked_at(change) == asked[1].at


def test_a_policy_that_was_loosened_after_asking_changes_nothing(scene):
    now = database_time()
    change = ask(scene.ann, risk="routine")
    change.refresh_from_db()
    ApprovalPolicy.objects.filter(name="everything").update(ended_at=now + timedelta(seconds=1))
    kept = {name: value for name, value in asdict(Rule("everything")).items() if name in ("hours", "approvers")}
    ApprovalPolicy.objects.create(
        name="everything", targets=["*"], roles=["operator", "approver"], proof="api_token",
        made_at=now + timedelta(seconds=1), **kept,
    )  # fmt: skip
    scene.forge(change, person_id=scene.ann.pk, person_name="ann", proof="api_token")
    assert scene.judged(change)[0] == "void"


def test_a_verdict_that_comes_while_it_is_judged_is_neither_counted_unjudged_nor_stumbled_over(scene, monkeypatch):
    read = standing.known

    def meanwhile():
        monkeypatch.setattr(standing, "known", read)
        scene.forge(person_id=scene.eve.pk, person_name="eve")
        return read()

    scene.forge(assertion=scene.assertion(scene.change, scene.bob))
    monkeypatch.setattr(standing, "known", meanwhile)
    assert standing.unsure(Change.objects.get(pk=scene.change.pk), database_time(), PARTY) == ("", "")
    assert scene.change.verdicts.count() == 2


def test_a_rejection_that_came_first_wins_over_a_state(scene):
    no = touched(scene.change, scene.keys[scene.eve.pk], standing.Verdict.REJECT)
    with as_role(roles.WEB):
        reject(scene.change, scene.eve, scene.change.plan_hash, no)
    scene.forge(assertion=scene.assertion(scene.change, scene.bob))
    assert scene.judged() == ("reject", "Somebody rejected it.")


def test_what_was_cancelled_before_it_began_starts_by_no_row(scene):
    with as_role(roles.WEB):
        approve(scene.change, scene.bob, scene.change.plan_hash, touched(scene.change, scene.keys[scene.bob.pk]))
        moves.make(Change.objects.get(pk=scene.change.pk), "cancel", scene.ann)
        Change.objects.filter(pk=scene.change.pk).update(state="approved")
    verb, why = scene.judged()
    assert verb == "reject" and "The trail says that it was cancelled at" in why


@pytest.mark.parametrize(("end", "says"), [("cancel", "it was cancelled at"), ("stop", "of nobody who resumed it")])
def test_what_was_cancelled_or_stopped_on_its_way_goes_on_by_no_row(scene, monkeypatch, end, says):
    toy = Toy({"run": [Refused("No.")]})
    use(monkeypatch, toy=toy)
    worker = {"worker": "one", "unsure": lambda _change: ("", ""), "revived": standing.revived}
    with as_role(roles.WEB):
        Change.objects.filter(pk=scene.change.pk).update(state="approved")
    with as_role(roles.OPERATIONS):
        runner.turn(scene.change.pk, hands(**worker))
    with as_role(roles.WEB):
        if end == "cancel":
            moves.make(Change.objects.get(pk=scene.change.pk), "cancel", scene.ann)
        Change.objects.filter(pk=scene.change.pk).update(state="running", ended_at=None)
    with as_role(roles.OPERATIONS):
        runner.turn(scene.change.pk, hands(**worker))
    change = Change.objects.get(pk=scene.change.pk)
    assert (change.state, toy.happened) == ("failed", 0) and says in change.says
    if end == "stop":
        with as_role(roles.WEB):
            actions.resume(change, scene.ann)
        with as_role(roles.OPERATIONS):
            runner.turn(change.pk, hands(**worker))
        assert (Change.objects.get(pk=change.pk).state, toy.happened) == ("succeeded", 1), "a person did"


@pytest.mark.parametrize("act", ["key", "disabled", "row"])
def test_an_approval_that_is_lost_between_the_start_and_the_first_effect_is_lost(scene, monkeypatch, act):
    toy = Toy({"run": [Refused("No.")]})
    use(monkeypatch, toy=toy)
    judge = {"lapsed": lambda change: standing.lapsed(change, PARTY), "revived": standing.revived}
    worker = {"worker": "one", "unsure": lambda change: standing.unsure(change, database_time(), PARTY), **judge}

    def turn() -> Change:
        with as_role(roles.OPERATIONS):
            runner.turn(scene.change.pk, hands(**worker))
        return Change.objects.get(pk=scene.change.pk)

    scene.forge(assertion=scene.assertion(scene.change, scene.bob))
    assert turn().state == "failed", "it was refused, and nothing was done"
    if act == "key":
        ApproverKey.objects.filter(user_id=scene.bob.pk).update(ended_at=database_time())
    if act == "disabled":
        User.objects.filter(pk=scene.bob.pk).update(is_active=False)
    actions.resume(Change.objects.get(pk=scene.change.pk), scene.ann)
    change = turn()
    if act == "row":  # nothing was lost, so what was approved goes on
        assert (change.state, toy.happened) == ("succeeded", 1)
    else:
        assert (change.state, toy.happened) == ("failed", 0) and "nothing of it was done" in change.says
        assert "1 more approval is needed" in change.says


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO rotation_approverkey (user_id, user_name, credential, public_key, sign_count, name) "
        "VALUES (1, 'x', '', '', 0, '')",
        "UPDATE rotation_approverkey SET user_id = 1",
        "DELETE FROM rotation_approverkey",
        "UPDATE rotation_approvalpolicy SET approvers = 0",
        "INSERT INTO rotation_approvalpolicy (name, targets) VALUES ('x', '{*}')",
        "INSERT INTO rotation_redrawn (change_id, plan_hash) SELECT id, plan_hash FROM rotation_change",
        "UPDATE rotation_verdict SET void = false",
        "UPDATE rotation_verdict SET person_id = 1",
        "DELETE FROM rotation_verdict",
        "UPDATE rotation_change SET plan = '{}'",
        "UPDATE rotation_change SET rule = '{}'",
        "UPDATE rotation_change SET asker_id = 1",
        "UPDATE rotation_change SET risk = 'routine'",
        "UPDATE rotation_change SET break_glass = true",
        "UPDATE rotation_freeze SET lifted_at = now()",
        "DELETE FROM rotation_freeze",
        "INSERT INTO rotation_step (change_id, number, kind, args, title) VALUES (1, 1, '', '{}', '')",
    ],
)
def test_the_web_process_has_no_right_over_what_the_executor_judges_by(scene, statement):
    refused = pytest.raises(DatabaseError, match="permission denied")
    with as_role(roles.WEB), refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT password FROM accounts_user",
        "UPDATE accounts_user SET password = ''",
        "SELECT sha256 FROM accounts_apitoken",
        "SELECT session_data FROM django_session",
        "INSERT INTO rotation_verdict (change_id) VALUES (1)",
        "UPDATE rotation_verdict SET person_id = 1",
        "UPDATE accounts_trailentry SET verb = ''",
    ],
)
def test_the_executor_has_no_right_over_people_and_their_verdicts(scene, statement):
    refused = pytest.raises(DatabaseError, match="permission denied")
    with as_role(roles.OPERATIONS), refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
