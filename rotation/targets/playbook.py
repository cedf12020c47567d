"""Runs a playbook: one plan, one hash and one approval over what several targets draw, all of it settled beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from rotation import finds, playbooks, targets
from rotation.composing import Piece, blast_of, needs_of, steps_of
from rotation.estate import NOT_AS_LOOKED_AT, Estate
from rotation.finds import Scene
from rotation.planning import Answer, Drawn, Left, Part, Refused, StepSpec, Wish
from rotation.playbook import EACH, Item, Playbook, filled
from rotation.playbook_inputs import settled
from rotation.playbook_times import moment, written

TITLE = "Run a playbook"
FAMILY = "rotate"  # it may hold rotations; the glass looks at its steps
MOST_STEPS = 500
BEHIND = timedelta(minutes=5)  # by so much the record may be behind without a question being asked of less


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The playbook by its name, what is said to its inputs, and, once they are settled, its SHA-256 and the moment."""

    playbook: str
    inputs: dict[str, Any] = {}
    sha256: str = ""
    at: str = ""


def risk(args: Args) -> str:
    """Return the least: the plan names the class of each of its parts, and the highest of them counts."""
    return "routine"


@dataclass
class _Plan:
    """What is gathered while the entries are gone through."""

    pieces: list[Piece] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the one plan. Raises `Refused`: what can't be planned stops it, unless the playbook names it as left."""
    book = _book(args)
    values, scene = _settled(book, args, wish, estate)
    plan = _Plan()
    known, groups = _found(book, values, scene, plan)
    for at, item in enumerate(book.steps):
        if item.when and not values[item.when]:
            continue
        for row in groups[item.each] if item.each else [{}]:
            _entry(f"steps[{at}]", item, known | {f"{EACH}.{key}": value for key, value in row.items()}, scene, plan)
    return _drawn(book, values, known, scene, plan)


def _book(args: Args) -> Playbook:
    book = playbooks.one(args.playbook)
    if args.sha256 not in ("", book.sha256):
        raise Refused(f"The playbook {book.name} is not the one that this was planned with: its file has changed.",
                      "Look at it, and plan anew.", field="args.sha256")  # fmt: skip
    return book


def _settled(book: Playbook, args: Args, wish: Wish, estate: Estate) -> tuple[dict[str, Any], Scene]:
    """Return the inputs and the scene; the record is asked until a moment that is the same when it is asked again."""
    given = _given_at(args, estate)
    values = settled(book, args.inputs, given or estate.at)
    connection = estate.connection(wish.vault or _vault(book, values, estate), wish.namespace)
    at = (given or _until(connection.vault, estate)).replace(microsecond=0)
    values = settled(book, args.inputs, at)  # what was said to be so long ago is reckoned from that moment
    return values, Scene(estate, connection.vault, connection.namespace.strip("/"), at)


def _given_at(args: Args, estate: Estate) -> datetime | None:
    try:
        given = moment(args.at, estate.at) if args.at else None
    except ValueError as why:
        raise Refused(str(why), code="bad_args", field="args.at") from None
    if given is not None and given > estate.at:
        raise Refused(f"{args.at} is not in the past.", "Leave it out.", code="bad_args", field="args.at")
    return given


def _vault(book: Playbook, values: Mapping[str, Any], estate: Estate) -> str:
    secrets = [values[name] for name, one in book.inputs.items() if one.kind == "secret"]
    return estate.place(secrets[0]).vault if secrets else ""


def _until(vault: str, estate: Estate) -> datetime:
    """Return until when the record is complete, if that is not long ago: what lies before it changes no more."""
    known = estate.books.reach(vault, estate.at - BEHIND).complete_until
    return known if known is not None and estate.at - BEHIND <= known <= estate.at else estate.at


def _found(
    book: Playbook, values: Mapping[str, Any], scene: Scene, plan: _Plan
) -> tuple[dict[str, Any], dict[str, Sequence[Mapping[str, Any]]]]:
    """Ask every question; returns what its `$names` stand for, and the groups."""
    known: dict[str, Any] = dict(values)
    groups: dict[str, Sequence[Mapping[str, Any]]] = {}
    for key, asked in book.find.items():
        kind = finds.kinds()[asked.ask]
        found = kind.find(_args(kind.Args, asked.given, known, f"find.{key}.with"), scene)
        known |= {f"{key}.{fact}": value for fact, value in found.facts.items()}
        groups |= {f"{key}.{name}": rows for name, rows in found.groups.items()}
        plan.answers += found.answers
        plan.left += found.left
    return known, groups


def _entry(path: str, item: Item, known: Mapping[str, Any], scene: Scene, plan: _Plan) -> None:
    if item.leave is not None:
        plan.left.append(Left(**{key: str(filled(value, known.__getitem__)) for key, value in _texts(item.leave)}))
    elif item.step:
        step = StepSpec(item.step, filled(item.given, known.__getitem__))
        plan.pieces.append(Piece("", Drawn("", "", [step])))
    else:
        _target(path, item, known, scene, plan)


def _texts(struct: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    yield from msgspec.structs.asdict(struct).items()


def _target(path: str, item: Item, known: Mapping[str, Any], scene: Scene, plan: _Plan) -> None:
    kind = targets.kinds()[item.target]
    args = _args(kind.Args, item.given, known, f"{path}.with")
    try:
        drawn = _of_one_vault(kind.draw(args, Wish(item.target, scene.vault, scene.namespace), scene.estate), scene)
    except Refused as why:
        if item.refused == "stop" or why.code == NOT_AS_LOOKED_AT:
            raise Refused(f"{kind.TITLE}: {why.sentence}", why.mend, code=why.code, field=f"{path}.with") from why
        plan.left.append(Left(_name(kind.TITLE, args), why.sentence, why.mend))
        return
    part = Part(item.target, drawn.subject, kind.risk(args), kind.FAMILY)
    if part in plan.parts:
        raise Refused(f"{path}: {item.target} of {drawn.subject} is in this plan already.", "Name it once.", field=path)
    plan.parts.append(part)
    plan.pieces.append(Piece(kind.FAMILY, drawn))


def _of_one_vault(drawn: Drawn, scene: Scene) -> Drawn:
    if drawn.vault not in ("", scene.vault):
        raise Refused(f"{drawn.subject} is of the vault {drawn.vault}, and this plan is for {scene.vault}.",
                      "Run it for that vault too.", field="vault")  # fmt: skip
    return drawn


def _name(title: str, args: msgspec.Struct) -> str:
    """Return what an entry was for: its target's words, and the first thing that it names."""
    named = (value for _, value in _texts(args) if isinstance(value, str) and value)
    return f"{title}: {next(named, '')}".removesuffix(": ")


def _args(form: type[Any], given: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Any:
    get: Callable[[str], Any] = known.__getitem__
    try:
        return msgspec.convert(filled(dict(given), get), form)
    except msgspec.ValidationError as error:
        said, _, inner = str(error).replace("`", "").partition(" - at $")
        raise Refused(f"{path}{inner}: {said}.", code="bad_args", field=f"{path}{inner}") from None


def _drawn(book: Playbook, values: dict[str, Any], known: Mapping[str, Any], scene: Scene, plan: _Plan) -> Drawn:
    steps = steps_of(plan.pieces)
    if not plan.parts:
        why = "\n".join(f"{one.subject}: {one.says} {one.mend}".strip() for one in plan.left)
        raise Refused(f"Nothing of {book.name} can be done here.", why)
    if len(steps) > MOST_STEPS:
        raise Refused(f"It comes to {len(steps)} steps; {MOST_STEPS} are the most of one change.", "Narrow it.")
    args = {"playbook": book.name, "inputs": values, "sha256": book.sha256, "at": written(scene.at)}
    return Drawn(
        book.verb, str(filled(book.subject, known.__getitem__)).strip("/"), steps, scene.vault, "",
        blast_of(plan.pieces, steps), needs_of(plan.pieces), plan.parts, plan.left, plan.answers,
        str(filled(book.question, known.__getitem__)), args,
    )  # fmt: skip
