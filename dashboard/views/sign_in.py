"""The doors: signing in by password or by a one-time link."""

from __future__ import annotations

from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from accounts.entry import LinkSpent, consume
from dashboard.forms import CodeForm, SignInForm

BACKEND = "django.contrib.auth.backends.ModelBackend"


@method_decorator(login_not_required, name="dispatch")
class SignIn(views.LoginView):
    """Ask for name and password; somebody already signed in goes on to the first page."""

    template_name = "sign_in/password.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest) -> HttpResponse:
    """Show the button for a one-time link (GET changes nothing), or spend its code and sign in (POST)."""
    form = CodeForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "sign_in/link.html", {"form": form}, status=400 if form.is_bound else 200)
    try:
        user = consume(form.cleaned_data["code"])
    except LinkSpent as spent:
        form.add_error("code", str(spent))
        return render(request, "sign_in/link.html", {"form": form}, status=400)
    login(request, user, backend=BACKEND)
    return redirect("home")
