"""What pages offer of changes: how many wait for the reader, and the forms that begin with what a page is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.may import may
from dashboard import change_offers, paths, words
from dashboard.change_offers import Way
from dashboard.limits import scope_for
from dashboard.templatetags.keybook import kind_words, teeth
from rotation import playbook_reach, queries

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


@register.simple_tag
def answer_cell(columns: Sequence[str], at: int, value: str) -> SafeString:
    """Draw one cell of an answer of the record as other pages draw its like: proof by teeth, a kind in words."""
    column = columns[at] if at < len(columns) else ""
    return format_html('<td data-of="{}">{}</td>', words.visible(column), _drawn(column, value))


def _drawn(column: str, value: str) -> SafeString | str:
    if not value:
        return "–"
    if column == "proof":
        return teeth(value)
    if column == "kind":
        return kind_words(value)
    kind, colon, rest = value.partition(":")
    if column == "accessor" and colon and kind.startswith("hmac-"):
        return format_html(
            '<span class="quiet whole">{}</span> <span class="mono whole" title="{}">{}</span>',
            kind, value, paths.middle(rest),
        )  # fmt: skip
    if column.endswith("(UTC)"):
        return format_html_join(" ", '<span class="mono whole">{}</span>', ((part,) for part in value.split(" ")))
    return format_html('<span class="mono">{}</span>', words.visible(value))


@register.filter
def record_whole(says: Sequence[str]) -> bool:
    """Tell whether what stands below an answer tells of a record without a hole."""
    return playbook_reach.whole(says)
