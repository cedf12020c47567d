"""What a playbook is: its inputs, what it asks the record, its steps, and the `$names` that tie them together. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import msgspec

from rotation.misfits import placed
from rotation.playbook_yaml import BadPlaybook, read

FORM = "keybook.playbook.1"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
WORD = re.compile(r"[a-z][a-z0-9_]*")
_REFERENCE = re.compile(r"\$(\$|[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?)")
EACH = "each"
MOST_STEPS = 50


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that whoever runs it says; `of` are the choices. Without `default` it must be given."""

    title: str
    kind: Literal["text", "secret", "pod", "principal", "entity", "time", "choice", "names", "yes"] = "text"
    help: str = ""
    default: str | bool | list[str] | None = None
    of: tuple[str, ...] = ()

    @property
    def sample(self) -> Any:
        """Return a value of its kind, to try what takes it."""
        return {"choice": self.of[0] if self.of else "", "names": ["x"], "yes": True}.get(self.kind, "x")


class Find(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"given": "with"}):
    """One question, asked when the plan is made: a module of `rotation.finds` with its arguments."""

    ask: str
    given: dict[str, Any] = {}


class Leave(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of something that the plan does not do, and what to do about it."""

    subject: str
    says: str
    mend: str = ""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"given": "with"}):
    """One entry of `steps`: a target, a single step without effect, or what is left to people.

    `each` names a group that a question found: once for each row. `when` names a yes-or-no input. `refused` says what
    becomes of a target that can't be planned: the plan stops (`stop`), or goes on and names it (`leave`).
    """

    target: str = ""
    step: str = ""
    leave: Leave | None = None
    given: dict[str, Any] = {}
    each: str = ""
    when: str = ""
    refused: Literal["stop", "leave"] = "stop"


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; entries of `inputs` and `find` are read one by one, for the sake of their places."""

    form: Literal["keybook.playbook.1"]
    title: str
    verb: str
    about: str
    question: str
    subject: str
    inputs: dict[str, Any]
    steps: list[Any]
    find: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Playbook:
    """One playbook that was read: `name` is its file's, `sha256` of the file's bytes.

    `question` is what its report answers, `subject` what it is about, both with `$names`.
    """

    name: str
    sha256: str
    title: str
    verb: str
    about: str
    question: str
    subject: str
    inputs: Mapping[str, Input]
    find: Mapping[str, Find]
    steps: tuple[Item, ...]

    @property
    def first(self) -> Input:
        """Return the input that says what it is run for."""
        return next(iter(self.inputs.values()))


def load(name: str, data: bytes) -> Playbook:
    """Return the playbook of a file as far as it can be told by itself. Raises `BadPlaybook` with every place."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadPlaybook(name, [f"Byte {error.start} is no UTF-8."]) from None
    troubles: list[str] = []
    whole = _struct(Document, read(name, text), "", troubles)
    if whole is None:
        raise BadPlaybook(name, troubles)
    inputs = {key: _struct(Input, one, f"inputs.{key}", troubles) for key, one in whole.inputs.items()}
    find = {key: _struct(Find, one, f"find.{key}", troubles) for key, one in whole.find.items()}
    steps = [_struct(Item, one, f"steps[{at}]", troubles) for at, one in enumerate(whole.steps)]
    made = Playbook(
        name, sha256(data).hexdigest(), whole.title, whole.verb, whole.about, whole.question, whole.subject,
        {key: one for key, one in inputs.items() if one}, {key: one for key, one in find.items() if one},
        tuple(one for one in steps if one),
    )  # fmt: skip
    troubles += () if troubles else _shape(made)
    if troubles:
        raise BadPlaybook(name, troubles)
    return made


def _struct(form: type[Any], value: Any, path: str, troubles: list[str]) -> Any:
    """Return a value as a Struct, None with a sentence in `troubles` for one that is none."""
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        troubles.append(placed(error, form, path))
        return None


def _shape(book: Playbook) -> Iterator[str]:
    """Yield what is wrong with a playbook by itself: names, choices, and entries that say two things."""
    if not NAME.fullmatch(book.name):
        yield f"The file is called {book.name!r}: a name is made of small letters, digits and single hyphens."
    for key in [*book.inputs, *book.find]:
        if not WORD.fullmatch(key) or key == EACH or (key in book.inputs and key in book.find):
            yield f"{'inputs' if key in book.inputs else 'find'}.{key}: this can't be a name here, or stands twice."
    if not book.inputs:
        yield "inputs: there is none, so it can't be run for anything."
    for key, one in book.inputs.items():
        yield from _input(f"inputs.{key}", one)
    if not 1 <= len(book.steps) <= MOST_STEPS:
        yield f"steps: there are {len(book.steps)}; 1 to {MOST_STEPS} are possible."
    for at, item in enumerate(book.steps):
        said = [name for name in ("target", "step", "leave") if getattr(item, name)]
        if len(said) != 1:
            yield f"steps[{at}]: it has {' and '.join(said) or 'none'} of target, step and leave; one is right."
        if item.refused == "leave" and not item.target:
            yield f"steps[{at}].refused: only a target can be refused."


def _input(path: str, one: Input) -> Iterator[str]:
    if (one.kind == "choice") != bool(one.of):
        yield f"{path}.of: an input has choices if, and only if, its kind is choice."
    wants = {"names": list, "yes": bool}.get(one.kind, str)
    if one.default is not None and not isinstance(one.default, wants):
        yield f"{path}.default: an input of the kind {one.kind} takes {_TYPES[wants]}."
    if one.kind == "choice" and one.default is not None and one.default not in one.of:
        yield f"{path}.default: {one.default!r} is none of {', '.join(one.of)}."


_TYPES = {list: "a list of texts", bool: "yes or no (true, false)", str: "a text"}


def references(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield each `$name` in a value with its place."""
    if isinstance(value, str):
        yield from ((path, found) for found in _REFERENCE.findall(value) if found != "$")
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from references(one, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            yield from references(one, f"{path}[{at}]")


def filled(value: Any, get: Callable[[str], Any]) -> Any:
    """Return a value with its `$names` replaced: a text that is one name alone becomes what it stands for, whole."""
    if isinstance(value, str):
        alone = _REFERENCE.fullmatch(value)
        if alone and alone[1] != "$":
            return get(alone[1])
        return _REFERENCE.sub(lambda found: "$" if found[1] == "$" else _text(get(found[1])), value)
    if isinstance(value, Mapping):
        return {key: filled(one, get) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [filled(one, get) for one in value]
    return value


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
