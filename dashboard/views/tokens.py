"""One's own API tokens: the list, making one, and revoking one."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import step_up, tokens
from accounts.areas import scope_of
from accounts.may import needs
from accounts.models import ApiToken, User
from accounts.not_done import NotDone
from dashboard.token_forms import TokenForm
from dashboard.token_list import tokens_of, vaults_within
from dashboard.views.sign_in import again, page, refused


@require_safe
@needs("account.change")
def token_list(request: HttpRequest) -> HttpResponse:
    """List one's own tokens."""
    return render(request, "accounts/tokens.html", {"tokens": tokens_of(cast(User, request.user))})


@page
@needs("account.change")
@step_up.required
def token_new(request: HttpRequest) -> HttpResponse:
    """Make a token for oneself and show it, this once."""
    user = cast(User, request.user)
    form = TokenForm(user, vaults_within(scope_of(user)), request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return again(request, "accounts/token_new.html", form)
    try:
        row, text = tokens.create(user, form.wish(), actor=user, request=request)
    except NotDone as why:
        return refused(request, "accounts/token_new.html", form, why)
    return _shown(request, row, text)


def _shown(request: HttpRequest, row: ApiToken, text: str) -> HttpResponse:
    """Show a token that was just made: this once, because only its digest is kept."""
    address = (settings.KEYBOOK.url or request.build_absolute_uri("/")).rstrip("/")
    return render(request, "accounts/token.html", {"row": row, "token": text, "address": address})


@require_POST
@needs("account.change")
def token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """Revoke one of one's own tokens."""
    user = cast(User, request.user)
    try:
        tokens.revoke(user, token_id, actor=user, request=request)
    except NotDone as why:
        raise Http404(str(why)) from None
    return redirect("account-tokens")
