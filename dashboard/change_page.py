"""What the page of one change shows: the plan to decide on, or each step with its attempts, and the lines of proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import Any

from accounts.may import may
from accounts.models import User
from accounts.scope import Scope
from dashboard import change_words
from dashboard.change_words import Left, Mark
from dashboard.words import counted
from rotation import apart, asking_people, cutting, handing, lifecycle, queries
from rotation.models import Attempt, Change, Proof, Step, Verdict
from rotation.two_way import WRITING

FINAL = "cannot be undone"
BAR = 154  # px of the bar of a step's progress
SHOWN = 200  # lines of proof
HEARD = timedelta(minutes=2)  # within which Vault's log shows what a change did, or a mismatch is told


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One step of a plan, as people read it before they decide."""

    number: int
    title: str
    now: str
    after: str
    undo: str
    holds_up: str = ""  # what waits for it, as `rotation.apart` has it

    @property
    def fails(self) -> str:
        """Return what becomes of the others if it fails, "" where all stop, as everywhere."""
        return change_words.FAILS.get(self.holds_up, "")

    @property
    def final(self) -> bool:
        """Whether there is no way back."""
        return self.undo == FINAL


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step as it stands: `look` is done, running, stopped or planned; `width` is that of its bar, 0 without one."""

    step: Step
    look: str
    final: bool
    attempts: Sequence[Attempt]
    took: str
    width: int
    progress: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a step asks, of which roles, and whether the person who reads is one of them."""

    number: int
    words: str
    roles: tuple[str, ...]
    mine: bool


@dataclass
class ChangePage:
    """One change, for one person, now."""

    told: queries.Told
    person: User
    scope: Scope
    now: datetime
    fresh: bool = True  # whether the person proved who they are a moment ago

    @property
    def change(self) -> Change:
        """Return the change."""
        return self.told.change

    @cached_property
    def marks(self) -> list[Mark]:
        """Return the line of its life."""
        return change_words.marks(self.change, proven=not self.short)

    @property
    def waits(self) -> bool:
        """Whether it is to be decided on."""
        return self.change.state == lifecycle.REQUESTED

    @property
    def moves(self) -> bool:
        """Whether the page must look again by itself."""
        return self.change.state in lifecycle.WORK

    @property
    def binds(self) -> bool:
        """Whether approvals stand that another plan would make void."""
        return (self.moves or self.stopped) and not self.change.break_glass

    @property
    def listens(self) -> bool:
        """Whether it is done, and Vault's log is still to show what it did: that takes some seconds."""
        ended = self.change.ended_at
        if self.change.state != lifecycle.SUCCEEDED or ended is None or self.now - ended > HEARD:
            return False
        return any(one.kind in WRITING and one.seen_at is None for one in self.told.steps)

    @property
    def stopped(self) -> bool:
        """Whether it stands still until a person decides."""
        return self.change.state == lifecycle.FAILED

    @cached_property
    def plan(self) -> list[PlanRow]:
        """Return the plan's steps."""
        return [plan_row(one) for one in self.change.plan.get("steps", [])]

    @property
    def final(self) -> list[int]:
        """Return the numbers of the steps that can't be undone."""
        return [row.number for row in self.plan if row.final]

    @property
    def blast(self) -> dict[str, Any]:
        """Return what it would touch."""
        found: dict[str, Any] = self.change.plan.get("blast_radius", {})
        return found

    @cached_property
    def left(self) -> Left:
        """Return how long is left to decide."""
        return change_words.left(self.change, self.now)

    @property
    def asked_ago(self) -> str:
        """Return how long ago it was asked for."""
        return change_words.ago(self.change.asked_at, self.now)

    @property
    def checked(self) -> str:
        """Return when the worker last held the plan against the vault, and whether all was as planned."""
        if self.change.checked_at is None:
            return "not held against the vault yet; the worker does so within seconds"
        fine = "it can be done" if self.change.found.get("ok") else "it could not be done now"
        if self.change.found.get("ok") and self.troubles:
            fine = "it can be done but for what is named here, which is tried again by itself"
        return f"checked again {change_words.ago(self.change.checked_at, self.now)}: {fine}"

    @property
    def troubles(self) -> list[str]:
        """Return what keeps it from being done now."""
        return [line["says"] for line in self.change.found.get("lines", []) if not line["ok"]]

    @property
    def well(self) -> list[str]:
        """Return what the worker found to be as it should."""
        return [line["says"] for line in self.change.found.get("lines", []) if line["ok"]]

    @cached_property
    def approvers(self) -> list[User]:
        """Return who may approve it."""
        return queries.eligible(self.change)

    @property
    def needed(self) -> str:
        """Return how many approvals are there, of how many."""
        given = sum(one.verdict == "approve" and not one.void for one in self.told.verdicts)
        wanted = int(self.change.rule.get("approvers", 1))
        return f"{counted(wanted, 'approval')} needed{f', {given} given' if given else ''}."

    @property
    def last(self) -> bool:
        """Whether one more approval starts it."""
        given = sum(one.verdict == "approve" and not one.void for one in self.told.verdicts)
        return given + 1 >= int(self.change.rule.get("approvers", 1))

    @cached_property
    def verbs(self) -> tuple[str, ...]:
        """Return what this person can do next."""
        person = self.person
        found = queries.possible(
            self.change, person, approves=may(person, "changes.approve"), asks=may(person, "changes.ask")
        )
        said = any(one.person_id == person.pk and not one.void for one in self.told.verdicts)
        return tuple(verb for verb in found if not (said and verb in ("approve", "reject")))

    @property
    def hands_over(self) -> bool:
        """Whether this person hands a wrapped value over, or may give another."""
        return self.change.asker_id == self.person.pk and handing.takes(self.change)

    @property
    def question(self) -> Question | None:
        """Return what it asks a person now."""
        step = next((one for one in self.told.steps if one.kind == "ask_person" and one.state == "waiting"), None)
        if step is None or self.change.state != lifecycle.RUNNING:
            return None
        roles = asking_people.roles_of(step)
        return Question(step.number, str(step.args.get("question", "")), roles, self.person.role in roles)

    @property
    def unreviewed(self) -> bool:
        """Whether nobody has reviewed a broken glass yet."""
        return queries.unreviewed(self.change)

    @property
    def overdue(self) -> bool:
        """Whether its review is overdue."""
        due = self.change.review_due
        return self.unreviewed and due is not None and due <= self.now

    @property
    def why_not(self) -> str:
        """Return why there is no button that approves, where one could be missed."""
        if not self.waits or "approve" in self.verbs:
            return ""
        if self.change.asker_id == self.person.pk:
            return "You asked for this; another person approves."
        if any(one.person_id == self.person.pk and not one.void for one in self.told.verdicts):
            return "You have decided. It waits for others."
        return f"You are {self.person.role}; {' or '.join(self.change.rule.get('roles', []))} is asked for."

    @property
    def deed(self) -> str:
        """Return what it does, to stand in a button."""
        return change_words.deed(self.change)

    @property
    def cancels(self) -> str:
        """Return the words of the button that cancels it."""
        return change_words.cancels(self.change, self.told.steps)

    @property
    def resumes(self) -> str:
        """Return the words of the button that resumes it."""
        if self.moves and self.change.pause_before:
            return f"Resume at step {self.change.pause_before}" if self.paused else "Do not pause"
        return change_words.resumes(self.told.steps, cutting.failed(self.change))

    @cached_property
    def pausable(self) -> list[PlanRow]:
        """Return the steps before which it could wait: those that have not begun."""
        begun = {one.number for one in self.told.steps if one.started_at is not None}
        return [row for row in self.plan if row.number not in begun]

    @property
    def pauses(self) -> bool:
        """Whether a person could have it wait somewhere else than now."""
        return "pause" in self.verbs and bool(self.pausable)

    @property
    def paused(self) -> bool:
        """Whether it stands where a person wanted a pause; before, the wish alone is told."""
        before, alone = self.change.pause_before, apart.by_number(self.change.plan)
        if not self.moves or before is None or before not in {row.number for row in self.pausable}:
            return False
        earlier = [one for one in self.told.steps if one.number < before]
        return len(earlier) == before - 1 and all(one.state == "done" or alone.get(one.number) for one in earlier)

    @property
    def pause_wanted(self) -> bool:
        """Whether it is to wait before a step that it has not come to."""
        before = self.change.pause_before
        return self.moves and not self.paused and before in {row.number for row in self.pausable}

    @property
    def window(self) -> str:
        """Return the window outside of which it does not start, "" for none."""
        return str(self.change.plan.get("wish", {}).get("window", ""))

    @property
    def typed(self) -> str:
        """Return what is to be typed before something that can't be undone: the end of the subject's name."""
        return change_words.leaf(self.change.subject)

    @cached_property
    def steps(self) -> list[StepRow]:
        """Return the steps as they stand, those to come too."""
        final = {row.number for row in self.plan if row.final}
        return [step_row(one, one.number in final, self.now) for one in self.told.steps]

    @property
    def rest(self) -> list[StepRow]:
        """Return what is not done of a change that stopped: a resume goes on with it, a cancel leaves it out."""
        return [row for row in self.steps if row.step.state != "done"] if self.stopped else []

    @property
    def stands(self) -> str:
        """Return where the steps stand, in words: the only thing that is announced when it changes."""
        steps = self.told.steps
        done, of = sum(one.state == "done" for one in steps), len(steps)
        failed = sum(one.state == cutting.FAILED for one in steps)
        if self.change.state == lifecycle.RUNNING and done < of:
            return f"{done} of {of} done, {failed} failed" if failed else f"step {done + 1} of {of}"
        return f"{done} of {of} done, every attempt is kept"

    @property
    def not_cut_off(self) -> bool:
        """Whether somebody still has access whom it was to cut off, though it goes on."""
        return self.moves and any(one.state == cutting.FAILED for one in self.told.steps)

    @property
    def cut_off(self) -> bool:
        """Whether all that was to be cut off is, and it goes on with the rest: what a responder waits to read."""
        alone = apart.by_number(self.change.plan)
        cuts = [one for one in self.told.steps if alone.get(one.number)]
        return self.moves and bool(cuts) and all(one.state == "done" for one in cuts)

    @property
    def proofs(self) -> Sequence[Proof]:
        """Return the lines of proof that are shown."""
        return self.told.proofs[:SHOWN]

    @property
    def proofs_of(self) -> list[tuple[str, list[Proof]]]:
        """Return the lines by the step that proves them; with its title where one pod has lines of several steps."""
        titles = {one.number: f"{one.number}. {one.title}" for one in self.told.steps}
        some = [(number, list(rows)) for number, rows in groupby(self.proofs, key=lambda one: one.step)]
        several = sum(any(one.kind == "pod" for one in rows) for _, rows in some) > 1
        return [(titles.get(number, "") if several else "", rows) for number, rows in some]

    @property
    def more_proofs(self) -> int:
        """Return how many lines of proof are not shown."""
        return max(0, len(self.told.proofs) - SHOWN)

    @cached_property
    def short(self) -> list[Proof]:
        """Return the lines that are no proof, or not yet."""
        return [one for one in self.told.proofs if one.state != "proven"]

    @property
    def proven(self) -> str:
        """Return how much is proven."""
        whole = len(self.told.proofs)
        return f"{whole - len(self.short):,} of {counted(whole, 'line')} proven"

    @property
    def decided(self) -> list[tuple[Verdict, str]]:
        """Return the verdicts, each with how the person proved who they are."""
        return [(one, change_words.PROOFS.get(one.proof, "")) for one in self.told.verdicts]

    @cached_property
    def earlier(self) -> list[Change]:
        """Return what was done to the same subject before."""
        return queries.earlier(self.change, self.scope)


def plan_row(planned: dict[str, Any]) -> PlanRow:
    """Return a step of a plan with its own words."""
    said = planned.get("describe", {})
    title, now, after, undo = (said.get(name, "") for name in ("title", "now", "after", "undo"))
    return PlanRow(planned.get("number", 0), title, now, after, undo, apart.holds_up(planned))


def step_row(step: Step, final: bool, now: datetime) -> StepRow:
    """Return a step as the list draws it."""
    look = {"waiting": "running", "failed": "stopped"}.get(step.state, step.state)
    done, of = int(step.progress.get("done", 0)), int(step.progress.get("of", 0))
    done = of if step.state == "done" else done  # the last look of a step that ends counts nothing
    width = round(BAR * min(done, of) / of) if of else 0
    told = f"{done:,} of {of:,}" if of else ""
    return StepRow(step, look, final, list(step.attempts.all()), change_words.took(step, now), width, told)
