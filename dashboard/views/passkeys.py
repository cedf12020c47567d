"""One's own passkeys for approving: which are pinned, registering one, which asks for a change, and ending one."""

from __future__ import annotations

import json
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts import step_up
from accounts.may import needs
from accounts.models import User
from accounts.not_done import NotDone
from dashboard import passkeys as answers
from dashboard.views.sign_in import page
from rotation import approver_keys, approving, pinned_keys
from rotation.actions import Asked
from rotation.assertions import AssertionRefused
from rotation.books import books
from rotation.planning import Refused

STATE = "passkey_to_be"  # the session's place for what the browser was asked


@page
@needs("changes.approve")
@step_up.required
def passkeys(request: HttpRequest) -> HttpResponse:
    """List one's own passkeys and offer to register one; its answer asks for the change that pins it."""
    if request.method != "POST":
        return _shown(request)
    try:
        return _ended(request) if "end" in request.POST else _asked(request)
    except (AssertionRefused, Refused, NotDone) as why:
        return _shown(request, str(why))


def _ended(request: HttpRequest) -> HttpResponse:
    """End one of their own passkeys at once: that takes power away, so nobody else has to agree."""
    user = cast(User, request.user)
    pinned_keys.end_one(user, request.POST["end"].replace("\0", ""), user, request=request)
    return redirect("account-passkeys")


def _asked(request: HttpRequest) -> HttpResponse:
    by, answer = approving.party(), answers.answer(request.POST.get("assertion", ""))
    state = request.session.pop(STATE, None)
    if by is None or answer is None or not isinstance(state, dict):
        raise AssertionRefused("The browser sent no passkey. Register one with the button.")
    name = request.POST.get("name", "").replace("\0", "")
    asked = Asked(request=request)
    change = approver_keys.ask(cast(User, request.user), answer, state, name, by=by, books=books(), asked=asked)
    return redirect("change-detail", change.pk)


def _shown(request: HttpRequest, why: str = "") -> HttpResponse:
    user, by = cast(User, request.user), approving.party()
    asked = ""
    if by is not None:
        options, request.session[STATE] = approver_keys.begin(user, by)
        asked = json.dumps(options)
    words = {"keys": approver_keys.of(user), "asked": asked, "why": why}
    return render(request, "accounts/passkeys.html", words, status=400 if why else 200)
