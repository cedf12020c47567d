"""Changes: the inbox, the lists, one change, and what people do to it; each verb has a page that asks once more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import step_up
from accounts.may import needs
from accounts.models import User
from dashboard import passkeys
from dashboard.change_form import ChangeForm
from dashboard.change_page import ChangePage
from dashboard.changes_page import ChangeList, InboxPage
from dashboard.keys import key_of
from dashboard.limits import scope_for
from dashboard.middleware import asked_by_htmx
from dashboard.views.parts import part_of
from dashboard.views.sign_in import page
from rotation import actions, approving, asking, queries
from rotation.actions import Asked, KeyUsed
from rotation.approving import Given, NotApproved
from rotation.ballot import Channel, Verdict
from rotation.lifecycle import Forbidden
from rotation.models import Change
from rotation.moves import LostRace
from rotation.planning import Refused


@require_safe
@needs("changes.read")
def inbox(request: HttpRequest) -> HttpResponse:
    """Show what waits for the person who asks, with one change beside it."""
    asked = key_of(request.GET.get("change", "").removeprefix("C-"))
    shown = InboxPage(person_of(request), scope_for(request), timezone.now(), asked, step_up.fresh(request))
    return render(request, "changes/inbox.html", {"inbox": shown, "page": shown.page})


@require_safe
@needs("changes.read")
def running(request: HttpRequest) -> HttpResponse:
    """List what runs, is about to, or stopped."""
    return _list(request, moving=True)


@require_safe
@needs("changes.read")
def change_list(request: HttpRequest) -> HttpResponse:
    """List all changes that the address asks for, the newest first."""
    return _list(request, moving=False)


def _list(request: HttpRequest, *, moving: bool) -> HttpResponse:
    shown = ChangeList.read(request.GET, timezone.now(), person_of(request), scope_for(request), moving=moving)
    return render(request, part_of(request, "changes/list.html", ["list"]), {"page": shown})


@require_safe
@needs("changes.read")
def detail(request: HttpRequest, change_id: int) -> HttpResponse:
    """Show one change; while it runs the page asks for its part again, and for itself when it stands elsewhere."""
    shown = _page(request, change_id)
    if asked_by_htmx(request) and request.GET.get("seen") not in (None, _seen(shown)):
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, part_of(request, "changes/change.html", ["live", "checked"]), _words(shown))


@page
@needs("changes.ask")
def new(request: HttpRequest) -> HttpResponse:
    """Take what somebody wants: a form for the target, its plan to look at, and then the change itself."""
    sent = request.method == "POST"
    form = ChangeForm(request.POST if sent else request.GET, person_of(request), sent=sent)
    if not sent:
        if form.glass and not step_up.fresh(request):
            return redirect(f"{reverse('confirm')}?{urlencode({'next': request.get_full_path()})}")
        return render(request, "changes/new.html", {"form": form, "fresh": step_up.fresh(request)})
    try:
        return _preview_or_ask(request, form)
    except Refused as why:
        form.why = why
    except KeyUsed as why:
        form.renewed, form.why = True, Refused(
            f"This form was sent before and asked for {why.change}, with something else in it.",
            "Preview it again if you want another change beside that one.",
        )  # fmt: skip
    except NotApproved as why:
        form.why = Refused(str(why))
    return render(request, "changes/new.html", {"form": form, "fresh": step_up.fresh(request)}, status=400)


def _preview_or_ask(request: HttpRequest, form: ChangeForm) -> HttpResponse:
    """Show the plan, or ask for it if it is the one that was shown; raises `Refused` and `KeyUsed`."""
    asked = Asked(key=form.key, body=form.body, evidence=form.evidence, request=request)
    if request.POST.get("action") == "ask" and (before := asking.asked_before(form.person, asked)) is not None:
        return redirect("change-detail", before.pk)
    form.plan = asking.draw(form.want, scope_for(request), form.looked_at)
    if request.POST.get("action") == "ask":
        if request.POST.get("plan_hash") == form.plan.hash:
            return redirect("change-detail", _ask(request, form, asked).pk)
        form.why = Refused("The plan is another one than you looked at.", "Look at it again, then ask.")
    return render(
        request, "changes/new.html", {"form": form, "fresh": step_up.fresh(request)}, status=409 if form.why else 200
    )


def _ask(request: HttpRequest, form: ChangeForm, asked: Asked) -> Change:
    """Ask for it, or break the glass for it; raises `Refused`, `KeyUsed` and `NotApproved`."""
    scope = scope_for(request)
    if not form.glass:
        return asking.ask(form.person, form.want, form.reason, asked, scope, form.looked_at)
    if form.text("typed", 200) != form.typed:
        raise Refused(f"Type {form.typed} to go on.", "Nobody approves this.")
    proved_at = step_up.proved_at(request)
    return asking.break_glass(form.person, form.want, form.reason, asked, scope, proved_at, form.looked_at)


@page
@needs("changes.approve")
@step_up.required
def approve(request: HttpRequest, change_id: int) -> HttpResponse:
    """Ask whether the plan is meant to be approved, and approve it."""
    return verb_page(request, change_id, "approve", _approve)


@page
@needs("changes.approve")
@step_up.required
def reject(request: HttpRequest, change_id: int) -> HttpResponse:
    """Ask why it is rejected, and reject it."""
    return verb_page(request, change_id, "reject", _reject)


@page
@needs("changes.ask")
def cancel(request: HttpRequest, change_id: int) -> HttpResponse:
    """Ask whether it is meant to be cancelled, and cancel it."""
    return verb_page(request, change_id, "cancel", _cancel)


@page
@needs("changes.ask")
def pause(request: HttpRequest, change_id: int) -> HttpResponse:
    """Ask before which step it is to wait, and have it wait there."""
    return verb_page(request, change_id, "pause", _pause)


@page
@needs("changes.ask")
def resume(request: HttpRequest, change_id: int) -> HttpResponse:
    """Ask whether it is to go on, and let it."""
    return verb_page(request, change_id, "resume", _resume)


def verb_page(
    request: HttpRequest, change_id: int, verb: str, act: Callable[[HttpRequest, ChangePage], None]
) -> HttpResponse:
    """Show the question, or do what was asked and lead to the change; a refusal stands on the question's page."""
    shown = _page(request, change_id)
    words = {
        **_words(shown),
        "verb": verb,
        "passkey": _passkey(shown, verb),
        "note": request.POST.get("note", request.GET.get("note", ""))[:2_000],
        "word": request.POST.get("word", request.GET.get("word", ""))[:10],
    }
    template = part_of(request, "changes/confirm.html", ["asking"])
    if request.method != "POST":
        return render(request, template, words)
    try:
        act(request, shown)
    except (NotApproved, Forbidden, LostRace) as why:
        return render(request, template, {**words, "why": str(why)}, status=409)
    return redirect("change-detail", change_id)


def _passkey(shown: ChangePage, verb: str) -> str:
    """Return what the browser asks a passkey for this verb, as JSON; "" where none is asked for."""
    asked = approving.passkey_for(shown.change, shown.person, Verdict(verb)) if verb in set(Verdict) else None
    return json.dumps(asked) if asked else ""


def _approve(request: HttpRequest, shown: ChangePage) -> None:
    if shown.final and request.POST.get("typed", "").strip() != shown.typed:
        raise Forbidden(f"Type {shown.typed} to go on: this can't be undone.")
    approving.approve(shown.change, shown.person, *word_of(request))


def _reject(request: HttpRequest, shown: ChangePage) -> None:
    approving.reject(shown.change, shown.person, *word_of(request))


def word_of(request: HttpRequest) -> tuple[str, Given, str]:
    """Return the hash of the plan that was looked at, how the word came, and the note."""
    given = Given(
        Channel.PAGE, request=request, proved_at=step_up.proved_at(request), impersonator=step_up.opened_by(request),
        assertion=passkeys.answer(request.POST.get("assertion", "")), by=approving.party(),
    )  # fmt: skip
    return request.POST.get("plan_hash", ""), given, request.POST.get("note", "").replace("\0", "")[:2_000]


def _cancel(request: HttpRequest, shown: ChangePage) -> None:
    asking.may_cancel(shown.change, shown.person)
    actions.cancel(shown.change, shown.person, http=request)


def _pause(request: HttpRequest, shown: ChangePage) -> None:
    actions.pause(shown.change, shown.person, key_of(request.POST.get("before", ""), 1_000) or 0, http=request)


def _resume(request: HttpRequest, shown: ChangePage) -> None:
    actions.resume(shown.change, shown.person, http=request)


def person_of(request: HttpRequest) -> User:
    """Return who is signed in."""
    return cast(User, request.user)


def _page(request: HttpRequest, change_id: int) -> ChangePage:
    try:
        told = queries.one(change_id, scope_for(request))
    except Change.DoesNotExist as miss:
        raise Http404(f"There is no change C-{change_id}, or none that you may see.") from miss
    return ChangePage(told, person_of(request), scope_for(request), timezone.now(), fresh=step_up.fresh(request))


def _words(shown: ChangePage) -> dict[str, object]:
    return {"page": shown, "seen": _seen(shown)}


def _seen(shown: ChangePage) -> str:
    """Return what makes the page another one: its state, and whether a cancel or a pause is wanted."""
    pause = f"-pause-{shown.change.pause_before}" if shown.change.pause_before else ""
    return f"{shown.change.state}{'-cancel' if shown.change.cancel_wanted else ''}{pause}"
