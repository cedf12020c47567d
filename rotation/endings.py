"""What is said of a change that ended: what is proven, what was not done of it, and how far it came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rotation import cutting
from rotation.models import Change, Step

_BEGUN = {"": "It may have happened", "waiting": "It had begun, and is not taken back"}
_NAMED = 3  # leases that a sentence names; of more it tells the number


def succeeded(change: Change, came: Sequence[str] = ()) -> str:
    """Return how well a change is proven and what is left; `came` are leases that came after its plan and live."""
    short = change.proofs.exclude(state="proven").count()
    proof = "Done and proven" if change.proofs.exists() else "Done"
    if short:
        proof = f"Done; {short} lines fall short of proof" if short > 1 else "Done; 1 line falls short of proof"
    return " ".join([f"{proof}.", *_left(change), *_came(came)])


def _left(change: Change) -> Iterator[str]:
    """Say that a plan named what it does not do: whoever reads "done" alone would take it for done too."""
    if many := len(change.plan.get("left", ())):
        some, them = ("1 thing", "it") if many == 1 else (f"{many} things", "them")
        yield f"Left to people: {some}; the plan names {them}, with what to do."


def _came(leases: Sequence[str]) -> Iterator[str]:
    if not leases:
        return
    more = len(leases) - _NAMED
    named = ", ".join(leases[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    lives = (
        "1 lease came after the plan and was" if len(leases) == 1 else f"{len(leases)} leases came after it and were"
    )
    yield f"Not revoked: {lives} live when this ended, by the record: {named}. Ask for {_them(leases)} too."


def _them(leases: Sequence[str]) -> str:
    return "its revocation" if len(leases) == 1 else "their revocation"


def cancelled(change: Change) -> str:
    """Say how far it came; a step that had begun may go on in Vault or the cluster without us."""
    some = cutting.failed(change)
    return f"{cutting.sentence(some)} {_how_far(change, [one.pk for one in some])}".strip()


def _how_far(change: Change, failed: Sequence[int]) -> str:
    step = change.steps.exclude(state="done").exclude(pk__in=failed).order_by("number").first()
    of = change.steps.count()
    last = step.attempts.order_by("-number").first() if step else None
    if step is None or last is None or _only_looks(change, step):
        return f"Cancelled before step {step.number if step else of} of {of}. What was done stays done."
    begun = _BEGUN.get(last.outcome, "It was not done")
    return f"Cancelled in step {step.number} of {of}, {step.title}. {begun}: {last.says or 'no answer came.'}"


def _only_looks(change: Change, step: Step) -> bool:
    """Tell whether a step changes nothing anywhere, by its own words in the plan."""
    return any(
        one["number"] == step.number and one["describe"].get("undo") == "reads only" for one in change.plan["steps"]
    )
