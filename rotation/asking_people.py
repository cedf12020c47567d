"""Asks people in the middle of a change, and takes their answer: one word of one person, kept with the trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Max

from accounts.models import Role, User
from accounts.trail import Detail, without_tokens
from rotation import lifecycle, moves, queries
from rotation.approvers import database_time
from rotation.approving import LONGEST_NOTE, Given, NotApproved
from rotation.ballot import Channel, No
from rotation.bells import ring_on_commit
from rotation.models import Change, Step
from rotation.notice_models import Answer
from rotation.telling import record, tell

GO_ON, STOP = WORDS = ("go_on", "stop")
ROLES = (Role.OPERATOR.value, Role.APPROVER.value, Role.ADMINISTRATOR.value)
LONGEST_QUESTION = 1_000
FRESH = timedelta(minutes=5)


def nobody(question: str, roles: Sequence[str]) -> str:
    """Return why this can't be asked of anybody, "" if it can."""
    if not question.strip() or len(question) > LONGEST_QUESTION:
        return f"A question has 1 to {LONGEST_QUESTION:,} characters."
    if unknown := sorted(set(roles) - set(ROLES)):
        return f"“{unknown[0][:40]}” answers no question. Roles that do are {', '.join(ROLES)}."
    if not User.objects.filter(is_active=True, role__in=roles).exists():
        return f"Nobody active is {' or '.join(roles) or 'asked'}, so nobody could answer. Give somebody the role."
    return ""


def last(change: Change, step: int) -> int:
    """Return the key of the last answer to a step, 0 for none."""
    return change.answers.filter(step=step).aggregate(last=Max("pk"))["last"] or 0


def answer(change: Change, step: int, after: int) -> Answer | None:
    """Return the answer that came after another, if one has."""
    return change.answers.filter(step=step, pk__gt=after).order_by("pk").first()


def unfit(given: Answer, roles: Sequence[str]) -> str:
    """Return why an answer is none, by the person's account as it is now; the worker asks it."""
    person = User.objects.only("username", "role", "is_active").filter(pk=given.person_id).first()
    if person is None or not person.is_active or person.role not in roles:
        return f"{given.person_name} answered and is {person.role if person else 'nobody'} now."
    return "" if given.word in WORDS else f"{given.person_name} answered with no word that is known."


def ask(change: Change, step: int, after: int, question: str, roles: Sequence[str]) -> None:
    """Tell whoever may answer, once for each try."""
    some = User.objects.filter(is_active=True, role__in=roles).values_list("pk", flat=True)
    with transaction.atomic():
        tell("question", change, who=change.asker_name, says=question, people=some,
             key=f"question {change.name} {step} {after}")  # fmt: skip


def asked(change: Change) -> Step | None:
    """Return the step that waits for an answer now, None if none does."""
    if change.state != lifecycle.RUNNING:
        return None
    return queries.asking(change)


def roles_of(step: Step) -> tuple[str, ...]:
    """Return who may answer a step."""
    return tuple(step.args.get("roles") or ROLES)


@transaction.atomic
def give(change: Change, user: User, word: str, plan_hash: str, given: Given, note: str = "") -> Answer:
    """Keep a person's answer to the step that waits, and wake the worker. Raises `NotApproved`."""
    change = Change.objects.select_for_update().get(pk=change.pk)
    step = _open(change, plan_hash)
    _may(user, word, roles_of(step), given, database_time())
    number = step.attempts.aggregate(last=Max("number"))["last"] or 0
    note = without_tokens(note.strip())[:LONGEST_NOTE]
    proof = "api_token" if given.channel == Channel.API else "step_up"
    try:
        with transaction.atomic():
            made = Answer.objects.create(
                change=change, step=step.number, attempt=number, plan_hash=plan_hash, word=word, person_id=user.pk,
                person_name=user.username, proof=proof, note=note,
            )  # fmt: skip
    except IntegrityError:
        raise NotApproved(No(f"Somebody has answered step {step.number} of {change.name} already.", "twice")) from None
    told: dict[str, Detail] = {"step": step.number, "word": word, "plan": plan_hash, "proof": proof, "note": note}
    record(user, "rotation.step.answered", moves.subject(change), about=change, details=told, request=given.request)
    Change.objects.filter(pk=change.pk).update(due_at=None)
    ring_on_commit(change.pk)
    return made


def _open(change: Change, plan_hash: str) -> Step:
    step = asked(change)
    if step is None:
        raise NotApproved(No(f"{change.name} asks nobody now. Look at it again.", "over"))
    if plan_hash != change.plan_hash:
        raise NotApproved(No(f"{change.name} has another plan than the one you looked at. Look again.", "plan_edited"))
    return step


def _may(user: User, word: str, roles: Sequence[str], given: Given, now: datetime) -> None:
    if word not in WORDS:
        raise NotApproved(No(f"“{word[:40]}” is no answer. Say go_on or stop.", "word"))
    if not user.is_active or user.role not in roles:
        raise NotApproved(No(f"You are {user.role or 'nobody'}; {' or '.join(roles)} is asked.", "role"))
    fresh = given.proved_at is not None and timedelta() <= now - given.proved_at <= FRESH
    if given.channel != Channel.API and not fresh:
        raise NotApproved(No("Prove anew who you are: the last proof is more than 5 minutes old.", "stale"))
