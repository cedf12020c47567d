"""The areas to which a person is limited, as rows; a person without any sees everything."""

from __future__ import annotations

from typing import Any

from accounts.models import PersonArea, User
from accounts.scope import Area, Scope


def scope_of(person: Any) -> Scope:
    """Return how far a person's view reaches; whoever is not signed in reaches what a door lets them, nothing here."""
    if not isinstance(person, User):
        raise TypeError("Only a signed-in person has a scope. Ask after the door has let somebody in.")
    rows = PersonArea.objects.filter(user=person).order_by("pk")
    return Scope.of(Area(row.vault, row.namespace, row.prefix) for row in rows)
