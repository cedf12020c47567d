"""Which ballot of a change a person's word belongs to: one that was void once is none in any later ballot."""

from __future__ import annotations

from django.db.models import Case, F, Value, When

from rotation.models import Change, Verdict


def of(change: Change, person_id: int) -> str:
    """Return what a passkey signs besides change, plan, facts and verdict, read anew from PostgreSQL.

    The first number grows whenever what was approved is no longer so, and only the worker writes it: facts that come
    back are another ballot. The second is how many approvals of this person were struck; nobody takes those rows away.
    """
    grown = Change.objects.filter(pk=change.pk).values_list("ballot", flat=True).first()
    struck = Verdict.objects.filter(change_id=change.pk, person_id=person_id, verdict="approve", void=True).count()
    return f"{grown or 0}.{struck}"


def next_one(change: Change) -> None:
    """Begin another ballot: nothing that was signed before counts any more."""
    Change.objects.filter(pk=change.pk).update(ballot=F("ballot") + 1)


def next_if_other(facts_hash: str) -> Case:
    """Return the value of the column where a look found these facts: the same ballot where they are the same."""
    return Case(When(facts_hash=Value(facts_hash), then=F("ballot")), default=F("ballot") + 1)
