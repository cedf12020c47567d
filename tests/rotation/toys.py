"""Steps whose effect is a counter in memory, for tests of the machine alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec

from rotation import steps
from rotation.models import Change
from rotation.outcomes import Checked, Done, NotDone, Outcome, Sentence
from rotation.planning import digest
from rotation.surroundings import Hands


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No arguments."""

    label: str = ""


@dataclass
class Toy:
    """A step that happens when it runs; `script` overrides what its calls answer, one after the other."""

    script: dict[str, list[Any]] = field(default_factory=dict)
    happened: int = 0
    looks: int = 0
    intents: list[dict[str, Any]] = field(default_factory=list)
    Args: type = Nothing

    def describe(self, args: Nothing) -> Sentence:
        return Sentence(f"Toy {args.label}".strip())

    def check(self, args: Nothing, world: Any) -> Checked:
        return self._next("check", Checked())

    def intend(self, args: Nothing, world: Any) -> dict[str, Any] | Outcome:
        found = self._next("intend", {"before": self.happened})
        if isinstance(found, dict):
            self.intents.append(found)
        return found

    def done(self, args: Nothing, world: Any) -> Outcome:
        self.looks += 1
        return self._next("done", Done("It had happened.") if self.happened > world.intent["before"] else NotDone())

    def run(self, args: Nothing, world: Any) -> Outcome:
        found = self._next("run", None)
        if found is None:
            self.happened += 1
            return Done("It happened.", {"now": self.happened})
        return found

    def _next(self, call: str, otherwise: Any) -> Any:
        found = self.script[call].pop(0) if self.script.get(call) else otherwise
        if callable(found):
            found = found(self)
        if isinstance(found, Exception):
            raise found
        return found


def use(monkeypatch, **toys: Toy) -> None:
    """Let the seam hold these steps alone."""
    monkeypatch.setattr(steps, "kinds", lambda: toys)


def approved(*kinds: str, state: str = "approved", **more: Any) -> Change:
    """Return a change whose plan is these steps."""
    planned = [
        {"number": at, "step": kind, "args": {"label": str(at)}, "describe": {"title": f"Toy {at}"}}
        for at, kind in enumerate(kinds, 1)
    ]
    plan = {"steps": planned}
    return Change.objects.create(
        target="toy", args={}, verb="Toy", subject="toys", reason="to see", asker_name="ann", asker_id=1, state=state,
        plan=plan, plan_hash=digest(plan), expires_at=datetime.now(UTC) + timedelta(hours=1), **more,
    )  # fmt: skip


def hands(**more: Any) -> Hands:
    """Return hands with nothing to hold: no freeze, nothing unsure."""
    given = {"frozen": lambda _change: "", "unsure": lambda _change: ("", ""), "worker": "one", **more}
    return Hands(doors=lambda _change, _step: SimpleNamespace(), witness=SimpleNamespace(), **given)
