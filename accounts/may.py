"""What each role may do: one table that pages, the API and commands ask alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from accounts.models import Role

# Each role may do what the roles before it may. That an approver never approves their own request is no matter of
# roles: it is decided where the request is known.
RANK: dict[str, int] = {role.value: rank for rank, role in enumerate(Role)}

# The verb, and the least role that may do it. A new verb is a new line here, and a row in docs/operations.md.
LEAST: dict[str, Role] = {
    "record.read": Role.READER,  # secrets, events, principals, sources and their health
    "record.export": Role.READER,  # take what one may see away as a file
    "account.change": Role.READER,  # one's own password, second factor and sessions
    "sources.change": Role.ADMINISTRATOR,  # connect a vault, add a log, make or revoke a receiver's token
    "findings.look_into": Role.APPROVER,  # say what a finding was
    "notices.change": Role.ADMINISTRATOR,  # add, try and remove channels of notices
    "people.read": Role.ADMINISTRATOR,
    "people.change": Role.ADMINISTRATOR,  # make, disable, change the role, make a link
    "trail.read": Role.ADMINISTRATOR,
    "changes.read": Role.READER,  # what was asked for, decided and done
    "changes.ask": Role.OPERATOR,  # ask, cancel, resume, break the glass, freeze
    "changes.approve": Role.APPROVER,  # approve, reject, review: what others asked for
}

_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])


class Person(Protocol):
    """Whoever asks: a `User`, or Django's anonymous user, who has no role."""

    @property
    def is_active(self) -> bool:
        """Whether the person may enter at all."""


def least(verb: str) -> Role:
    """Return the least role for `verb`; a verb that is not in the table raises `LookupError`, so no typo allows it."""
    if verb not in LEAST:
        raise LookupError(f"No verb is called {verb}. The table is accounts.may.LEAST.")
    return LEAST[verb]


def may(user: Person, verb: str) -> bool:
    """Return whether `user` may do `verb`; somebody disabled, without a role or not signed in may do nothing."""
    needed = RANK[least(verb)]
    return bool(user.is_active) and RANK.get(getattr(user, "role", ""), -1) >= needed


def needs(verb: str) -> Callable[[_View], _View]:
    """Return a decorator for a view that only those who may do `verb` may open; others get the page for status 403."""
    least(verb)

    def decorate(view: _View) -> _View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not may(request.user, verb):
                raise PermissionDenied(verb)
            return view(request, *args, **kwargs)

        return cast(_View, guarded)

    return decorate
