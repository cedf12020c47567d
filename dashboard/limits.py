"""How far the view of whoever asks reaches, looked up once for each request."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.areas import scope_of
from accounts.scope import Scope

_KEPT = "keybook_scope"


def scope_for(request: HttpRequest) -> Scope:
    """Return the scope of the person who is signed in; raises `TypeError` when nobody is."""
    kept = getattr(request, _KEPT, None)
    if not isinstance(kept, Scope):
        kept = scope_of(request.user)
        setattr(request, _KEPT, kept)
    return kept
