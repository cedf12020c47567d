"""People, for administrators: making, disabling, changing the role."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, cast

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts import areas, entry, people, second_factor, step_up, tokens
from accounts.may import needs
from accounts.models import User
from accounts.not_done import NotDone
from accounts.scope import EVERYTHING
from dashboard.keys import key_of
from dashboard.people_forms import PersonForm
from dashboard.token_list import tokens_of, vaults_within
from dashboard.views.sign_in import again, page, refused
from rotation import approver_keys

VERBS: dict[str, Callable[..., None]] = {
    "disable": people.disable,
    "enable": people.enable,
    "remove-factor": second_factor.remove,
}
VERBS_BY_KEY: dict[str, Callable[..., None]] = {"area-remove": areas.remove, "token-revoke": tokens.revoke}


class _Given(TypedDict):
    """What every verb is given: who does it, and by which request."""

    actor: User
    request: HttpRequest


def _link_page(request: HttpRequest, user: User, code: str) -> HttpResponse:
    """Show a link that was just made: this once, because only its digest is kept."""
    address = entry.address_of(code)
    full = address if address.startswith("http") else request.build_absolute_uri(address)
    return render(request, "accounts/link.html", {"person": user, "link": full})


@require_safe
@needs("people.read")
def people_list(request: HttpRequest) -> HttpResponse:
    """List everybody."""
    rows = User.objects.order_by("-is_active", "username")
    with_factor = second_factor.people_with_one()
    return render(request, "accounts/people.html", {"people": rows, "with_factor": with_factor})


@page
@needs("people.change")
@step_up.required
def person_new(request: HttpRequest) -> HttpResponse:
    """Make a person and show the link that asks for their password."""
    form = PersonForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return again(request, "accounts/new.html", form)
    actor = cast(User, request.user)
    try:
        user, code = people.create(form.cleaned_data["name"], form.cleaned_data["role"], actor=actor, request=request)
    except NotDone as why:
        return refused(request, "accounts/new.html", form, why)
    return _link_page(request, user, code)


def _find(key: int) -> User:
    try:
        return User.objects.get(pk=key)
    except User.DoesNotExist:
        raise Http404("Nobody has this number.") from None


@require_safe
@needs("people.read")
def person(request: HttpRequest, user_id: int) -> HttpResponse:
    """Show one person and what can be done."""
    return _person_page(request, _find(user_id))


def _person_page(request: HttpRequest, user: User, why: str = "") -> HttpResponse:
    words = {
        "person": user,
        "factor": second_factor.totp_of(user),
        "areas": user.areas.order_by("pk"),
        "vaults": vaults_within(EVERYTHING),
        "typed": request.POST,
        "tokens": tokens_of(user),
        "keys": approver_keys.of(user),
        "why": why,
        "roles": [(value, label.lower()) for value, label in User._meta.get_field("role").flatchoices],
    }
    return render(request, "accounts/person.html", words, status=400 if why else 200)


@page
@needs("people.change")
@step_up.required
def person_change(request: HttpRequest, user_id: int) -> HttpResponse:
    """Do one of the verbs to a person; a GET, after proving who one is, leads back to their page."""
    user = _find(user_id)
    if request.method != "POST":
        return redirect("person", user_id)
    action, given = request.POST.get("action", ""), _Given(actor=cast(User, request.user), request=request)
    if action in {"link", "password"}:
        return _link_page(request, user, entry.make_link(user, sets_password=action == "password", **given))
    try:
        _do(action, user, request.POST, given)
    except NotDone as why:
        return _person_page(request, user, str(why))
    return redirect("person", user_id)


def _do(action: str, user: User, form: QueryDict, given: _Given) -> None:
    """Call the verb that the pressed button names; raises `NotDone`."""
    if action == "role":
        people.change_role(user, form.get("role", ""), **given)
    elif action in VERBS:
        VERBS[action](user, **given)
    elif action in VERBS_BY_KEY:
        VERBS_BY_KEY[action](user, key_of(form.get("key", "")) or 0, **given)
    elif action == "area-add":
        parts = (form.get(name, "") for name in ("vault", "namespace", "prefix"))
        areas.add(user, areas.read_area(*parts), **given)
    else:
        raise NotDone("This button is not one of ours. Nothing was changed.")
