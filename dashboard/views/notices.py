"""Settings > Notices: where people are told, what became of it, and a button that tries; a change asks who one is."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts import step_up
from accounts.may import needs
from accounts.models import User
from accounts.not_done import NotDone
from dashboard.keys import key_of
from dashboard.notices_page import NoticesPage
from dashboard.views.sign_in import page
from rotation import channels
from rotation.channels import EMAIL, WEBHOOK, Wish
from rotation.notice_models import Channel

_NOT_OURS = "This button is not one of ours. Nothing was changed."


@require_safe
@needs("notices.change")
def notices(request: HttpRequest) -> HttpResponse:
    """Show the channels, the form for another one, and the newest deliveries."""
    return render(request, "notices/page.html", {"page": NoticesPage()})


@page
@needs("notices.change")
@step_up.required
def notices_change(request: HttpRequest) -> HttpResponse:
    """Do what the pressed button names; a GET, after proving who one is, leads back to the page."""
    if request.method != "POST":
        return redirect("settings-notices")
    try:
        made = _do(request, request.POST.get("action", ""))
    except NotDone as why:
        shown = NoticesPage(given=request.POST, why=str(why))
        return render(request, "notices/page.html", {"page": shown}, status=400)
    return _secret_page(request, *made) if made and made[1] else redirect("settings-notices")


def _do(request: HttpRequest, action: str) -> tuple[Channel, str] | None:
    """Call the verb; returns a channel with a secret that is to be shown. Raises `NotDone`."""
    actor, key = cast(User, request.user), key_of(request.POST.get("key", "")) or 0
    if action in (WEBHOOK, EMAIL):
        return channels.add(_wish(request, action), actor=actor, request=request)
    if action == "renew":
        return channels.renew(key, actor=actor, request=request)
    verbs = {"end": channels.end, "end_old": channels.end_old, "try": channels.try_out, "again": channels.again}
    if action not in verbs:
        raise NotDone(_NOT_OURS)
    verbs[action](key, actor=actor, request=request)
    return None


def _wish(request: HttpRequest, kind: str) -> Wish:
    given = request.POST
    name, address = (given.get(one, "").replace("\0", "") for one in ("name", "address"))
    return Wish(kind, name, address, tuple(given.getlist("kinds")))


def _secret_page(request: HttpRequest, channel: Channel, secret: str) -> HttpResponse:
    """Show a secret that was just made: this once, because pages can't read it again."""
    words = {"channel": channel, "address": channels.shown(channel), "secret": secret}
    response = render(request, "notices/secret.html", words)
    response.headers["Cache-Control"] = "no-store"
    return response
