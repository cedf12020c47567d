"""The doors: by password, by single sign-on, by a one-time link; the second factor, and the way out."""

from __future__ import annotations

from http import HTTPStatus
from time import time
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.decorators import login_stage_required
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.stages import AuthenticateStage
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import entry, oidc, people, second_factor, sign_in, step_up
from accounts.adapters import safe
from accounts.models import User
from dashboard.forms import CodeForm
from dashboard.people_forms import NewPasswordForm, ProofForm, SignInForm

MAY_CHOOSE = "may_choose_password"  # the session's place for whose password may be set, and since when

page = require_http_methods(["GET", "HEAD", "POST"])


def refused(request: HttpRequest, template: str, form: Form, why: Exception, **words: Any) -> HttpResponse:
    """Show a form again with the sentence of a refusal: 429 while locked out, else 400."""
    locked = isinstance(why, sign_in.LockedOut | entry.TooManyCodes)
    form.add_error(None, str(why))
    status = HTTPStatus.TOO_MANY_REQUESTS if locked else HTTPStatus.BAD_REQUEST
    return render(request, template, {"form": form, **words}, status=status)


def again(request: HttpRequest, template: str, form: Form, **words: Any) -> HttpResponse:
    """Show a form: anew, or with what is missing in it."""
    status = HTTPStatus.BAD_REQUEST if form.is_bound else HTTPStatus.OK
    return render(request, template, {"form": form, **words}, status=status)


@login_not_required
@page
@sensitive_post_parameters()
def by_password(request: HttpRequest) -> HttpResponse:
    """Ask for name and password; somebody already signed in goes on to the first page."""
    if request.user.is_authenticated:
        return redirect("home")
    following = request.POST.get("next") or request.GET.get("next") or ""
    words = {
        "next": following if safe(request, following) else "",
        "oidc": settings.KEYBOOK.oidc_name if oidc.is_configured() else "",
        "note": request.session.pop(oidc.NOTE, "") if oidc.NOTE in request.session else "",
    }
    form = SignInForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return again(request, "sign_in/password.html", form, **words)
    try:
        user = sign_in.check_password(request, form.cleaned_data["username"], form.cleaned_data["password"])
    except sign_in.Refused as why:
        return refused(request, "sign_in/password.html", form, why, **words)
    return sign_in.proceed(request, user, "password", words["next"])


@login_stage_required(stage=AuthenticateStage.key, redirect_urlname="sign-in")  # type: ignore[untyped-decorator]
@page
@sensitive_post_parameters()
def second(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor of somebody whose first one was right."""
    stage = request._login_stage  # type: ignore[attr-defined]
    form = ProofForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return again(request, "sign_in/second.html", form)
    try:
        kind = second_factor.spend(request, stage.login.user, form.cleaned_data["proof"])
    except sign_in.Refused as why:
        return refused(request, "sign_in/second.html", form, why)
    record_authentication(request, stage.login.user, method="mfa", type=kind)
    return cast(HttpResponse, stage.exit())


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    get_adapter(request).logout(request)
    return redirect("sign-in")


@login_not_required
@require_safe
def oidc_begin(request: HttpRequest) -> HttpResponse:
    """Go to the single sign-on's own page."""
    if not oidc.is_configured():
        raise Http404("Single sign-on is not set up here. KEYBOOK_OIDC_ISSUER names the issuer.")
    return oidc.begin(request, request.GET.get("next"))


@login_not_required
@require_safe
def oidc_back(request: HttpRequest) -> HttpResponse:
    """Come back from it."""
    if not oidc.is_configured():
        raise Http404("Single sign-on is not set up here. KEYBOOK_OIDC_ISSUER names the issuer.")
    return oidc.finish(request)


@login_not_required
@page
@sensitive_post_parameters()
def enter(request: HttpRequest) -> HttpResponse:
    """Show the button for a one-time link (GET changes nothing), or spend its code and go on (POST)."""
    form = CodeForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return again(request, "sign_in/link.html", form)
    try:
        link = entry.enter(request, form.cleaned_data["code"])
    except entry.LinkSpent as why:
        return refused(request, "sign_in/link.html", form, why)
    if request.user.is_authenticated:
        get_adapter(request).logout(request)
    if not link.sets_password:
        return sign_in.proceed(request, link.user, "link")
    request.session.cycle_key()
    request.session[MAY_CHOOSE] = [link.user.pk, time(), link.user.get_session_auth_hash()]
    return redirect("enter-password")


def _who_may_choose(request: HttpRequest) -> User | None:
    """Return whose password this session may set, because it spent a link for that within the last quarter hour.

    Like a session, that ends when the person is shut out or gets another password or role meanwhile.
    """
    key, since, carried = request.session.get(MAY_CHOOSE, [None, 0, ""])
    if time() - since > entry.LIFETIME.total_seconds():
        return None
    user = User.objects.filter(pk=key, is_active=True).first()
    return user if user and constant_time_compare(carried, user.get_session_auth_hash()) else None


@login_not_required
@page
@sensitive_post_parameters()
def choose_password(request: HttpRequest) -> HttpResponse:
    """Take the new password of somebody who came by a link for that, and sign them in."""
    user = _who_may_choose(request)
    if user is None:
        return redirect("enter")
    form = NewPasswordForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            people.set_password(user, form.cleaned_data["password"], request=request)
        except ValidationError as wrong:
            form.add_error("password", wrong)
        else:
            del request.session[MAY_CHOOSE]
            return sign_in.proceed(request, user, "link")
    return again(request, "sign_in/choose.html", form, person=user)


@page
@sensitive_post_parameters()
def confirm(request: HttpRequest) -> HttpResponse:
    """Take a fresh proof of who one is, and go back to what asked for it."""
    user = cast(User, request.user)
    following = request.POST.get("next") or request.GET.get("next") or ""
    onward = following if safe(request, following) else "/"
    words = {"next": onward, "code": step_up.wants_code(user)}
    form = ProofForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return again(request, "sign_in/confirm.html", form, **words)
    try:
        step_up.confirm(request, form.cleaned_data["proof"])
    except sign_in.Refused as why:
        return refused(request, "sign_in/confirm.html", form, why, **words)
    return redirect(onward)
