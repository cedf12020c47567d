"""Runs one approved change: claims it, takes its steps in order, each once, and survives being killed anywhere.

Every effect is intent, call, result, each committed by itself. A worker holds a change by a claim that it renews and
that has a number, the epoch: what an older claim wants to write is refused by `WHERE epoch = mine`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Now

from kit import faults
from rotation import apart, cutting, endings, failures, lifecycle, moves, silence, steps
from rotation.models import Attempt, Change, Proof, Step
from rotation.outcomes import Done, Drifted, NotDone, Outcome, ProofLine, Unknown, Waiting
from rotation.surroundings import Hands, world_of
from rotation.world import World

MOST_ATTEMPTS = 20  # of one step, tries that surely did nothing included: then a person decides
PAUSE = 30.0  # seconds between two looks at what a person paused: whoever resumes it rings
PAUSED_FOR = timedelta(hours=24)  # without a step: then what was approved may be no longer what anybody wants
WORKER = "worker operations"
_NEVER_BEGAN = (
    "Its row said that it runs, but no worker ever began it, so nothing was done. Whoever wrote that had no right to: "
    "look at who can write to Keybook's database, cancel this change and ask for a new one."
)
_log = logging.getLogger("keybook.rotation")


class Superseded(Exception):
    """Another worker holds the change now: nothing of ours may be written any more."""


def claim(change_id: int, hands: Hands) -> Change | None:
    """Take a change that nobody holds and that is due; None when there is nothing to do. Its epoch is then ours."""
    now = hands.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    due = Q(due_at=None) | Q(due_at__lte=now)
    found = Change.objects.filter(free, due, pk=change_id, state__in=lifecycle.WORK)
    until = now + timedelta(seconds=hands.lease)
    if not found.update(owner=hands.worker, epoch=F("epoch") + 1, lease_until=until, due_at=None):
        return None
    return Change.objects.get(pk=change_id)


def turn(change_id: int, hands: Hands) -> bool:
    """Take a change as far as it goes now; tells whether it was ours to take. Raises only what PostgreSQL does."""
    change = claim(change_id, hands)
    if change is None:
        return False
    with _renewing(change, hands):
        try:
            _advance(change, hands)
        except (Superseded, moves.LostRace) as error:
            _log.warning("%s was left to another worker: %s", change.name, error)
    return True


def _advance(change: Change, hands: Hands) -> None:
    if change.state == lifecycle.RUNNING and (why := hands.revived(change) or hands.lapsed(change)):
        moves.make(change, "fail", WORKER, epoch=change.epoch, says=why, **_RELEASED)
        return
    if change.state == lifecycle.APPROVED and not _start(change, hands):
        return
    if not change.steps.exists():  # only a worker lays steps, and only after it judged the approvals
        moves.make(change, "fail", WORKER, epoch=change.epoch, says=_NEVER_BEGAN, **_RELEASED)
        return
    if not _walk(change, hands):
        return
    if change.steps.exclude(state="done").exists():
        _without(change, hands)
        return
    moves.make(
        change, "succeed", WORKER, epoch=change.epoch, says=endings.succeeded(change, hands.came(change)), **_RELEASED
    )


def _walk(change: Change, hands: Hands) -> bool:
    """Take each step that nothing holds up, in order; False once the change was let go of meanwhile.

    A step that stands apart holds up none of those behind it that stand apart too.
    """
    holds, shut = apart.by_number(change.plan), False
    for step in change.steps.exclude(state="done").order_by("number"):
        alone = holds.get(step.number, "")
        if not alone and shut:
            return True
        if alone and (at := cutting.due(step)) is not None and at > hands.now():
            took = False
        elif _held_up(change, hands, step):
            return False
        else:
            took = _take(change, step, hands)
        if not took and not alone:
            return False
        shut = shut or (not took and alone == apart.ROTATIONS)
    return True


def _without(change: Change, hands: Hands) -> None:
    """End a turn in which all was tried that nothing holds up: wait for what is under way, or end without the rest."""
    holds = apart.by_number(change.plan)
    left = [one for one in change.steps.exclude(state="done") if holds.get(one.number)]
    waits = [cutting.due(one) or hands.now() for one in left if one.state != cutting.FAILED]
    if waits:
        _park(change, "", max(0.5, (min(waits) - hands.now()).total_seconds()), hands)
        return
    with transaction.atomic():
        with _mine(change):
            some = cutting.failed(change)
            change.steps.filter(state=cutting.FAILED).update(state="stopped")  # so a resume tries them at once
        moves.make(change, "fail", WORKER, epoch=change.epoch, says=cutting.ended(change, some), **_RELEASED)


def _start(change: Change, hands: Hands) -> bool:
    """Begin, if everything that was approved is still so."""
    if _held_up(change, hands):
        return False
    if shut := hands.shut(change, hands.now()):
        opens, why = shut
        _park(change, why, (min(opens, change.expires_at) - hands.now()).total_seconds(), hands)
        return False
    verb, why = hands.unsure(change)
    if verb == "wait":
        _park(change, why, 5.0, hands)
        return False
    if verb:
        moves.make(change, verb, WORKER, epoch=change.epoch, says=why, **_RELEASED)
        return False
    with transaction.atomic():
        moves.make(change, "start", WORKER, epoch=change.epoch)
        planned = change.plan["steps"]
        Step.objects.bulk_create(
            Step(change=change, number=one["number"], kind=one["step"], args=one["args"],
                 title=one["describe"]["title"]) for one in planned
        )  # fmt: skip
    return True


def _held_up(change: Change, hands: Hands, step: Step | None = None) -> bool:
    """Heed a wish to cancel, a freeze and a pause: between two steps, never inside of one."""
    # Never the epoch: it may be another's by now.
    change.refresh_from_db(fields=["state", "cancel_wanted", "pause_before", "paused_by"])
    if change.state not in lifecycle.WORK:
        raise moves.LostRace(f"{change.name} is {change.state} meanwhile.")
    if change.cancel_wanted and change.state == lifecycle.RUNNING:
        moves.make(change, "stop", WORKER, epoch=change.epoch, says=endings.cancelled(change), **_RELEASED)
        return True
    if why := hands.frozen(change):
        _park(change, why, 5.0, hands)
        return True
    return _paused(change, step, hands)


def _paused(change: Change, step: Step | None, hands: Hands) -> bool:
    """Wait where a person wanted a pause: before a step that was not tried yet, and for the first one before it all."""
    number = step.number if step is not None else 1
    if change.pause_before != number or (step is not None and step.attempts.exists()):
        return False
    if step is not None and hands.now() - _idle_since(change) > PAUSED_FOR:
        _stop(change, step, _FORGOTTEN.format(by=change.paused_by), pause_before=None, paused_by="")
        return True
    _park(change, f"Paused before step {number} by {change.paused_by}. It waits to be resumed.", PAUSE, hands)
    return True


def _idle_since(change: Change) -> datetime:
    """Return when the last step was done, of a change that runs; its start before any was."""
    last = change.steps.filter(state="done").aggregate(at=Max("ended_at"))["at"]
    return last or change.started_at or change.asked_at


_FORGOTTEN = (
    f"{{by}} paused it before this step, and for {PAUSED_FOR // timedelta(hours=1)} h nobody resumed it. Look at the "
    "plan: resume if it is still wanted, or cancel the rest."
)


def _take(change: Change, step: Step, hands: Hands) -> bool:
    """Try one step; tells whether the next may follow."""
    kind = steps.kinds()[step.kind]
    args = msgspec.convert(step.args, kind.Args)
    last = step.attempts.order_by("-number").first()
    if last is not None and last.outcome in ("", "waiting"):
        # An intent without a result, or a result that time decides: look before anything is done again.
        outcome = _act(kind.done, change, step, last, args, hands)
        if not isinstance(outcome, NotDone):
            return _settle(change, step, last, outcome, hands)
        _result(change, step, last, outcome, hands)
        last.outcome = "not done"
    attempt = _intend(change, step, kind, args, last, hands)
    return attempt is not None and _settle(
        change, step, attempt, _act(kind.run, change, step, attempt, args, hands), hands
    )


def _intend(change: Change, step: Step, kind: Any, args: Any, last: Attempt | None, hands: Hands) -> Attempt | None:
    """Commit what the step is held to; None when looking told that it can't be, or not now.

    After a try that surely did nothing the same intent is used again: what it is held to still holds.
    """
    if last is not None and last.outcome == "not done" and last.intent:
        return _write_attempt(change, step, last.intent, hands)
    try:
        intent = kind.intend(args, world_of(change, step, None, hands, _progress))
    except Exception as error:
        found = _failure(error, failures.of_call)
        intent = NotDone(found.says) if isinstance(found, Unknown) else found
    if not isinstance(intent, Outcome):
        return _write_attempt(change, step, intent, hands)
    _settle(change, step, _write_attempt(change, step, {}, hands), intent, hands)
    return None


def _write_attempt(change: Change, step: Step, intent: Mapping[str, Any], hands: Hands) -> Attempt:
    with _mine(change):
        number = step.attempts.count() + 1
        started = {} if step.started_at else {"started_at": Now()}
        Step.objects.filter(pk=step.pk).update(state="running", says="", ended_at=None, **started)
        made = Attempt.objects.create(
            step=step, number=number, epoch=change.epoch, worker=hands.worker, intent=dict(intent)
        )
    step.refresh_from_db()
    made.refresh_from_db()
    return made


def _act(
    call: Callable[[Any, World], Outcome], change: Change, step: Step, attempt: Attempt, args: Any, hands: Hands
) -> Outcome:
    try:
        return call(args, world_of(change, step, attempt, hands, _progress))
    except Exception as error:  # whatever a step or a library raises must become a sentence beside the step
        return _failure(error, failures.of_look if call.__name__ == "done" else failures.of_call)


def _failure(error: Exception, read: Callable[[Exception], Outcome | None]) -> Outcome:
    """Read an error of a wire: what surely did not happen, and everything else as unknown."""
    if isinstance(error, Superseded | moves.LostRace | OperationalError | InterfaceError):
        raise error  # PostgreSQL is away; what it refuses would be refused for ever
    if (known := read(error)) is not None:
        return known
    _log.error("A step failed: %s.", faults.told(error))  # never its words: a library may quote a value
    return Unknown(f"Keybook itself failed here ({type(error).__name__}). It looks at what happened. Report it.")


def _progress(change: Change, step: Step, done: int, of: int) -> None:
    with _mine(change):
        Step.objects.filter(pk=step.pk).update(progress={"done": done, "of": of})


def _settle(change: Change, step: Step, attempt: Attempt, outcome: Outcome, hands: Hands) -> bool:
    """Commit a result, and what follows of it for step and change; tells whether the next step may follow."""
    _result(change, step, attempt, outcome, hands)
    if isinstance(outcome, Done):
        return True
    if isinstance(outcome, Waiting | Unknown | NotDone):
        _wait(change, step, attempt, outcome, hands)
    else:
        _give_up(change, step, outcome.says or "The step was refused.")
    return False


def _result(change: Change, step: Step, attempt: Attempt, outcome: Outcome, hands: Hands) -> None:
    attempt.receipt = silence.kept(attempt.receipt, outcome, hands.now())
    with _mine(change):
        _keep(step, attempt, outcome)
        if isinstance(outcome, Done):
            Step.objects.filter(pk=step.pk).update(state="done", says=outcome.says, ended_at=Now())


_CODES: tuple[tuple[type[Outcome], str], ...] = (
    (Done, "done"), (Waiting, "waiting"), (NotDone, "not done"), (Unknown, ""), (Drifted, "drifted"),
)  # fmt: skip


def _keep(step: Step, attempt: Attempt, outcome: Outcome) -> None:
    code = next((code for kind, code in _CODES if isinstance(outcome, kind)), "refused")
    ended = {} if code in ("", "waiting") else {"ended_at": Now()}
    Attempt.objects.filter(pk=attempt.pk).update(outcome=code, says=outcome.says, receipt=attempt.receipt, **ended)
    for line in outcome.proofs:
        _keep_line(step, line)


def _keep_line(step: Step, line: ProofLine) -> None:
    """Keep a line of proof; one that says the same as before keeps its time."""
    said = {"holds": line.holds, "state": line.state, "grade": line.grade, "says": line.says, "event": line.event}
    where: dict[str, Any] = {
        "change_id": step.change_id,
        "step": step.number,
        "kind": line.kind,
        "subject": line.subject,
    }
    if not Proof.objects.filter(**where, **said).exists():
        Proof.objects.update_or_create(**where, defaults={**said, "at": line.at or Now()})


def _wait(change: Change, step: Step, attempt: Attempt, outcome: Outcome, hands: Hands) -> None:
    """Park the change; one that was tried too often, or is unknown for too long, stops for a person."""
    if why := _enough(attempt, outcome):
        with _mine(change):
            Attempt.objects.filter(pk=attempt.pk).update(receipt=silence.broken(attempt.receipt))
        _give_up(change, step, f"{outcome.says} {why}")
        return
    given: dict[str, Any] = {"state": "waiting", "says": outcome.says}
    if isinstance(outcome, Waiting) and outcome.of:
        given["progress"] = {"done": outcome.done, "of": outcome.of}
    with _mine(change):
        Step.objects.filter(pk=step.pk).update(**given)
    if apart.by_number(change.plan).get(step.number):
        return  # it holds nothing up: the turn goes on with those behind it
    tried = cutting.pause(attempt.number)
    _park(change, "", outcome.seconds if isinstance(outcome, Waiting | Unknown) else tried, hands)


def _enough(attempt: Attempt, outcome: Outcome) -> str:
    if isinstance(outcome, Unknown) and silence.too_long(attempt.receipt):
        return silence.WHY
    if isinstance(outcome, NotDone) and not attempt.number % MOST_ATTEMPTS:  # a resumed one gets as many again
        return f"It was tried {attempt.number} times, and is not done. Mend that, then resume."
    return ""


def _give_up(change: Change, step: Step, why: str) -> None:
    """Leave a step undone: one that stands apart alone, with any other the change stops."""
    if not apart.by_number(change.plan).get(step.number):
        _stop(change, step, why)
        return
    with _mine(change):
        Step.objects.filter(pk=step.pk).update(state=cutting.FAILED, says=why, ended_at=Now())


def _stop(change: Change, step: Step, why: str, **more: Any) -> None:
    with transaction.atomic():
        with _mine(change):
            some = cutting.failed(change)
            change.steps.filter(state=cutting.FAILED).update(state="stopped")
            Step.objects.filter(pk=step.pk).update(state="stopped", says=why, ended_at=Now())
        of = change.steps.count()
        says = f"{cutting.sentence(some)} Stopped at step {step.number} of {of}. {why}".strip()
        moves.make(change, "fail", WORKER, epoch=change.epoch, says=says, **_RELEASED, **more)


_RELEASED: dict[str, Any] = {"owner": "", "lease_until": None, "due_at": None}


def _park(change: Change, why: str, seconds: float, hands: Hands) -> None:
    """Let go of the change until it is due again: no worker sleeps over what only time or others can do."""
    due, some = hands.now() + timedelta(seconds=seconds), cutting.failed(change)
    given = {**_RELEASED, "due_at": due, "says": f"{cutting.sentence(some)} {why}".strip()}
    with _mine(change):
        cutting.tell_once(change, some)
        Change.objects.filter(pk=change.pk).update(**given)


@contextmanager
def _mine(change: Change) -> Iterator[None]:
    """A transaction in which the change is still ours: its row is locked, so no later claim can come between."""
    with transaction.atomic():
        if not Change.objects.select_for_update().filter(pk=change.pk, epoch=change.epoch).exists():
            raise Superseded(change.name)
        yield


@contextmanager
def _renewing(change: Change, hands: Hands) -> Iterator[None]:
    """Renew the claim from a thread of its own while a step works, however long its call takes."""
    over = threading.Event()

    def renew() -> None:
        try:
            while not over.wait(hands.lease / 3):
                until = hands.now() + timedelta(seconds=hands.lease)
                held = Change.objects.filter(pk=change.pk, epoch=change.epoch, owner=hands.worker)
                if not held.update(lease_until=until):
                    return
        finally:
            connection.close()

    thread = threading.Thread(target=renew, name=f"claim {change.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
