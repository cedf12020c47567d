"""Makes a plan of what was asked: the target draws it, each step says what it will do, the whole gets its hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.conf import settings

from inventory.freshness import behind
from rotation import apart, steps, targets
from rotation.estate import Estate, Listing
from rotation.misfits import misfit
from rotation.planning import Refused, StepSpec, Wish, digest, document
from rotation.rules import RISKS
from rotation.world import Books

_WHY = "Sources say why."


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan that can be shown and asked for: its document, the SHA-256 of it, its risk and its family."""

    document: dict[str, Any]
    hash: str
    risk: str
    family: str


def make(
    target: str, args: Mapping[str, Any], books: Books, wish: Wish | None = None, listing: Listing | None = None
) -> Plan:
    """Return the plan of a target with its arguments; with a `listing`, the one that was looked at, if it still holds.

    Raises `Refused` with what is wrong and the mend.
    """
    kind = targets.kinds().get(target)
    if kind is None:
        known = ", ".join(targets.names())
        raise Refused(f"No target is called {target!r}.", f"Known are {known}.", code="unknown_target", field="target")
    given, wished = _args(kind, target, args), wish or Wish(target)
    drawn = kind.draw(given, wished, Estate(books, datetime.now(UTC), may_generate(), listing))
    if kind.FAMILY == "revoke" and not drawn.parts:
        drawn = replace(drawn, steps=apart.of_one(drawn.steps))
    if drawn.blast.figures and (unseen := _unseen()):
        drawn = replace(drawn, blast=replace(drawn.blast, doubts=(*drawn.blast.doubts, unseen)))
    whole = document(target, msgspec.to_builtins(given), drawn, [describe(one) for one in drawn.steps])
    told = msgspec.json.decode(msgspec.json.encode(wished))
    whole["wish"] = {name: value for name, value in told.items() if value or name != "window"}
    risk = max([kind.risk(given), *(one.risk for one in drawn.parts)], key=RISKS.__getitem__)
    return Plan(whole, digest(whole), risk, kind.FAMILY)


def _unseen() -> str:
    """Return that pods and workloads may be missing here, and since when; "" where every cluster is seen as it is.

    It names none: who sees one secret alone may not learn of other clusters, and a plan is the same for everybody.
    """
    found = behind()
    if not found:
        return ""
    since = min((one.at for one in found if one.at is not None), default=None)
    of = "1 cluster is" if len(found) == 1 else f"{len(found)} clusters are"
    came = f" Who came since {since:%Y-%m-%d %H:%M} UTC is not counted." if since else " Who is there is not counted."
    return f"{of} not seen as now.{came} {_WHY}"


def about_pictures(doubt: str) -> bool:
    """Tell whether a doubt of a plan is about how old a picture is: that changes by itself, and nothing with it."""
    return doubt.endswith(_WHY)


def may_generate() -> tuple[str, ...]:
    """Return the globs over `vault:secret` that say whose value Keybook may choose; each process has its own word."""
    return tuple(filter(None, map(str.strip, settings.KEYBOOK.may_generate.split(","))))


def risk_of(target: str, args: Mapping[str, Any]) -> str:
    """Return the class that a target gives to its arguments; highest for what no target of ours can read."""
    kind = targets.kinds().get(target)
    try:
        return str(kind.risk(_args(kind, target, args))) if kind is not None else "highest"
    except Refused:
        return "highest"


def describe(step: StepSpec) -> dict[str, Any]:
    """Return a step's own words; raises `LookupError` for an unknown kind."""
    kind = steps.kinds()[step.step]
    return asdict(kind.describe(msgspec.convert(dict(step.args), kind.Args)))


def _args(kind: Any, target: str, args: Mapping[str, Any]) -> Any:
    try:
        return msgspec.convert(dict(args), kind.Args)
    except msgspec.ValidationError as error:
        where, says = misfit(error, kind.Args, "args")
        takes = ", ".join(kind.Args.__struct_fields__)
        said = f"{where.removeprefix('args.')}: {says}"
        raise Refused(
            f"The arguments of {target} are wrong: {said}", f"It takes {takes}.", code="bad_args", field=where
        ) from None
