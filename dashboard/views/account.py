"""One's own account: password, second factor, sessions."""

from __future__ import annotations

from typing import cast

from django.core.exceptions import BadRequest, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from accounts import people, second_factor, sessions, step_up, time_zone
from accounts.may import may, needs
from accounts.models import User
from accounts.not_done import NotDone
from accounts.sign_in import Refused
from dashboard.people_forms import NewPasswordForm, ProofForm
from dashboard.qr import picture
from dashboard.views.sign_in import again, page, refused


@require_safe
@needs("account.change")
def account(request: HttpRequest) -> HttpResponse:
    """Show how one signs in, and where one is signed in."""
    user = cast(User, request.user)
    words = {
        "zones": time_zone.names(),
        "factor": second_factor.totp_of(user),
        "sessions": sessions.of(user),
        "current": request.session.session_key,
        "approves": may(user, "changes.approve"),
    }
    return render(request, "accounts/account.html", words)


@page
@needs("account.change")
@step_up.required
@sensitive_post_parameters()
def password(request: HttpRequest) -> HttpResponse:
    """Take a new password; every other session of one's own ends."""
    form = NewPasswordForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            people.set_password(cast(User, request.user), form.cleaned_data["password"], request=request)
        except ValidationError as wrong:
            form.add_error("password", wrong)
        else:
            return redirect("account")
    return again(request, "accounts/password.html", form)


@page
@needs("account.change")
@step_up.required
@sensitive_post_parameters()
def factor(request: HttpRequest) -> HttpResponse:
    """Set up an app as second factor; or renew its recovery codes, or remove it."""
    user = cast(User, request.user)
    if second_factor.totp_of(user) is None:
        return _set_up(request, user)
    action = request.POST.get("action")
    if action == "renew":
        return _codes(request, second_factor.renew_recovery_codes(request, user))
    if action == "remove":
        second_factor.remove(user, actor=user, request=request)
        return redirect("account")
    return render(request, "accounts/factor.html", status=400 if request.method == "POST" else 200)


def _set_up(request: HttpRequest, user: User) -> HttpResponse:
    """Show the picture for the app until a code proves that the app has it."""
    secret = second_factor.pending_secret(request)
    shown = {"qr": picture(second_factor.app_address(user, secret)), "secret": secret}
    words = {**shown, "must": second_factor.is_missing(request)}
    form = ProofForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return again(request, "accounts/set_up.html", form, **words)
    try:
        codes = second_factor.add(request, user, form.cleaned_data["proof"])
    except Refused as why:
        return refused(request, "accounts/set_up.html", form, why, **words)
    return _codes(request, codes)


def _codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    """Show new recovery codes, once."""
    return render(request, "accounts/codes.html", {"codes": codes})


@require_POST
@needs("account.change")
def choose_time_zone(request: HttpRequest) -> HttpResponse:
    """Print times in another zone from now on."""
    try:
        time_zone.choose(cast(User, request.user), request.POST.get("zone", ""), request=request)
    except NotDone as why:
        raise BadRequest(str(why)) from why
    return redirect("account")


@require_POST
@needs("account.change")
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one of one's own sessions."""
    user = cast(User, request.user)
    if not sessions.end_one(user, session_id, actor=user, request=request):
        raise Http404("No session of yours has this number. It may have ended already.")
    return redirect("account")
