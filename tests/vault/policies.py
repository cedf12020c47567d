"""Random policies that love what goes wrong: overlapping globs, `+`, denials, trailing slashes, odd characters."""

from __future__ import annotations

import json
import random

SEGMENTS = (
    *("a", "b", "ab", "abc", "data", "A", "é", "日本", "a b", "x+", "+x", "*"),
    *("a*b", ".", "-", "a%2Fb", "'", "\\", "ä", "a,b", "${a}", '"', "#", "//"),
)
CAPABILITIES = ("create", "read", "update", "delete", "list", "sudo", "patch", "scan")
ASKED = (
    "identity.entity.name",
    "identity.entity.id",
    "identity.entity.metadata.team",
    "identity.entity.metadata.absent",
    "identity.entity.metadata.path",
    "identity.entity.metadata.star",
    "identity.entity.aliases.ACCESSOR.name",
    "identity.entity.aliases.ACCESSOR.id",
    "identity.entity.aliases.ACCESSOR.custom_metadata.team",
    "identity.entity.aliases.nowhere.name",
    "identity.groups.names.near.id",
    "identity.groups.names.far.name",
    "identity.groups.names.far.metadata.team",
    "identity.groups.ids.NEAR.name",
    "identity.groups.names.absent.id",
)


def path(chance: random.Random) -> str:
    """Return a path of one to five segments, now and then with a slash too many."""
    parts = [chance.choice(SEGMENTS[: chance.choice((3, 5, len(SEGMENTS)))]) for _ in range(chance.randint(1, 5))]
    ends = chance.choices(("", "/", "//"), (80, 18, 2))[0]
    begins = chance.choices(("", "/", "//"), (94, 5, 1))[0]
    return begins + "/".join(parts) + ends


def pattern(chance: random.Random, base: str, asked: tuple[str, ...] = ()) -> str:
    """Return a pattern that may well fit a path: some segments are `+` or templates, the end is cut by a `*`."""
    parts = base.split("/")
    for place in range(len(parts)):
        if chance.random() < 0.25:
            parts[place] = "+"
        elif asked and chance.random() < 0.25:
            parts[place] = "{{" + chance.choice(("", " ")) + chance.choice(asked) + "}}"
    made = "/".join(parts)
    if chance.random() < 0.45:
        made = made[: chance.randint(0, len(made))] if "{{" not in made else made
        made += "*"
    elif chance.random() < 0.15:
        made = made.rstrip("/") + "/"
    elif chance.random() < 0.05:
        made = "/" + made
    return made if "+*" not in made else made.replace("+*", "*")


def stanza(chance: random.Random) -> dict[str, object]:
    """Return the fields of one rule."""
    if chance.random() < 0.08:
        return {"policy": chance.choice(("deny", "read", "write", "sudo"))}
    made: dict[str, object] = {"capabilities": chance.sample(CAPABILITIES, chance.choice((0, 1, 1, 2, 2, 3, 8)))}
    if chance.random() < 0.15:
        made["capabilities"] = [*made["capabilities"], "deny"]  # type: ignore[misc]
        chance.shuffle(made["capabilities"])  # type: ignore[arg-type]
    if chance.random() < 0.08:
        made["expiration"] = chance.choice(("2001-01-01T00:00:00Z", "2100-01-01T00:00:00+02:00", "4102444800"))
    if chance.random() < 0.08:
        made["max_wrapping_ttl"] = chance.choice(("1h", 90, "1h30m"))
    if chance.random() < 0.08:
        made["allowed_parameters"] = {"version": [], "x": ["1", "a*"]}
    if chance.random() < 0.05:
        made["comment"] = 'why: { ] " // # {{'
    return made


def text(chance: random.Random, paths: list[str], asked: tuple[str, ...] = ()) -> str:
    """Return the text of a policy of up to six rules, as HCL or as JSON."""
    found = [(pattern(chance, chance.choice(paths), asked), stanza(chance)) for _ in range(chance.randint(1, 6))]
    if chance.random() < 0.3:
        return json.dumps({"path": dict(found)}, ensure_ascii=chance.random() < 0.5)
    lines = ["# made at random"]
    for one, fields in found:
        inside = chance.choice((" ", "\n  ", "\r\n\t"))
        body = inside.join(f"{name} = {_value(value)}" for name, value in fields.items())
        key = chance.choice(("path", '"path"'))
        lines.append(f"{key} {_quoted(one)} {{{inside}{body}{inside}}}{chance.choice(('', ' // x', ' /* y */', ','))}")
    return "\n".join(lines) + chance.choice(("", "\n"))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _value(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + ("," if value else "") + "]"
    if isinstance(value, dict):
        return "{ " + "\n".join(f"{_quoted(name)} = {_value(one)}" for name, one in value.items()) + " }"
    return _quoted(value) if isinstance(value, str) else str(value)
