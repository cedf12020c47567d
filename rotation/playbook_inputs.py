"""What was said to a playbook's inputs, settled: defaults filled in, times made moments, wrong kinds refused. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rotation.planning import Refused
from rotation.playbook import Input, Playbook
from rotation.playbook_times import moment, written

LONGEST = 2_000
MOST = 200


def settled(book: Playbook, given: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Return a value for each input, as its kind says. Raises `Refused` with the place of what is wrong."""
    for name in given:
        if name not in book.inputs:
            known = ", ".join(book.inputs)
            raise _wrong(name, f"{book.name} has no input {name[:80]!r}.", f"It takes {known}.")
    return {name: _value(name, one, given.get(name), at) for name, one in book.inputs.items()}


def _value(name: str, one: Input, given: Any, at: datetime) -> Any:
    value = one.default if given in (None, "", []) else given
    if value is None and one.kind not in ("names", "yes"):
        raise _wrong(name, f"{one.title} is missing.", f"Say {name}{f': {one.help}' if one.help else ''}.")
    if one.kind == "yes":
        return _yes(name, value)
    if one.kind == "names":
        return _names(name, value)
    if not isinstance(value, str) or len(value) > LONGEST or "\0" in value:
        raise _wrong(name, f"{name} takes a text of at most {LONGEST:,} characters.")
    if one.kind == "choice" and value not in one.of:
        raise _wrong(name, f"{name} is none of {', '.join(one.of)}.")
    return _moment(name, value, at) if one.kind == "time" else value.strip()


def _yes(name: str, value: Any) -> bool:
    if value not in (None, True, False, "yes", "no", "true", "false"):
        raise _wrong(name, f"{name} takes yes or no.")
    return value in (True, "yes", "true")


def _names(name: str, value: Any) -> list[str]:
    some = value.replace(",", "\n").splitlines() if isinstance(value, str) else value or []
    if not isinstance(some, list) or len(some) > MOST or not all(isinstance(one, str) for one in some):
        raise _wrong(name, f"{name} takes a list of at most {MOST} texts.")
    return [one.strip() for one in some if one.strip()]


def _moment(name: str, value: str, at: datetime) -> str:
    try:
        found = moment(value, at)
    except ValueError as why:
        raise _wrong(name, f"{name}: {why}") from None
    if found >= at:
        raise _wrong(name, f"{name}: {written(found)} is not in the past.", "Give an earlier time.")
    return written(found)


def _wrong(name: str, sentence: str, mend: str = "") -> Refused:
    return Refused(sentence, mend, code="bad_args", field=f"args.inputs.{name}")
