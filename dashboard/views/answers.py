"""What people say of a change while it runs and after: an answer to a step that asks, the review of a broken glass."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from accounts import step_up
from accounts.may import needs
from dashboard.change_page import ChangePage
from dashboard.views.changes import verb_page, word_of
from dashboard.views.sign_in import page
from rotation import approving, asking_people


@page
@needs("changes.approve")
@step_up.required
def review(request: HttpRequest, change_id: int) -> HttpResponse:
    """Ask what was found, and close the review."""
    return verb_page(request, change_id, "review", _review)


@page
@needs("changes.ask")
@step_up.required
def answer(request: HttpRequest, change_id: int) -> HttpResponse:
    """Ask whether the answer is meant, and keep it."""
    return verb_page(request, change_id, "answer", _answer)


def _review(request: HttpRequest, shown: ChangePage) -> None:
    _hash, given, note = word_of(request)
    approving.review(shown.change, shown.person, given, note)


def _answer(request: HttpRequest, shown: ChangePage) -> None:
    plan_hash, given, note = word_of(request)
    asking_people.give(shown.change, shown.person, request.POST.get("word", ""), plan_hash, given, note)
