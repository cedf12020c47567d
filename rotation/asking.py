"""Makes of what somebody wants a plan that they may see, and asks for it: the one way in for pages and API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from accounts.may import may
from accounts.models import User
from accounts.scope import Scope
from rotation import actions, approvers, glass, plan, queries, rules
from rotation.actions import Asked, KeyUsed
from rotation.approvers import database_time
from rotation.approving import NotApproved
from rotation.ballot import No
from rotation.books import books
from rotation.effects import leases_of
from rotation.estate import Listing
from rotation.models import Change
from rotation.plan import Plan
from rotation.planning import Refused, Wish, digest, parts_of

OUTSIDE = "Nothing that you may see is called so."
_NAMED = ("secret", "lease_id", "role", "prefix", "key", "path", "mount")


@dataclass(frozen=True, slots=True)
class Want:
    """What somebody wants: a target with its arguments, and where the name alone is ambiguous, which one.

    `window` is when it may start, as a line of `rotation.windows`; empty for at any time.
    """

    target: str
    args: Mapping[str, Any] = field(default_factory=dict)
    vault: str = ""
    namespace: str = ""
    cluster: str = ""
    window: str = ""


def draw(want: Want, scope: Scope, looked_at: Collection[str] = ()) -> Plan:
    """Return the plan of what somebody wants; raises `Refused` with what is wrong and the mend.

    `looked_at` are the leases of the plan that they looked at: it is of those, not of what came since. Who has a
    limited view gets the plan of what lies in it, and no word of what else there is.
    """
    wish = Wish(want.target, want.vault, want.namespace, want.cluster, want.window)
    try:
        listing = Listing(looked_at, database_time()) if looked_at else None
        made = plan.make(want.target, want.args, books(), wish, listing)
    except Refused as why:
        raise (why if _tellable(want, why, scope) else _outside()) from None
    if not scope.everything and not _within(made.document, scope):
        raise _outside()
    return made


def _within(document: Mapping[str, Any], scope: Scope) -> bool:
    """Whether all that a plan names and does lies in a limited view."""
    parts = [one.subject for one in parts_of(document)]
    inside = all(queries.covers(scope, document["vault"], one) for one in [*parts, *leases_of(document)])
    return inside and queries.shows(scope, document) and not queries.reaches_beyond(document)


def ask(
    asker: User, want: Want, reason: str, asked: Asked, scope: Scope, looked_at: Collection[str] = ()
) -> Change:  # fmt: skip
    """Ask for a change and return it; the same key with the same body returns what was asked before, unplanned.

    Raises `Refused` and `KeyUsed`.
    """
    if (before := asked_before(asker, asked)) is not None:
        return before
    made = draw(want, scope, looked_at)
    rule = approvers.rule_for_plan(made.document, made.risk)
    return actions.request(asker, made, reason, asked, rule=rules.document(rule), hours=rule.hours)


def break_glass(
    asker: User, want: Want, reason: str, asked: Asked, scope: Scope, proved_at: datetime | None = None,
    looked_at: Collection[str] = (),
) -> Change:  # fmt: skip
    """Ask for a revocation that starts at once, without a second person; the same key asks once.

    Raises `Refused`, `KeyUsed` and `NotApproved`.
    """
    if (before := asked_before(asker, asked)) is not None:
        return before
    return glass.break_glass(asker, draw(want, scope, looked_at), reason, asked, proved_at=proved_at)


def asked_before(asker: User, asked: Asked) -> Change | None:
    """Return what this key was used for with this body; raises `KeyUsed` when it was for another."""
    found = Change.objects.filter(asker_id=asker.pk, key=asked.key).first() if asked.key else None
    if found is not None and found.body_hash != digest(asked.body):
        raise KeyUsed(found.name)
    return found


def may_cancel(change: Change, person: User) -> None:
    """Let whoever asked cancel it, and whoever approves; raises `NotApproved`, which says who can."""
    if change.asker_id != person.pk and not may(person, "changes.approve"):
        said = f"{change.asker_name} asked for {change.name}: they can cancel it, or an approver."
        raise NotApproved(No(said, "not_asker"))


def _tellable(want: Want, why: Refused, scope: Scope) -> bool:
    """Whether a refusal tells a limited person nothing of what lies outside their view."""
    if scope.everything or why.code in ("unknown_target", "bad_args"):
        return True
    named = [want.args[name] for name in _NAMED if isinstance(want.args.get(name), str)]
    return bool(named) and all(queries.covers(scope, want.vault, name) for name in named)


def _outside() -> Refused:
    return Refused(OUTSIDE, "Look at its name again, or ask somebody who sees more.", code="not_there")
