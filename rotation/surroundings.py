"""What a worker has in its hands, and what each step is given of it, while its change runs or when it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from inventory.freshness import Freshness, behind
from rotation import silence
from rotation.alarms import alarm
from rotation.models import Attempt, Change, Step
from rotation.present import Getting, getting
from rotation.world import Doors, Earlier, Witness, World

LEASE = 15.0  # seconds that a claim lasts; it is renewed three times as often


@dataclass(frozen=True, slots=True)
class Hands:
    """What the runner works with: who we are, the connections, the witness, and what may stop a step.

    `doors` opens connections for one step of a change: both stand in every audit line of them. `frozen` returns the
    sentence of a freeze that lies over the change, "" for none; `unsure` the sentence why an approved change may not
    start (approvals that don't verify, a plan that drifted), with the verb to make of it; `drawn` the sentence why the
    plan is not what its target draws here, "" if it is. `shut` returns when the window opens in which it may start,
    with the sentence, None while it is open. `revived` returns why a change whose row says that it runs may not go on,
    "" if it may; `lapsed` why one that began and has done nothing lost its approval, "" if it has not.
    `came` returns the leases that came after its plan and were not revoked.
    """

    worker: str
    doors: Callable[[Change, int], Doors]
    witness: Witness
    frozen: Callable[[Change], str]
    unsure: Callable[[Change], tuple[str, str]]
    present: Callable[[str, str, str, str], Sequence[Getting]] = getting
    behind: Callable[[], Sequence[Freshness]] = behind
    drawn: Callable[[Change], str] = lambda _change: ""
    revived: Callable[[Change], str] = lambda _change: ""
    lapsed: Callable[[Change], str] = lambda _change: ""
    shut: Callable[[Change, datetime], tuple[datetime, str] | None] = lambda _change, _now: None
    came: Callable[[Change], Sequence[str]] = lambda _change: ()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    lease: float = LEASE


def world_of(
    change: Change, step: Step, attempt: Attempt | None, hands: Hands,
    progress: Callable[[Change, Step, int, int], None],
) -> World:  # fmt: skip
    """Return what a step gets while its change runs; `progress` keeps how far it is."""
    began = step.attempts.order_by("number").values_list("began_at", flat=True).first() or hands.now()
    return World(
        change=change.name, step=step.number, plan_hash=change.plan_hash, vault=change.vault, cluster=change.cluster,
        intent=attempt.intent if attempt else {}, began=began, kept=lambda: _kept(change),
        alarm=lambda says: alarm(change.name, step.number, change.vault, says),
        tried=attempt.began_at if attempt else hands.now(),
        waited=silence.waited(attempt.receipt, hands.now()) if attempt else timedelta(),
        started=change.started_at or hands.now(),
        doors=hands.doors(change, step.number), witness=hands.witness, now=hands.now, present=hands.present,
        behind=hands.behind, earlier=_earlier(change, step), facts=facts_of(change, step.number),
        halted=lambda: _halted(change, hands), progress=lambda done, of: progress(change, step, done, of),
    )  # fmt: skip


def world_to_look(change: Change, number: int, hands: Hands) -> World:
    """Return what a step gets when it is only looked at: no intent, and nothing was done before it."""
    now = hands.now()
    return World(
        change=change.name, step=number, plan_hash=change.plan_hash, vault=change.vault, cluster=change.cluster,
        intent={}, began=now, tried=now, started=now, doors=hands.doors(change, number),
        witness=hands.witness, now=hands.now, present=hands.present, behind=hands.behind,
        alarm=lambda says: alarm(change.name, number, change.vault, says),
    )  # fmt: skip


def facts_of(change: Change, number: int) -> dict[str, Any]:
    """Return the facts of a step that the last look at its change found: those that it was approved with."""
    before = f"{number}."
    facts: Mapping[str, Any] = change.found.get("facts", {})
    return {name.removeprefix(before): value for name, value in facts.items() if name.startswith(before)}


def _halted(change: Change, hands: Hands) -> str:
    """Return why a long step should stop at its next border, "" while it may go on."""
    if Change.objects.filter(pk=change.pk, cancel_wanted=True).exists():
        return "It is being cancelled."
    return hands.frozen(change)


def _earlier(change: Change, step: Step) -> list[Earlier]:
    found = Attempt.objects.filter(step__change=change, step__number__lt=step.number, outcome="done")
    some = found.order_by("step__number", "number").select_related("step")
    return [Earlier(one.step.number, one.step.kind, one.step.args, one.receipt) for one in some]


def _kept(change: Change) -> dict[int, list[dict[str, Any]]]:
    """Return of each step its arguments, then of each attempt its intent with its receipt."""
    found = {one.number: [dict(one.args)] for one in change.steps.all()}
    for one in Attempt.objects.filter(step__change=change).select_related("step"):
        found[one.step.number].append({**one.intent, **one.receipt})
    return found
