"""Takes the wrapping token of a rotation from whoever asked for it; the page never shows one."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from accounts.may import needs
from accounts.models import User
from dashboard.limits import scope_for
from dashboard.views.sign_in import page
from rotation import handing, queries
from rotation.approving import NotApproved
from rotation.lifecycle import Forbidden
from rotation.models import Change
from rotation.planning import Refused


@sensitive_post_parameters()
@page
@needs("changes.ask")
def hand_over(request: HttpRequest, change_id: int) -> HttpResponse:
    """Ask for the token, and take it; a refusal stands on the page, the token does not."""
    change = queries.seen(scope_for(request)).filter(pk=change_id).first()
    if change is None:
        raise Http404(f"There is no change C-{change_id}, or none that you may see.")
    words = {"change": change, "before": handing.latest(change), "keys": _keys(change)}
    if request.method != "POST":
        return render(request, "changes/hand_over.html", words)
    try:
        assert isinstance(request.user, User)  # noqa: S101 - whoever may ask is signed in
        handing.hand_over(change, request.user, request.POST.get("token", ""), http=request)
    except (NotApproved, Refused, Forbidden) as why:
        return render(request, "changes/hand_over.html", {**words, "why": str(why)}, status=409)
    return redirect("change-detail", change_id)


def _keys(change: Change) -> list[str]:
    """Return the keys that the wrapped value must hold."""
    found = [one["args"].get("keys", []) for one in change.plan["steps"] if one["step"] == handing.STEP]
    return list(found[0]) if found else []
