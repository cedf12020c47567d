"""The first page, and the one field that leads to whatever is named in it."""

from __future__ import annotations

from typing import cast

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.may import needs
from accounts.models import User
from dashboard.forms import AskForm
from dashboard.home_page import HomePage, Present, Question
from dashboard.limits import scope_for
from dashboard.time_range import PRESETS


@require_safe
@needs("record.read")
def home(request: HttpRequest) -> HttpResponse:
    """Show the question, what is wrong, and the last day."""
    return render(
        request, "home/page.html", {"page": HomePage(timezone.now(), scope_for(request), cast(User, request.user))}
    )


@require_safe
@needs("record.read")
def ask(request: HttpRequest) -> HttpResponse:
    """Lead to the one page that the words mean; list what they may mean where that is several things or none."""
    form = AskForm(request.GET)
    if not form.is_valid():
        raise BadRequest("No name holds a null character, or is longer than 1,000 characters.")
    asked, key = form.cleaned_data["q"], request.GET.get("range", "")
    if not asked:
        return redirect("home")
    question = Question(asked, key if key in PRESETS else "30d", scope_for(request))
    if question.answer:
        return redirect(question.answer)
    return render(request, "home/ask.html", {"question": question})


@require_safe
@needs("record.read")
def now(request: HttpRequest) -> HttpResponse:
    """Lead to what is live of the words: a lease, a secret's present, or the pods whose names have them."""
    form = AskForm(request.GET)
    if not form.is_valid():
        raise BadRequest("No name holds a null character, or is longer than 1,000 characters.")
    asked = form.cleaned_data["q"]
    return redirect(Present(asked, scope_for(request), timezone.now()).answer if asked else "home")
