"""What the list of secrets shows: all of them, those that begin alike, or what a name nearly fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from accounts.scope import Scope
from audit import queries
from dashboard.closing import Closing, list_closing

PAGE = 200


@dataclass
class SecretList:
    """The secrets for the words in the field, from the name `after` on."""

    asked: str
    after: str
    scope: Scope

    @cached_property
    def _rows(self) -> list[queries.SecretRef]:
        """Return the secrets of this page and, if there is one, the first of the next."""
        return queries.secrets(self.asked, PAGE + 1, self.after, scope=self.scope)

    @cached_property
    def secrets(self) -> list[queries.SecretRef]:
        """Return the secrets of this page."""
        return self._rows[:PAGE]

    @cached_property
    def next(self) -> str:
        """Return the name after which the next page begins; empty on the last."""
        return self.secrets[-1].name if len(self._rows) > PAGE else ""

    @cached_property
    def miss(self) -> queries.NotOneSecret | None:
        """Return why the words in the field name no single secret."""
        return self._found if isinstance(self._found, queries.NotOneSecret) else None

    @cached_property
    def exact(self) -> queries.SecretRef | None:
        """Return the one secret that the words name."""
        return self._found if isinstance(self._found, queries.SecretRef) else None

    @cached_property
    def _found(self) -> queries.SecretRef | queries.NotOneSecret | None:
        """Ask for the one secret of this name."""
        if not self.asked:
            return None
        try:
            return queries.find_secret(self.asked, scope=self.scope)
        except queries.NotOneSecret as miss:
            return miss

    @cached_property
    def devices(self) -> list[queries.DeviceState]:
        """Return the audit devices, to tell an empty record from a missing one."""
        return queries.devices(scope=self.scope)

    @cached_property
    def closing(self) -> Closing:
        """Return the closing line."""
        return list_closing(self.devices, more=bool(self.next))
