"""The parameters of a question, read one by one; what is wrong is a problem that names it and the mend. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches

from kit.problem import Problem

_SHOWN = 60
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)


class Parameters:
    """What stands behind the `?` of an address; one that is not `known`, or stands there twice, is a `Problem`."""

    def __init__(self, given: Mapping[str, Sequence[str]], known: Collection[str]) -> None:
        for name, values in given.items():
            if name not in known:
                raise _unknown(name, known)
            if len(values) > 1:
                said = f"{name} stands there {len(values)} times. Give it once."
                raise Problem("bad-parameter", said, parameter=name)
            if "\0" in values[0]:
                raise Problem("bad-parameter", f"{name} holds a NUL, which no text has. Leave it out.", parameter=name)
        self._given = {name: values[0] for name, values in given.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def text(self, name: str, default: str = "", longest: int = 2_000) -> str:
        """Return a text."""
        value = self._given.get(name, default)
        if len(value) > longest:
            said = f"{name} has {len(value):,} characters; {longest:,} is the most. Shorten it."
            raise Problem("bad-parameter", said, parameter=name)
        return value

    def limit(self, default: int, most: int) -> int:
        """Return how many are wanted, from 1 to `most`."""
        value = self._given.get("limit")
        if value is None:
            return default
        number = int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else 0
        if not 1 <= number <= most:
            said = f"limit={shown(value)} is out of range. Give a whole number from 1 to {most:,}."
            raise Problem("limit-out-of-range", said, parameter="limit", minimum=1, maximum=most)
        return number

    def moment(self, name: str) -> datetime | None:
        """Return a time in UTC, None where there is none; one without an offset is UTC, a date is its midnight."""
        value = self._given.get(name)
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(value.replace(" ", "+") if value.count(" ") == 1 and "T" in value else value)
            moment = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            moment = _LATEST
        if not datetime(1, 1, 2, tzinfo=UTC) < moment < _LATEST:
            said = f"{name}={shown(value)} is no time. Write it as ISO 8601, for example 2026-11-01T10:00:00Z."
            raise Problem("bad-parameter", said, parameter=name)
        return moment

    def window(self) -> tuple[datetime | None, datetime | None]:
        """Return `since` and `until`; a window that ends before it begins is a problem."""
        since, until = self.moment("since"), self.moment("until")
        if since and until and since > until:
            said = f"The window ends at {until:%Y-%m-%dT%H:%M:%SZ}, before it begins at {since:%Y-%m-%dT%H:%M:%SZ}. "
            raise Problem("times-reversed", f"{said}Exchange since and until.", parameter="until")
        return since, until

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Return one of the choices, the first where the parameter is missing."""
        value = self._given.get(name, choices[0])
        if value not in choices:
            said = f"{name} can't be {shown(value)}. It can be {', '.join(filter(None, choices))}."
            raise Problem("bad-parameter", said, parameter=name)
        return value


def shown(text: str) -> str:
    """Return a foreign text as a sentence may show it: short, in quotes, with no control character."""
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return f'"{"".join(char if char.isprintable() else "?" for char in short)}"'


def _unknown(name: str, known: Collection[str]) -> Problem:
    near = next(iter(get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.5)), "")
    told = f"It takes {', '.join(sorted(known))}." if known else "It takes none."
    hint = f" Did you mean {near}?" if near else ""
    said = f"There is no parameter {shown(name)} here. {told}{hint}"
    return Problem("unknown-parameter", said, parameter=name[:_SHOWN], nearest=near)
