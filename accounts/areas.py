"""The areas to which a person's view is limited: who has which, and how they change; without any, all is seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from accounts.models import AreaRow, PersonArea, User
from accounts.not_done import NotDone
from accounts.scope import Area, Scope
from accounts.trail import Detail, person, record

MOST = 20


def area_of(row: AreaRow) -> Area:
    """Return the area that a row holds."""
    return Area(row.vault, row.namespace, row.prefix)


def scope_of(person: Any) -> Scope:
    """Return how far a person's view reaches; whoever is not signed in reaches what a door lets them, nothing here."""
    if not isinstance(person, User):
        raise TypeError("Only a signed-in person has a scope. Ask after the door has let somebody in.")
    return Scope.of(area_of(row) for row in PersonArea.objects.filter(user=person).order_by("pk"))


def read_area(vault: str = "", namespace: str = "", prefix: str = "") -> Area:
    """Return the area that somebody typed, without the slashes around its parts; raises `NotDone`."""
    area = Area(vault.strip(), namespace.strip().strip("/"), prefix.strip().strip("/"))
    for name, limit in AreaRow.LONGEST.items():
        text = getattr(area, name)
        if not text.isprintable() or len(text) > limit:
            raise NotDone(f"The {name} of an area has at most {limit} characters, all of them printable.")
    if "*" in area.prefix:
        raise NotDone(f"“{area.prefix[:60]}” has a star. An area covers all below its path: leave the star out.")
    if area == Area():
        raise NotDone("An area needs a vault, a namespace or a path. Leave it out to limit nothing.")
    return area


def read_areas(vault: str, namespace: str, prefixes: Iterable[str]) -> list[Area]:
    """Return the areas of several paths of one namespace; without anything none, which limits nothing."""
    paths = [path for path in prefixes if path.strip()]
    if not (paths or vault.strip() or namespace.strip()):
        return []
    return [read_area(vault, namespace, path) for path in paths or [""]]


def in_words(areas: Iterable[Area]) -> list[str]:
    """Return areas as the trail and the pages print them: `prod`, `prod, namespace eu, secret/prod`."""
    return [_words(area) for area in areas]


def _words(area: Area) -> str:
    namespace = f"namespace {area.namespace}" if area.namespace else ""
    return ", ".join(part for part in (area.vault or "any vault", namespace, area.prefix) if part)


@transaction.atomic
def add(user: User, area: Area, *, actor: User | str, request: HttpRequest | None = None) -> None:
    """Let a person see this area; the first one limits them to it. Their sessions and tokens go on within it."""
    before = _locked(user, actor)
    if area in map(area_of, before):
        raise NotDone(f"{user.username} has the area {_words(area)} already.")
    if len(before) >= MOST:
        raise NotDone(f"{user.username} has {MOST} areas, and more than that nobody keeps in mind. Remove one first.")
    made = PersonArea.objects.create(user=user, vault=area.vault, namespace=area.namespace, prefix=area.prefix)
    _tell(user, before, [*before, made], actor, request)


@transaction.atomic
def remove(user: User, area_id: int, *, actor: User | str, request: HttpRequest | None = None) -> None:
    """Take an area away; without the last one, a person sees everything again."""
    before = _locked(user, actor)
    if area_id not in {row.pk for row in before}:
        raise NotDone(f"{user.username} has no such area. It may be gone already; look again.")
    PersonArea.objects.filter(pk=area_id, user=user).delete()
    _tell(user, before, [row for row in before if row.pk != area_id], actor, request)


def _locked(user: User, actor: User | str) -> list[PersonArea]:
    """Return a person's areas, which nobody else changes meanwhile; nobody changes their own."""
    if actor == user:
        raise NotDone("You can't change your own areas. Another administrator can.")
    User.objects.select_for_update().get(pk=user.pk)
    return list(PersonArea.objects.filter(user=user).order_by("pk"))


def _tell(
    user: User, before: list[PersonArea], after: list[PersonArea], actor: User | str, request: HttpRequest | None
) -> None:
    facts: dict[str, Detail] = {
        name: in_words(map(area_of, rows)) for name, rows in (("before", before), ("after", after))
    }
    record(actor, "accounts.areas.changed", person(user), details=facts, request=request)
