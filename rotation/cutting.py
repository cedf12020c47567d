"""What becomes of steps that stand apart: when one is tried again, and by name who has access where one failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rotation import apart, revoking, silence
from rotation.models import Attempt, Change, Step
from rotation.telling import tell

FAILED = "failed"  # the state of a step that stands apart and was not done, while its change goes on without it
AGAIN, LATER = timedelta(minutes=5), timedelta(hours=1)  # after which it is tried again, while its change runs
SOON = 12  # tries with AGAIN between them
_NAMED = 3  # leases that a sentence names; the step's receipt has all


def pause(tries: int) -> float:
    """Return for how many seconds what surely did nothing is let be, after so many tries."""
    return min(60.0, 2.0 ** min(tries, 6))


def due(step: Step) -> datetime | None:
    """Return when a step that stands apart is to be looked at again; None for at once."""
    last = step.attempts.order_by("-number").first()
    if step.state == FAILED and step.ended_at:
        return step.ended_at + (AGAIN if step.attempts.count() <= SOON else LATER)
    if last is None or step.state == "stopped":  # whoever resumed it wants it now
        return None
    if last.outcome == "not done" and last.ended_at:
        return last.ended_at + timedelta(seconds=pause(last.number))
    clock = last.receipt.get(silence.CLOCK)
    return datetime.fromisoformat(clock["again"]) if clock else None


def failed(change: Change) -> list[Step]:
    """Return the steps that stand apart and failed, in their order."""
    holds = apart.by_number(change.plan)
    some = change.steps.filter(state__in=(FAILED, "stopped")).order_by("number")
    return [one for one in some if holds.get(one.number)]


def sentence(some: Sequence[Step]) -> str:
    """Return who still has access since these steps failed, and why of each; "" where none did."""
    if not some:
        return ""
    known = "" if all(_told(one) for one in some) else "known to be "
    return " ".join(
        [f"Not {known}cut off: {'; '.join(_still(some))}.", *(f"Step {one.number}: {one.says}" for one in some)]
    )


def _told(step: Step) -> bool:
    """Tell whether it is known that a step did not happen."""
    last = step.attempts.order_by("-number").first()
    return last is None or last.outcome != ""


def ended(change: Change, some: Sequence[Step]) -> str:
    """Return what is said of a change that ends since these steps failed, with what to do."""
    numbers = [f"step {one.number}" for one in some]
    rest = list(change.steps.exclude(state="done").exclude(pk__in=[one.pk for one in some]).order_by("number"))
    begun = "All other steps are done."
    if rest:
        first, last = rest[0].number, rest[-1].number
        which = f"Step {first}" if first == last else f"Steps {first} to {last}"
        begun = f"{which} did not begin: who can still read the vault would read what is new too."
    them = _and(numbers)
    return f"{sentence(some)} {begun} Mend that, then resume: {them} {'is' if len(some) == 1 else 'are'} tried again."


def tell_once(change: Change, some: Sequence[Step]) -> None:
    """Tell people of each of these steps that it failed while the change goes on."""
    for one in some:
        tell("not_cut_off", change, says=sentence([one]), key=f"not cut off {change.name} {one.number}")


def _still(some: Sequence[Step]) -> Iterator[str]:
    """Yield who still has access, each once: a proof names only leases that no other of these steps names."""
    seen: set[str] = set()
    for one in some:
        if one.kind in (revoking.STEP, apart.PROOF):
            leases = [lease for lease in _leases(one) if lease not in seen]
            seen |= set(leases)
            if leases:
                yield f"{_named(leases)} (step {one.number})"
        else:
            yield f"{_whom(one)} (step {one.number})"


def _whom(step: Step) -> str:
    args: Mapping[str, Any] = step.args
    if step.kind == "disable_entity":
        who = f" ({args['who']})" if args.get("who") else ""
        return f"the entity {args.get('name')}{who}, which may still log in"
    if step.kind == "revoke_token":
        return f"the token with the accessor {args.get('accessor')}"
    return step.title


def _leases(step: Step) -> list[str]:
    """Return the leases that a step left alive, by its last answer; all of its own where it had none."""
    last = Attempt.objects.filter(step=step).order_by("-number").first()
    known = last.receipt.get(revoking.ALIVE) if last is not None else None
    return list(step.args.get("leases", ()) if known is None else known)


def _named(leases: Sequence[str]) -> str:
    more = len(leases) - _NAMED
    names = ", ".join(leases[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
    return f"lease {names}" if len(leases) == 1 else f"{len(leases):,} leases, {names}"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
