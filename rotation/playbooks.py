"""The playbooks of the folder, each checked against what there is: targets, steps, questions and their arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from django.conf import settings

from rotation import finds, playbook, steps, targets
from rotation.governing import GOVERN
from rotation.planning import Refused
from rotation.playbook import EACH, Item, Playbook, filled, references
from rotation.playbook_yaml import BadPlaybook

TARGET = "playbook"  # the kind of the target that runs one: it may not be a part of one
# Steps that change nothing may stand alone; every effect comes by its target, which approval policies are about.
HARMLESS = frozenset({"ask_person", "notify"})
Folder = Mapping[str, Playbook | BadPlaybook]


def folder() -> Path:
    """Return where the playbooks are; each process has its own word, and the worker draws every plan again."""
    return Path(settings.KEYBOOK.playbooks or settings.BASE_DIR / "playbooks")


def every() -> Folder:
    """Return the playbooks by name, in the order of their names; one that can't be used is told so in its place."""
    found: dict[str, Playbook | BadPlaybook] = {}
    for path in sorted(folder().glob("*.yaml")):
        try:
            found[path.stem] = read(path.stem, path.read_bytes())
        except BadPlaybook as why:
            found[path.stem] = why
        except OSError as error:
            found[path.stem] = BadPlaybook(path.stem, [f"The file can't be read: {error.strerror}."])
    return found


def good() -> list[Playbook]:
    """Return those that can be run."""
    return [one for one in every().values() if isinstance(one, Playbook)]


def one(name: str) -> Playbook:
    """Return a playbook by its name. Raises `Refused`, which names those that there are or what is wrong with it."""
    known = every()
    found = known.get(name)
    if found is None:
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        names = ", ".join(known) or f"none: {folder().name}/ holds no .yaml file"
        raise Refused(
            f"No playbook is called {name[:80]!r}.",
            f"{hint}Known are {names}.",
            code="not_there",
            field="args.playbook",
        )
    if isinstance(found, BadPlaybook):
        raise Refused(str(found), "Mend the file.", field="args.playbook")
    return found


def told(name: str, one: Playbook | BadPlaybook) -> dict[str, Any]:
    """Return a playbook as commands and the API show it; of one that can't be used, what is wrong."""
    if isinstance(one, BadPlaybook):
        return {"name": name, "ok": False, "troubles": one.troubles}
    return {
        "name": name, "ok": True, "title": one.title, "verb": one.verb, "about": one.about, "sha256": one.sha256,
        "inputs": [{"name": key, **msgspec.to_builtins(each)} for key, each in one.inputs.items()],
    }  # fmt: skip


@lru_cache(maxsize=64)
def read(name: str, data: bytes) -> Playbook:
    """Return the playbook of a file, checked against everything that it names. Raises `BadPlaybook`."""
    made = playbook.load(name, data)
    troubles = list(_troubles(made))
    if troubles:
        raise BadPlaybook(name, troubles)
    return made


def _troubles(book: Playbook) -> Iterator[str]:
    known: dict[str, Any] = {key: one.sample for key, one in book.inputs.items()}
    for key, asked in book.find.items():
        path = f"find.{key}"
        kind = finds.kinds().get(asked.ask)
        if kind is None:
            yield f"{path}.ask: no question is called {asked.ask!r}. Known are {', '.join(finds.kinds())}."
            continue
        yield from arguments(kind.Args, asked.given, f"{path}.with", known)
        known |= {f"{key}.{fact}": sample for fact, sample in kind.FACTS.items()}
    for name in ("question", "subject"):
        yield from _named(getattr(book, name), name, known)
    for at, item in enumerate(book.steps):
        yield from _item(book, item, f"steps[{at}]", known)


def _item(book: Playbook, item: Item, path: str, known: Mapping[str, Any]) -> Iterator[str]:
    if item.when and getattr(book.inputs.get(item.when), "kind", "") != "yes":
        yield f"{path}.when: {item.when!r} is no input of the kind yes."
    if item.each:
        groups = dict(_groups(book))
        if item.each not in groups:
            yield f"{path}.each: nothing is found as {item.each!r}. Known are {', '.join(groups) or 'none'}."
            return
        known = {**known, **{f"{EACH}.{name}": sample for name, sample in groups[item.each].items()}}
    if item.leave is not None:
        yield from _named(msgspec.to_builtins(item.leave), f"{path}.leave", known)
    elif item.target:
        yield from _kind("target", item.target, usable_targets(), path, item, known)
    elif item.step in steps.kinds() and item.step not in HARMLESS:
        known_targets = ", ".join(usable_targets())
        yield f"{path}.step: {item.step} has an effect, so it comes by a target. Known are {known_targets}."
    else:
        usable = {name: kind for name, kind in steps.kinds().items() if name in HARMLESS}
        yield from _kind("step", item.step, usable, path, item, known)


def _kind(
    word: str, name: str, kinds: Mapping[str, Any], path: str, item: Item, known: Mapping[str, Any]
) -> Iterator[str]:
    if name not in kinds:
        usable = ", ".join(kinds) or "none"
        yield f"{path}.{word}: no {word} is called {name!r} here. Known are {usable}."
        return
    yield from arguments(kinds[name].Args, item.given, f"{path}.with", known)


def usable_targets() -> Mapping[str, Any]:
    """Return the targets that may be parts: who may do what is decided one by one, and no playbook runs another."""
    return {name: kind for name, kind in targets.kinds().items() if name != TARGET and kind.FAMILY != GOVERN}


def _groups(book: Playbook) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, asked in book.find.items():
        kind = finds.kinds().get(asked.ask)
        yield from ((f"{key}.{group}", fields) for group, fields in (kind.GROUPS if kind else {}).items())


def arguments(form: type[Any], given: Mapping[str, Any], path: str, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with arguments that are tried with an example for each `$name`, each with its place."""
    fields = {one.encode_name: one for one in msgspec.structs.fields(form)}
    hints = get_type_hints(form)
    missing = [name for name, one in fields.items() if one.required and name not in given]
    yield from (f"{path}.{name}: this is missing." for name in missing)
    for name, value in given.items():
        place = f"{path}.{name}"
        if name not in fields:
            yield f"{place}: there is no such argument. Known are {', '.join(fields)}."
        elif wrong := list(_named(value, place, known)):
            yield from wrong
        else:
            yield from _fits(value, hints[fields[name].name], place, known)


def _named(value: Any, path: str, known: Mapping[str, Any]) -> Iterator[str]:
    for place, name in references(value, path):
        if name not in known:
            yield f"{place}: ${name} stands for nothing. Known are {', '.join(f'${one}' for one in known)}."


def _fits(value: Any, hint: Any, place: str, known: Mapping[str, Any]) -> Iterator[str]:
    try:
        msgspec.convert(filled(value, known.__getitem__), hint)
    except msgspec.ValidationError as error:
        said, _, inner = str(error).replace("`", "").partition(" - at $")
        yield f"{place}{inner}: {said[:1].lower()}{said[1:]}."
