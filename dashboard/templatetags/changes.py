"""What pages offer of changes: how many wait for the reader, and the forms that begin with what a page is about."""

from __future__ import annotations

from typing import Any

from django import template

from accounts.may import may
from dashboard import change_offers
from dashboard.change_offers import Way
from dashboard.limits import scope_for
from rotation import queries

register = template.Library()


@register.simple_tag(takes_context=True)
def changes_waiting(context: template.Context) -> int:
    """Return how many changes need the person who reads: a reader decides nothing, and is asked for nothing."""
    request = context["request"]
    if not may(request.user, "changes.ask"):
        return 0
    return queries.for_me(request.user, scope_for(request)).count()


@register.simple_tag
def target_address(form: Any, kind: str) -> str:
    """Return the address of the form of another target, with what was given already."""
    return str(form.address(kind))


@register.inclusion_tag("changes/ways.html", takes_context=True)
def ways(context: template.Context, about: str, *facts: Any) -> dict[str, list[Way]]:
    """Draw the buttons that begin a change of what a page is about; nothing for who may not ask for one."""
    person = context["request"].user
    return {"ways": change_offers.FROM[about](*facts) if may(person, "changes.ask") else []}
