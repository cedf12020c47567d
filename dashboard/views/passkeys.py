"""One's own passkeys for approvals: those that are pinned, those that wait for an administrator, and a new one."""

from __future__ import annotations

import json
from typing import cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts import step_up
from accounts.may import needs
from accounts.models import User
from dashboard import passkey_page
from dashboard.views.sign_in import page
from rotation import approver_keys, assertions
from rotation.actions import Asked
from rotation.assertions import AssertionRefused
from rotation.books import books
from rotation.models import ApproverKey
from rotation.planning import Refused

STATE = "keybook_passkey"


@page
@needs("changes.approve")
@step_up.required
def passkeys(request: HttpRequest) -> HttpResponse:
    """Show one's passkeys and register one; it is good once another administrator has approved its change."""
    if request.method != "POST":
        return _page(request)
    state, answer = request.session.pop(STATE, None), passkey_page.answer(request.POST.get("assertion", ""))
    if state is None or answer is None:
        return _page(request, "The browser sent no passkey. Begin again.", 400)
    try:
        made = approver_keys.ask(
            cast(User, request.user), answer, state, request.POST.get("name", "").replace("\0", ""),
            by=assertions.party(settings.KEYBOOK.url), books=books(), asked=Asked(request=request),
        )  # fmt: skip
    except (AssertionRefused, Refused) as why:
        return _page(request, str(why), 400)
    return redirect("change-detail", made.pk)


def _page(request: HttpRequest, why: str = "", status: int = 200) -> HttpResponse:
    user = cast(User, request.user)
    words: dict[str, object] = {
        "why": why,
        "pinned": ApproverKey.objects.filter(user_id=user.pk, ended_at=None).order_by("pk"),
        "waiting": approver_keys.waiting(user.username),
    }
    try:
        asked, state = approver_keys.begin(user, assertions.party(settings.KEYBOOK.url))
    except AssertionRefused as refused:
        words["no_key"] = str(refused)
    else:
        request.session[STATE] = state
        words["registers"] = json.dumps(asked.get("publicKey", asked))
    return render(request, "accounts/passkeys.html", words, status=status)
