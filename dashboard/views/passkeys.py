"""One's own passkeys for approving: which are pinned, and registering one, which asks for a change."""

from __future__ import annotations

import json
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts import step_up
from accounts.may import needs
from accounts.models import User
from dashboard import passkeys as answers
from dashboard.views.sign_in import page
from rotation import approver_keys, approving
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
        return _asked(request)
    except (AssertionRefused, Refused) as why:
        return _shown(request, str(why))


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
