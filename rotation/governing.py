"""What governed administration shares: the change that a step belongs to, who asked for it, and whom it is about."""

from __future__ import annotations

from collections.abc import Iterable

from accounts.models import User
from rotation.models import Change
from rotation.planning import Refused
from rotation.world import World

GOVERN = "govern"


def change_of(world: World) -> Change:
    """Return the change that a step belongs to, by its name (`C-215`)."""
    return Change.objects.get(pk=int(world.change.removeprefix("C-")))


def asker_of(change: Change) -> User | str:
    """Return who asked, for the trail: whoever asked for a power counts as having given it."""
    asker = User.objects.only("username").filter(pk=change.asker_id or 0).first()
    return asker or change.asker_name


def person(name: str) -> User:
    """Return an active person of this name. Raises `rotation.planning.Refused`."""
    found = User.objects.only("username", "role", "is_active").filter(username=name.replace("\0", "")).first()
    if found is None or not found.is_active:
        raise Refused(f"Nobody active is called “{name[:40]}”.", "Look at the list of people.", code="not_there")
    return found


def names(people: Iterable[int]) -> dict[str, str]:
    """Return the names of people by their numbers as text, as JSON keeps them."""
    return {str(one.pk): one.username for one in User.objects.only("username").filter(pk__in=list(people))}
