"""Tells people: a notice is a row, written in the transaction of what it tells of; a worker of its own delivers it.

`record` is the one seam: a verb that people are told of writes its entry in the trail and its notice by one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from django.db import transaction
from django.http import HttpRequest

from accounts import trail
from accounts.models import Role, User
from accounts.trail import Detail, Subject, without_tokens
from rotation import bells
from rotation.assertions import Key, fingerprint
from rotation.models import ApproverKey, Change, Freeze
from rotation.notice_models import Delivery, Notice
from rotation.schedule_models import Schedule

# What people are told, as channels name it, with its words on pages.
KINDS: Mapping[str, str] = MappingProxyType({
    "asked": "somebody asked for a change",
    "needs_you": "a change waits for approval",
    "question": "a change waits for a person's answer",
    "approved": "a change was approved",
    "rejected": "a change was rejected",
    "failed": "a change stopped",
    "not_cut_off": "a change could not cut somebody off, and goes on",
    "succeeded": "a change is done",
    "break_glass": "somebody broke the glass",
    "overdue": "nobody reviewed a broken glass in time",
    "reviewed": "a broken glass was reviewed",
    "freeze_set": "something was frozen",
    "freeze_lifted": "a freeze was lifted",
    "key_ended": "an approver's passkey was ended",
    "kept_back": "a schedule is kept back",
    "mismatch": "Vault's log and the journal disagree",
    "no_identity": "the executor has no identity at a vault",
    "note": "a step of a change says something",
    "test": "somebody tried a channel",
})  # fmt: skip
# The codes of the trail that people are told of.
TOLD: Mapping[str, str] = MappingProxyType({
    "rotation.change.requested": "asked",
    "rotation.change.approved": "approved",
    "rotation.change.rejected": "rejected",
    "rotation.change.failed": "failed",
    "rotation.change.succeeded": "succeeded",
    "rotation.change.reviewed": "reviewed",
    "rotation.glass.broken": "break_glass",
    "rotation.freeze.set": "freeze_set",
    "rotation.freeze.lifted": "freeze_lifted",
    "rotation.key.ended": "key_ended",
})  # fmt: skip
ALARMS = frozenset({"break_glass", "overdue", "freeze_set", "key_ended"})  # told to everybody who may decide on changes
TO_ASKER = frozenset({"approved", "rejected", "failed", "reviewed"})
NO_CHANNEL = "none"  # of a notice that is for a person alone
LONGEST = 1_000  # characters of a text of people in a notice


def record(
    actor: User | str,
    verb: str,
    subject: Subject,
    *,
    about: Change | Freeze | ApproverKey,
    details: Mapping[str, Detail] | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Write a verb into the trail, and tell people of it if it is one that they are told of (`TOLD`)."""
    trail.record(actor, verb, subject, details=details, request=request)
    kind = TOLD.get(verb, "")
    if kind and not (isinstance(about, Change) and about.break_glass and kind in ("asked", "approved")):
        says = str((details or {}).get("says") or (details or {}).get("note") or "")
        tell(kind, about, who=actor.username if isinstance(actor, User) else actor, says=says)


def tell(
    kind: str, about: Change | Freeze | Schedule | ApproverKey | None, *, who: str = "", says: str = "",
    people: Iterable[int] = (), key: str | None = None, to: int | None = None,
) -> Notice | None:  # fmt: skip
    """Keep a notice within the caller's transaction and ring once it is committed; None if `key` was told before.

    `people` are told by e-mail besides the channels; `to` is the one channel that a trial goes to.
    """
    if kind not in KINDS:
        raise LookupError(f"No notice is called {kind}. The table is rotation.telling.KINDS.")
    change = about if isinstance(about, Change) else None
    told = {**_facts(about), "says": without_tokens(says)[:LONGEST], **({"channel": str(to)} if to else {})}
    persons = sorted({*people, *_people(kind, change)})
    given = {"kind": kind, "change": change, "who": who[:150], "told": told, "people": persons}
    if key is None:
        made, new = Notice.objects.create(**given), True
    else:
        made, new = Notice.objects.get_or_create(key=key, defaults=given)
    if new:
        transaction.on_commit(bells.ring_for_notices)
    return made if new else None


def tell_again(delivery: Delivery) -> Notice | None:
    """Keep a notice anew for the one address where it was given up; None if that was done already."""
    old, people = delivery.notice, [delivery.person_id] if delivery.person_id else []
    given = {"kind": old.kind, "change": old.change, "who": old.who, "people": people}
    told = {**old.told, "channel": str(delivery.channel_id or NO_CHANNEL)}
    made, new = Notice.objects.get_or_create(key=f"again {delivery.pk}", defaults={**given, "told": told})
    if new:
        transaction.on_commit(bells.ring_for_notices)
    return made if new else None


def _people(kind: str, change: Change | None) -> set[int]:
    """Return who is told in person, besides whoever the caller named."""
    if kind in ALARMS:
        return set(User.objects.filter(is_active=True, role__in=_DECIDING).values_list("pk", flat=True))
    return {change.asker_id} if change is not None and change.asker_id and kind in TO_ASKER else set()


_DECIDING = (Role.APPROVER, Role.ADMINISTRATOR)


def _facts(about: Change | Freeze | Schedule | ApproverKey | None) -> dict[str, str]:
    if isinstance(about, Change):
        return {
            "name": about.name, "verb": about.verb, "subject": about.subject, "vault": about.vault,
            "cluster": about.cluster, "asker": about.asker_name, "risk": about.risk,
            "reason": without_tokens(about.reason)[:LONGEST],
            "until": about.expires_at.isoformat(), "review": about.review_due.isoformat() if about.review_due else "",
        }  # fmt: skip
    if isinstance(about, Freeze):
        what = " ".join(part for part in (about.scope, about.subject) if part)
        return {"name": f"freeze {about.pk}", "subject": what, "reason": without_tokens(about.reason)[:LONGEST]}
    if isinstance(about, Schedule):
        return {
            "name": f"schedule {about.name}", "schedule": str(about.pk), "subject": about.pattern, "vault": about.vault,
            "reason": without_tokens(about.reason)[:LONGEST],
        }  # fmt: skip
    if isinstance(about, ApproverKey):
        return {"subject": about.user_name, "key": fingerprint(Key(0, b"", bytes(about.public_key)))}
    return {}
