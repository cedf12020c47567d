"""Playbooks: the list, and one with what it would do; to run it is to ask for a change. And a change's report."""

from __future__ import annotations

from typing import cast

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.may import may, needs
from accounts.models import User
from dashboard.limits import scope_for
from dashboard.playbook_form import PlaybookForm, fitting
from dashboard.views.sign_in import page
from rotation import asking, playbooks, queries, report, report_markdown
from rotation.actions import Asked, KeyUsed
from rotation.books import witness
from rotation.models import Change
from rotation.planning import Refused
from rotation.playbook import Playbook
from rotation.playbook_yaml import BadPlaybook


@require_safe
@needs("changes.read")
def playbook_list(request: HttpRequest) -> HttpResponse:
    """List the playbooks; with something to respond to, those that fit, and the only one at once."""
    known = playbooks.every()
    fits = fitting(request.GET.dict(), playbooks.good())
    if len(fits) == 1 and may(request.user, "changes.ask"):
        return redirect(f"{reverse('playbook-detail', args=[fits[0].name])}?{request.GET.urlencode()}")
    rows = [(name, one, one in fits) for name, one in known.items() if isinstance(one, Playbook)]
    bad = [one for one in known.values() if isinstance(one, BadPlaybook)]
    words = {
        "rows": sorted(rows, key=lambda row: not row[2]),
        "bad": bad,
        "query": request.GET.urlencode() if fits else "",
    }
    return render(request, "playbooks/list.html", words)


@page
@needs("changes.ask")
def playbook_detail(request: HttpRequest, name: str) -> HttpResponse:
    """Show one playbook: its form, what it would do, and then ask for it."""
    book = playbooks.every().get(name)
    if not isinstance(book, Playbook):
        raise Http404(f"There is no playbook {name}, or its file can't be used: the list says which.")
    sent = request.method == "POST"
    form = PlaybookForm(book, request.POST if sent else request.GET, cast(User, request.user), sent=sent)
    if not sent and not form.filled:
        return render(request, "playbooks/one.html", {"form": form})
    try:
        return _preview_or_ask(request, form)
    except (Refused, KeyUsed) as why:
        form.why = why if isinstance(why, Refused) else Refused(str(why))
    return render(request, "playbooks/one.html", {"form": form}, status=400 if sent else 200)


def _preview_or_ask(request: HttpRequest, form: PlaybookForm) -> HttpResponse:
    """Show the plan, or ask for it if it is the one that was shown; raises `Refused` and `KeyUsed`."""
    body = {**form.want.args, "reason": form.reason}
    asked = Asked(key=form.key, body=body, evidence=form.evidence, request=request)
    if form.asks and (before := asking.asked_before(form.person, asked)) is not None:
        return redirect("change-detail", before.pk)
    form.plan = asking.draw(form.want, scope_for(request), form.looked_at)
    if form.asks:
        if request.POST.get("plan_hash") == form.plan.hash:
            made = asking.ask(form.person, form.want, form.reason, asked, scope_for(request), form.looked_at)
            return redirect("change-detail", made.pk)
        form.why = Refused("The plan is another one than you looked at.", "Look at it again, then ask.")
    return render(request, "playbooks/one.html", {"form": form}, status=409 if form.why else 200)


TYPES = {"md": "text/markdown; charset=utf-8", "json": "application/json"}


@require_POST
@needs("record.export")
def change_report(request: HttpRequest, change_id: int) -> HttpResponse:
    """Send the report of a change as one file, and note in the trail that it was taken."""
    try:
        told = queries.one(change_id, scope_for(request))
    except Change.DoesNotExist as miss:
        raise Http404(f"There is no change C-{change_id}, or none that you may see.") from miss
    form = request.POST.get("form", "")
    if form not in TYPES:
        raise BadRequest(f"A report is written as {' or '.join(TYPES)}. Open the change again and take it from there.")
    whole = report.document(told, witness(), report.now())
    text = report_markdown.markdown(whole) if form == "md" else report.as_json(whole)
    name = f"{told.change.name}.{form}"
    report.taken(cast(User, request.user), told.change, name, request)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type=TYPES[form], headers=headers)
