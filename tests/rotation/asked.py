"""Changes that were asked for by the real way, of a target whose effect is nothing, and the people who decide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
from django.db import connection

from accounts.models import Role, User
from config import roles
from rotation import actions, assertions, ballots, plan, preflight, redraw, rules, targets
from rotation.approvers import database_time, rule_for
from rotation.approving import Given
from rotation.ballot import Channel, Verdict
from rotation.models import ApproverKey, Change
from rotation.planning import Drawn, StepSpec
from tests.rotation.passkeys import PARTY, Authenticator
from tests.rotation.toys import Toy, use

CAST = {"ann": Role.OPERATOR, "bob": Role.APPROVER, "cat": Role.READER, "eve": Role.ADMINISTRATOR}
BOOKS: Any = SimpleNamespace()
FOUND = {"ok": True, "facts": {"1.version": 3}, "lines": []}


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a toy is asked: its label and its class."""

    label: str = "toys"
    risk: str = "high"


def toys(monkeypatch) -> Toy:
    """Let `toy` be a target of one step, beside the real ones, and return the step."""
    made = Toy()
    use(monkeypatch, toy=made)
    target = SimpleNamespace(
        TITLE="Toy", FAMILY="rotate", Args=Wanted, risk=lambda args: args.risk,
        draw=lambda args, wish, books: Drawn("Toy", args.label, [StepSpec("toy", {"label": args.label})]),
    )  # fmt: skip
    known = {**targets.kinds(), "toy": target}
    monkeypatch.setattr(targets, "kinds", lambda: known)
    return made


def person(name: str, **more: Any) -> User:
    """Return one of the cast, or a stranger with a role."""
    return User.objects.create_user(name, **{"role": CAST.get(name, Role.READER), **more})


def ask(asker: User, target: str = "toy", checked: bool = True, **args: Any) -> Change:
    """Return what somebody asked for, by the policies that hold now; `checked` by the worker, who drew it too."""
    drawn = plan.make(target, args, BOOKS)
    rule = rule_for(target, drawn.document["subject"], drawn.risk)
    change = actions.request(asker, drawn, "to see", actions.Asked(), rule=rules.document(rule), hours=rule.hours)
    return check(change) if checked else change


def check(change: Change, found: dict[str, Any] | None = None) -> Change:
    """Be the worker: draw the plan again, look, and keep what was found."""
    found = found or FOUND
    assert redraw.differs(change, BOOKS) == ""
    preflight.keep(change, {**found, "drawn": True})
    return change


def fresh(**more: Any) -> Given:
    """Return a page's session with a proof given just now."""
    return Given(Channel.PAGE, proved_at=database_time(), **more)


def pin(user: User) -> Authenticator:
    """Return a passkey that is pinned for somebody."""
    made = Authenticator(user.pk)
    key = made.key()
    ApproverKey.objects.create(
        user_id=user.pk, user_name=user.username, credential=key.credential, public_key=key.public_key
    )
    return made


_BE = (roles.NOTICES, roles.OPERATIONS, roles.WEB)


@contextmanager
def as_role(role: str) -> Iterator[None]:
    """Be one of PostgreSQL's roles, within the test's transaction."""
    with connection.cursor() as cursor:
        # All in one order: roles are the whole server's, and a grant locks its role until the transaction ends.
        cursor.execute(f"GRANT {', '.join(_BE)} TO CURRENT_USER WITH SET TRUE")
        cursor.execute(f"SET LOCAL ROLE {role}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")


def touched(change: Change, authenticator: Authenticator, verdict: Verdict = Verdict.APPROVE, **wrong: Any) -> Given:
    """Return a page's session with a passkey's answer over a change."""
    ballot = ballots.of(change, authenticator.person)
    asked = assertions.challenge(change.name, change.plan_hash, verdict.value, change.facts_hash, ballot)
    return Given(Channel.PAGE, assertion=authenticator.answer(asked, **wrong), by=PARTY)
