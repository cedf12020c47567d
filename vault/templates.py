"""Fills the `{{identity...}}` of a policy's path from an identity, or says on which of its fields the path depends."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from vault.durations import seconds

_SLOT = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Name:
    """One alias of an identity: its name at one auth method."""

    accessor: str
    id: str = ""
    name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    custom_metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Membership:
    """One group that an identity is in, directly or through another group; `namespace` ends in `/`, or is empty."""

    id: str
    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """The entity behind a token, as far as a template can ask: a token without an entity has none."""

    id: str
    name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    aliases: Sequence[Name] = ()
    groups: Sequence[Membership] = ()


class ForbiddenValue(Exception):
    """A value that a template may not be filled with; OpenBao 2.7 then refuses every call of the token."""


def balanced(text: str) -> bool:
    """Whether each `{{` of a path has its `}}`."""
    first, *rest = text.split("{{")
    return "}}" not in first and all(one.count("}}") == 1 for one in rest)


def asks(text: str) -> tuple[str, ...]:
    """Return what the templates of a path ask for: `identity.entity.name`; nothing for a plain path."""
    return tuple(slot.strip() for slot in _SLOT.findall(text))


def filled(
    text: str,
    identity: Identity | None,
    *,
    at: datetime,
    namespace: str = "",
    slashes: bool = False,
    wildcards: bool = False,
) -> str | None:
    """Return the path with its templates filled, None if one can't be: then the vault leaves the rule out.

    Raises `ForbiddenValue`.
    `namespace` is the policy's; a value may hold `/`, or `*` and `+`, only where the policy says so; `at` is the time
    that `{{time.now}}` stands for.
    """
    blocked = ("" if slashes else "/") + ("" if wildcards else "*+")
    made, done = [], 0
    for slot in _SLOT.finditer(text):
        asked = slot[1].strip()
        value = _time(asked, at) if asked.startswith("time.") else _value(asked, identity, namespace)
        if value is None:
            return None
        if found := next((one for one in blocked if one in value), ""):
            raise ForbiddenValue(f"{asked} holds {found}, which may not stand in the path {text}")
        made += [text[done : slot.start()], value]
        done = slot.end()
    return "".join([*made, text[done:]])


def could_be(pattern: str, path: str, *, slashes: bool = False) -> str | None:
    """Return the pattern as some identity would fill it so that it fits the path; None if none could.

    A value is taken as short as it fits, and holds no `*` or `+`; a `/` only where the policy allows it.
    """
    part = "[^*+]*?" if slashes else "[^/*+]*?"
    glob = pattern.endswith("*")
    pieces = _SLOT.split(pattern.removeprefix("/").removesuffix("*"))
    made = [part if number % 2 else _plain(one) for number, one in enumerate(pieces)]
    found = re.fullmatch("".join(f"({one})" for one in made) + ("(?s:.*)" if glob else ""), path)
    if found is None:
        return None
    taken = [found[number + 1] if number % 2 else one for number, one in enumerate(pieces)]
    return "".join(taken) + ("*" if glob else "")


def _plain(text: str) -> str:
    """Return the expression for what stands between templates: `+` is a segment only where it is a whole one."""
    return re.sub(r"(?<![^/])\\\+(?![^/])", "[^/]*", re.escape(text))


def _time(asked: str, at: datetime) -> str | None:
    """Return `time.now`, `time.now.plus.1h` or `time.now.minus.1h` in seconds since the epoch."""
    name, _, rest = asked.removeprefix("time.").partition(".")
    sign, _, span = rest.partition(".")
    length = seconds(span) if span else None if rest else 0.0
    if name != "now" or length is None or (rest and sign not in ("plus", "minus")):
        return None
    return str(int(at.timestamp() + (-length if sign == "minus" else length)))


def _value(asked: str, identity: Identity | None, namespace: str) -> str | None:
    """Return the value that a template asks for, None where there is none; an alias's or group's may be empty."""
    if identity is None:
        return None
    for prefix, answer in (("identity.entity.", _of_entity), ("identity.groups.", _of_group)):
        if asked.startswith(prefix):
            return answer(asked.removeprefix(prefix), identity, namespace)
    return None


def _of_entity(asked: str, identity: Identity, _: str) -> str | None:
    if asked.startswith("aliases."):
        accessor, dot, rest = asked.removeprefix("aliases.").partition(".")
        alias = next((one for one in identity.aliases if one.accessor == accessor), None)
        return _of_alias(rest, alias) if alias is not None and dot else None
    if asked.startswith("metadata."):
        return identity.metadata.get(asked.removeprefix("metadata."))
    return {"id": identity.id, "name": identity.name}.get(asked) or None


def _of_alias(asked: str, alias: Name) -> str | None:
    if asked.startswith("metadata."):
        return alias.metadata.get(asked.removeprefix("metadata."))
    if asked.startswith("custom_metadata."):
        return alias.custom_metadata.get(asked.removeprefix("custom_metadata."))
    return {"id": alias.id, "name": alias.name}.get(asked) or None


def _of_group(asked: str, identity: Identity, namespace: str) -> str | None:
    by, _, rest = asked.partition(".")
    wanted, _, asked = rest.partition(".")
    group = next((one for one in identity.groups if _is(one, by, wanted, namespace)), None)
    if group is None:
        return None
    if asked.startswith("metadata."):
        return group.metadata.get(asked.removeprefix("metadata."))
    return group.id if asked == "id" else (group.name or None) if asked == "name" else None


def _is(group: Membership, by: str, wanted: str, namespace: str) -> bool:
    if by == "ids":
        return group.id == wanted
    return by == "names" and group.namespace == namespace and group.name == wanted
