"""A pinned passkey ends once and for good, and what it approved and has not begun counts no more."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts import people
from accounts.models import TrailEntry, User
from accounts.not_done import NotDone
from config import roles
from rotation import approver_keys, assertions, pinned_keys, standing
from rotation.approvers import database_time, rule_for
from rotation.approving import NotApproved, approve
from rotation.models import ApproverKey, Change
from rotation.notice_models import Notice
from rotation.notice_words import say
from rotation.planning import Refused
from tests.rotation.asked import as_role, ask, fresh, person, pin, touched, toys
from tests.rotation.passkeys import PARTY
from tests.rotation.test_governed import looked, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("made_roles")]


def print_of(authenticator) -> str:
    return assertions.fingerprint(authenticator.key())


def judged(change: Change) -> tuple[str, str]:
    """Return what the executor says of a change, with its own rights."""
    with as_role(roles.OPERATIONS):
        return standing.unsure(Change.objects.get(pk=change.pk), database_time(), PARTY)


def test_its_owner_ends_it_alone_and_what_it_approved_starts_no_more(eve, monkeypatch):
    toys(monkeypatch)
    bob = person("bob")
    mine, change = pin(bob), ask(person("ann"), risk="highest")
    with as_role(roles.WEB):
        approve(change, bob, change.plan_hash, touched(change, mine))
    assert judged(change) == ("", "")
    with as_role(roles.WEB):
        pinned_keys.end_one(bob, print_of(mine), bob)
    verb, why = judged(change)
    assert verb == "void" and "The approval of bob is not proven. Its passkey was ended at 20" in why
    assert approver_keys.of(bob) == []
    with pytest.raises(NotApproved, match="not pinned for you"):
        approve(ask(person("dan"), risk="highest"), bob, change.plan_hash, touched(change, mine))
    with pytest.raises(NotDone, match="has ended already"):
        pinned_keys.end_one(bob, print_of(mine), bob)
    entry = TrailEntry.objects.get(verb="rotation.key.ended")
    assert (entry.actor_id, entry.subject_id, entry.details["fingerprint"]) == (bob.pk, bob.pk, print_of(mine))
    notice = Notice.objects.get(kind="key_ended")
    assert set(notice.people) == {bob.pk, eve.pk}
    said = say("key_ended", notice.told, notice.who, "https://k")
    assert said.title == "bob ended a passkey of bob" and print_of(mine) in said.next


def test_an_administrator_asks_and_another_one_approves(eve, mia):
    bob = person("bob")
    mine = pin(bob)
    assert rule_for("end_key", "x", "high").roles == {"administrator"}
    change = looked(ask(eve, "end_key", checked=False, user="bob", fingerprint=print_of(mine)))
    with pytest.raises(NotApproved, match="another person"):
        approve(change, eve, change.plan_hash, fresh())
    with pytest.raises(NotApproved, match="bob is approver"):
        approve(change, bob, change.plan_hash, fresh())
    late = looked(ask(eve, "end_key", checked=False, user="bob", fingerprint=print_of(mine)))
    assert run(approve(change, mia, change.plan_hash, fresh())).state == "succeeded"
    row = ApproverKey.objects.get(user_id=bob.pk)
    assert row.ended_at is not None
    assert TrailEntry.objects.get(verb="rotation.key.ended").details["change"] == change.name
    assert run(approve(late, mia, late.plan_hash, fresh())).state == "succeeded", "what was wanted is so"
    with pytest.raises(Refused, match="No passkey of bob with the fingerprint"):
        ask(eve, "end_key", checked=False, user="bob", fingerprint=print_of(mine))
    args = {"user": "bob", "credential": assertions.pack(mine.credential)}
    again = looked(ask(bob, "enrol_key", checked=False, **args, public_key=assertions.pack(mine.key().public_key)))
    assert "was ended, and stays so" in again.found["lines"][0]["says"]


@pytest.mark.parametrize("row_is_back", [False, True])
def test_the_keys_of_somebody_disabled_or_gone_prove_nothing_and_no_row_brings_them_back(
    eve, mia, monkeypatch, row_is_back
):
    toys(monkeypatch)
    bob = person("bob")
    mine, change = pin(bob), ask(person("ann"), risk="highest")
    approve(change, bob, change.plan_hash, touched(change, mine))
    if row_is_back:
        people.disable(bob, actor=eve)
        assert judged(change)[0] == "void"
        people.enable(User.objects.get(pk=bob.pk), actor=eve)
        other = ask(person("dan"), risk="highest")
        with pytest.raises(NotApproved, match="not pinned for you"):
            approve(other, User.objects.get(pk=bob.pk), other.plan_hash, touched(other, mine))
        assert pinned_keys.pinned(bob.pk) == []
    else:
        User.objects.filter(pk=bob.pk).delete()
        verb, why = judged(change)
        assert verb == "void" and "bob is disabled" in why


def test_the_web_process_can_end_a_key_and_do_nothing_else_with_it(eve):
    mine = pin(eve)
    for statement in (
        "UPDATE rotation_approverkey SET user_id = 1",
        "INSERT INTO rotation_approverkey (user_id, user_name, credential, public_key, sign_count, name) "
        "VALUES (1, 'x', '', '', 0, '')",
        "DELETE FROM rotation_approverkey",
    ):
        refused = pytest.raises(DatabaseError, match="permission denied")
        with as_role(roles.WEB), refused, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    with as_role(roles.WEB), connection.cursor() as cursor:
        cursor.execute("UPDATE rotation_approverkey SET ended_at = 'infinity'")
    row = ApproverKey.objects.get(credential=mine.credential)
    assert abs((row.ended_at - database_time()).total_seconds()) < 60, "an end is now, whatever was written"
    for role in (roles.WEB, roles.OPERATIONS):
        for ended in (None, "2020-01-01T00:00:00Z"):
            with as_role(role), pytest.raises(IntegrityError, match="stays so"), transaction.atomic():
                ApproverKey.objects.filter(pk=row.pk).update(ended_at=ended)


def test_a_command_lists_and_ends_and_set_up_stays_shut_while_one_administrator_can_approve(eve, mia):
    keys = {one.username: pin(one) for one in (eve, mia)}

    def command(*args: str) -> dict:
        out = StringIO()
        call_command("enrol_approver", *args, "--json", stdout=out)
        return json.loads(out.getvalue())

    assert command("mia") == {"user": "mia", "standing": [print_of(keys["mia"])], "waiting": []}
    assert command("mia", "--end", print_of(keys["mia"]))["ended"] == print_of(keys["mia"])
    for args, said in (
        (("mia", "--end", "SHA256:x"), "No passkey of mia"),
        (("mia", "--end", print_of(keys["mia"])), "ended already"),
        (("mia", "--pin", "a", "--end", "b"), "one passkey is pinned or ended at a time"),
        (("mia", "--pin", "SHA256:x"), "have, or had, passkeys"),
    ):
        with pytest.raises(CommandError, match=said):
            command(*args)
    command("eve", "--end", print_of(keys["eve"]))
    with pytest.raises(CommandError, match="waits"):  # nobody is left who could approve: set-up is open again
        command("mia", "--pin", "SHA256:x")
