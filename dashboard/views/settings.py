"""Settings > Sources: vaults, logs and receivers' tokens, for administrators; a change asks who one is once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts import step_up
from accounts.may import needs
from accounts.models import User
from audit import connect, sourcing
from audit.models import Device
from dashboard import source_settings
from dashboard.keys import key_of
from dashboard.source_forms import FileForm, ReceiverForm, VaultForm
from dashboard.views.sign_in import page
from vault import policy

NEVER_ALONE = (
    "Never make it the vault's only audit device: a vault that can write to none refuses every call, and a fresh "
    "OpenBao does not start while its http device is down. Keep a file device beside it."
)
FORMS: dict[str, type[Form]] = {"vault": VaultForm, "file": FileForm, "receiver": ReceiverForm}


@require_safe
@needs("sources.change")
def sources(request: HttpRequest) -> HttpResponse:
    """Show vaults, sources and tokens, the forms to add more, and the policy to copy."""
    return _page(request)


def _page(request: HttpRequest, why: str = "", bound: dict[str, Form] | None = None) -> HttpResponse:
    words = {
        "vaults": source_settings.vault_cards(),
        "sources": source_settings.source_rows(),
        "tokens": sourcing.tokens(),
        "policy": policy.hcl(),
        "commands": policy.token_commands(),
        "why": why,
        "forms": {name: form() for name, form in FORMS.items()} | (bound or {}),
    }
    return render(request, "settings/sources.html", words, status=400 if why or bound else 200)


@page
@needs("sources.change")
@step_up.required
def sources_change(request: HttpRequest) -> HttpResponse:
    """Do what the pressed button names; a GET, after proving who one is, leads back to the page."""
    if request.method != "POST":
        return redirect("settings-sources")
    action = request.POST.get("action", "")
    try:
        if action in FORMS:
            form = FORMS[action](request.POST)
            return ADD[action](request, form) if form.is_valid() else _page(request, bound={action: form})
        return _do(request, action)
    except sourcing.NotDone as error:
        return _page(request, str(error))


def _do(request: HttpRequest, action: str) -> HttpResponse:
    """Call the verb that takes the key of a row; raises `NotDone`."""
    actor, key = cast(User, request.user), key_of(request.POST.get("key", "")) or 0
    if action == "revoke":
        sourcing.revoke(key, actor=actor, request=request)
    elif action == "stop":
        sourcing.stop(key, actor=actor, request=request)
    else:
        raise sourcing.NotDone("This button is not one of ours. Nothing was changed.")
    return redirect("settings-sources")


def _add_vault(request: HttpRequest, form: Form) -> HttpResponse:
    given = form.cleaned_data
    wish = connect.Wish(vault=given["vault"], address=given["address"], namespace=given["namespace"])
    sourcing.ask_for_look(wish, actor=cast(User, request.user), request=request)
    return redirect("settings-sources")


def _add_file(request: HttpRequest, form: Form) -> HttpResponse:
    given = form.cleaned_data
    actor = cast(User, request.user)
    sourcing.add_file(given["vault"], given["device"] or "file", given["path"], actor=actor, request=request)
    return redirect("settings-sources")


def _add_receiver(request: HttpRequest, form: Form) -> HttpResponse:
    given = form.cleaned_data
    actor = cast(User, request.user)
    device, token = sourcing.add_receiver(given["vault"], given["device"] or "http", actor=actor, request=request)
    return _token_page(request, device, token)


def _token_page(request: HttpRequest, device: Device, token: str) -> HttpResponse:
    """Show a token that was just made: this once, because only its digest is kept."""
    words = {"device": device, "token": token, "stanza": connect.stanza(token), "never_alone": NEVER_ALONE}
    response = render(request, "settings/token.html", words)
    response.headers["Cache-Control"] = "no-store"
    return response


ADD: dict[str, Callable[[HttpRequest, Form], HttpResponse]] = {
    "vault": _add_vault,
    "file": _add_file,
    "receiver": _add_receiver,
}
