"""Holds our journal and Vault's log against each other: a write without a step, a step without its line. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from inventory.sightings import OurCall, Reach
from vault.our_tokens import ROLE

LATE = timedelta(seconds=60)  # after which a step without its line is told
SETTLES = timedelta(seconds=20)  # the making of a token may show so much later than its first call
MAY_WRITE = frozenset({"verify_revoked"})  # only where the first try was not enough
WRITING = frozenset({
    "write_kv", "write_wrapped", "retire_version", "rotate_role", "rotate_root", "rotate_transit", "revoke_leases",
    "revoke_token", "disable_entity",
})  # fmt: skip
_OWN = (
    "auth/token/revoke-self", "sys/capabilities-self", "sys/leases/lookup", "auth/token/lookup-accessor",
    "sys/wrapping/lookup", "sys/audit-hash/",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal says of a step: its kind, the token role that it uses, when it began and ended."""

    change: str
    plan_hash: str
    number: int
    kind: str
    role: str
    began: datetime | None
    ended: datetime | None


def is_effect(call: OurCall) -> bool:
    """Whether a call of ours changes something that people care for, and not only its own token."""
    return call.kind == "call" and call.writes and not call.path.startswith(_OWN)


def unsettled(call: OurCall, now: datetime) -> bool:
    """Whether the making of a call's token may still show: until then nothing is said of it, and of none after it."""
    return _claims(call) and call.minted is None and timedelta() <= now - call.at < SETTLES


def forged(call: OurCall, executors: Collection[str]) -> str:
    """Return in a sentence why a token that shows as ours is not the executor's, "" for one that is.

    `executors` are the entities that it is at this vault; where they are not known, nobody is called another.
    """
    if call.kind == "mint":
        other = call.happened and executors and call.entity not in executors
        return f"{_what(call)}: {call.principal} made it, and Keybook's executor did not." if other else ""
    if not _claims(call):
        other = executors and call.entity not in executors
        why = f"{call.principal} has the policy of Keybook's executor, and is not the executor."
        return f"{_what(call)}: {why}" if other else ""
    if call.minted is None:
        return f"{_what(call)}: the record does not show who made its token."
    if executors and call.minter not in executors:
        return f"{_what(call)}: {call.minted_by or 'somebody'} made its token, and Keybook's executor did not."
    return ""


def _claims(call: OurCall) -> bool:
    """Whether a call was made with a token that shows as one of an operation, and not as the executor's own."""
    operation = any(one.startswith(ROLE) for one in call.policies)
    return call.kind == "call" and bool(call.change or operation or not call.policies)


def _what(call: OurCall) -> str:
    where = call.address or "an unknown address"
    return f"{call.operation} {call.path} at {call.at:%Y-%m-%d %H:%M:%S} UTC, from {where}"


def rogue(call: OurCall, known: Known | None, *, change_there: bool) -> str:
    """Return in a sentence why a call that claims to be ours matches no step, "" for one that does."""
    what = _what(call)
    if not change_there:
        return f"{what}: it claims {call.change or 'no change'}, and Keybook has no such change."
    if known is None or known.began is None:
        return f"{what}: {call.change} had not begun a step {call.step or 'without a number'}."
    why = _other_than(call, known)
    return f"{what}: {why}" if why else ""


def _other_than(call: OurCall, known: Known) -> str:
    step = f"step {known.number} of {call.change}"
    if call.plan and call.plan != known.plan_hash:
        return f"it claims another plan than {call.change} has."
    if known.kind not in WRITING | MAY_WRITE:
        return f"{step} ({known.kind}) writes nothing in Vault."
    if known.role and call.role != known.role:  # a token that somebody minted without a role of ours has none
        role = f"the role {call.role}" if call.role else "no role of ours"
        return f"its token is of {role}, and {step} uses {known.role}."
    if known.ended is not None and call.at > known.ended + LATE:
        return f"{step} had ended at {known.ended:%H:%M:%S}."
    return ""


def silent(known: Known, calls: Sequence[OurCall], reach: Reach) -> str:
    """Return in a sentence that a step which was done has no line in Vault's log, "" while that may still come."""
    if known.kind not in WRITING or known.ended is None or not reach.covers(known.ended + LATE):
        return ""
    if any(is_effect(call) and call.step == str(known.number) and call.happened for call in calls):
        return ""
    return (
        f"Step {known.number} of {known.change} ({known.kind}) ended at {known.ended:%Y-%m-%d %H:%M:%S} UTC, and "
        "Vault's log shows no call of it."
    )
