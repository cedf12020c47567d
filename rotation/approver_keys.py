"""Approvers' passkeys: registering one asks for a change; the first two administrators' are pinned at set-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import Role, User
from accounts.not_done import NotDone
from accounts.people import find
from rotation import actions, assertions, lifecycle, moves, pinned_keys, plan, rules
from rotation.actions import Asked
from rotation.approvers import rule_for
from rotation.assertions import Key, Party
from rotation.models import ApproverKey, Change
from rotation.pinned_keys import known, pinned
from rotation.planning import Wish
from rotation.steps import pin_key
from rotation.targets.enrol_key import LONGEST_NAME
from rotation.world import Books

TARGET = "enrol_key"
SET_UP = 2  # administrators whose keys are pinned without an approval: nobody could give one before


@dataclass(frozen=True, slots=True)
class Pinned:
    """A pinned passkey as pages show it."""

    name: str
    fingerprint: str
    pinned_at: datetime


def of(user: User) -> list[Pinned]:
    """Return the passkeys that are pinned for a person, the oldest first."""
    return [Pinned(one.row.name, one.fingerprint, one.row.pinned_at) for one in pinned_keys.of(user.pk)]


def begin(user: User, by: Party) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the browser is asked to register a passkey, and the state to keep in the session until it answers."""
    return assertions.registration(user.pk, user.username, pinned(user.pk), by)


def ask(
    user: User, answer: Mapping[str, Any], state: Mapping[str, Any], name: str, *, by: Party, books: Books, asked: Asked
) -> Change:
    """Ask for the change that pins the passkey that a browser made. Raises `AssertionRefused`, `planning.Refused`."""
    key = assertions.registered(answer, state, user.pk, by)
    args = {
        "user": user.username, "credential": assertions.pack(key.credential),
        "public_key": assertions.pack(key.public_key), "sign_count": key.sign_count,
        "name": name.strip()[:LONGEST_NAME],
    }  # fmt: skip
    drawn = plan.make(TARGET, args, books, Wish(TARGET))
    rule = rule_for(TARGET, drawn.document["subject"], drawn.risk)
    reason = f"{user.username} registered this passkey. Compare the fingerprint with them."
    return actions.request(user, drawn, reason, asked, rule=rules.document(rule), hours=rule.hours)


def waiting(name: str) -> list[tuple[Change, str]]:
    """Return the passkeys that wait to be pinned for a person, the oldest first, each with its fingerprint."""
    user = find(name)
    rows = Change.objects.filter(target=TARGET, asker_id=user.pk, state=lifecycle.REQUESTED).order_by("pk")
    return [(row, _fingerprint(row)) for row in rows if row.args.get("user") == user.username]


def _fingerprint(change: Change) -> str:
    return assertions.fingerprint(Key(0, b"", assertions.unpack(change.args["public_key"])))


@transaction.atomic
def set_up(name: str, fingerprint: str, *, actor: str) -> ApproverKey:
    """Pin a waiting passkey of one of the first two administrators, by its fingerprint. Raises `NotDone`."""
    user = find(name)
    _early(user)
    change = next((row for row, one in waiting(name) if one == fingerprint), None)
    if change is None:
        raise NotDone(f"No passkey of {name} with the fingerprint {fingerprint[:60]} waits. Look at the list again.")
    given = pin_key.Args(user_id=user.pk, **change.args)
    made = pin_key.pin(given, change, actor)
    moves.make(change, "cancel", actor, says="Pinned at set-up, without an approval: nobody could have given one.")
    return made


def _early(user: User) -> None:
    """Refuse once two administrators have keys: from then on one approves the other's."""
    if user.role != Role.ADMINISTRATOR or not user.is_active:
        raise NotDone(f"{user.username} is {user.role}. At set-up the keys of the first two administrators are pinned.")
    admins = User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).values_list("pk", flat=True)
    pins = known()
    held = {one.row.user_id for one in pins if one.ended_at is None} & set(admins)
    ever = {one.row.user_id for one in pins}
    # Ending keys must not open set-up again: as long as one administrator can approve, they do.
    if len(held) >= SET_UP or (held and len(ever) >= SET_UP):
        raise NotDone(
            "Two administrators have, or had, passkeys: whoever has one approves this one, on the page Changes."
        )
