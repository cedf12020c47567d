"""`manage.py playbook list|plan|run|report`: what can be run, what would happen, asking for it, and what came of it."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.areas import scope_of
from accounts.may import may
from accounts.models import User
from accounts.scope import EVERYTHING
from rotation import api_told, asking, playbook_schema, playbooks, queries, report, report_markdown
from rotation.actions import Asked, KeyUsed
from rotation.asking import Want
from rotation.books import witness
from rotation.models import Change
from rotation.plan import Plan
from rotation.planning import Refused
from rotation.playbook import Playbook

BAD_INPUT = 2


class Command(BaseCommand):
    """Playbooks from the command line; a run asks for a change, and another person approves it as always."""

    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        some = parser.add_subparsers(dest="verb", required=True, metavar="list|plan|run|report|schema")
        _json(some.add_parser("list", help="what can be run, with the inputs of each"))
        plan = _json(some.add_parser("plan", help="what would happen; nothing does"))
        run = _json(some.add_parser("run", help="ask for it: another person approves it"))
        for one in (plan, run):
            one.add_argument("name", help="the playbook, such as leaked-static-secret")
            one.add_argument("--input", action="append", default=[], metavar="NAME=VALUE", help="may be given again")
            one.add_argument("--vault", default="", help="where the name alone fits several")
            one.add_argument("--namespace", default="", help="the vault's namespace")
        run.add_argument("--user", required=True, help="who asks: an operator, approver or administrator")
        run.add_argument("--reason", required=True, help="why; the approver judges by it")
        run.add_argument("--evidence", default="", help="what it is asked for by: an event, a finding, a ticket")
        run.add_argument("--key", default="", help="asking again with the same key asks only once")
        told = _json(some.add_parser("report", help="the report of a change, as Markdown or JSON"))
        told.add_argument("change", help="such as C-215")
        told.add_argument("--write", metavar="FOLDER", help="write both files there, and print their names")
        some.add_parser("schema", help="the JSON Schema of a playbook")

    def handle(self, *args: Any, **given: Any) -> None:
        """Do it; bad input ends with exit code 2 and one sentence, and nothing is changed."""
        try:
            _VERBS[given["verb"]](self, given)
        except (Refused, KeyUsed) as why:
            raise CommandError(str(why), returncode=BAD_INPUT) from None

    def print(self, text: str) -> None:
        """Print to standard output."""
        self.stdout.write(text.rstrip("\n"))


def _json(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    return parser


def _list(command: Command, given: Mapping[str, Any]) -> None:
    found = playbooks.every()
    if given["json"]:
        command.print(json.dumps({"playbooks": [playbooks.told(name, one) for name, one in found.items()]}))
        return
    for name, one in found.items():
        command.print(f"{name}\n    {one.title + '. ' + one.about if isinstance(one, Playbook) else one}")
        for key, asked in one.inputs.items() if isinstance(one, Playbook) else ():
            said = f" ({', '.join(asked.of)})" if asked.of else ""
            default = "" if asked.default is None else f" [{asked.default}]"
            command.print(f"    --input {key}=  {asked.title}{said}{default}")


def _plan(command: Command, given: Mapping[str, Any]) -> None:
    made = asking.draw(_want(given), EVERYTHING)
    if given["json"]:
        command.print(json.dumps({"playbook": given["name"], **_told(made)}))
    else:
        command.print("\n".join(_lines(made)))


def _told(made: Plan) -> dict[str, Any]:
    return {"risk": made.risk, "args": made.document["args"], "plan": api_told.plan(made.document, made.hash)}


def _run(command: Command, given: Mapping[str, Any]) -> None:
    asker = User.objects.filter(username=given["user"], is_active=True).first()
    if asker is None or not may(asker, "changes.ask"):
        raise Refused(f"{given['user'][:80]!r} may ask for no change.", "Name an active operator with --user.")
    want = _want(given)
    body = {"target": want.target, "args": dict(want.args), "reason": given["reason"]}
    asked = Asked(by="command", key=given["key"], body=body, evidence=given["evidence"])
    change = asking.ask(asker, want, given["reason"], asked, scope_of(asker))
    if given["json"]:
        told = {"id": change.name, "state": change.state, "plan": api_told.plan(change.plan, change.plan_hash)}
        command.print(json.dumps(told))
        return
    steps = len(change.plan["steps"])
    page = f"{settings.KEYBOOK.url}/changes/{change.name}/"
    command.print(f"{change.name} is asked for: {steps} steps. Another person approves it at {page}")


def _report(command: Command, given: Mapping[str, Any]) -> None:
    found = re.fullmatch(r"(?:C-)?([1-9]\d{0,17})", given["change"])
    try:
        told = queries.one(int(found[1]) if found else 0, EVERYTHING)
    except Change.DoesNotExist:
        raise Refused(f"There is no change {given['change'][:40]}.", "Name one such as C-215.") from None
    whole = report.document(told, witness(), report.now())
    if given["write"]:
        files = dict(
            zip(report.names(told.change), (report_markdown.markdown(whole), report.as_json(whole)), strict=True)
        )
        written = _write(Path(given["write"]), files)
        command.print(json.dumps({"files": written}) if given["json"] else "\n".join(written))
        return
    command.print(report.as_json(whole) if given["json"] else report_markdown.markdown(whole))


def _write(folder: Path, files: Mapping[str, str]) -> list[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise Refused(f"{folder} can't be written: {error.strerror}.", "Name another folder.") from None
    return [str(folder / name) for name in files]


def _schema(command: Command, _given: Mapping[str, Any]) -> None:
    command.print(json.dumps(playbook_schema.schema(), indent=2))


_VERBS: Mapping[str, Callable[[Command, Mapping[str, Any]], None]] = {
    "list": _list, "plan": _plan, "run": _run, "report": _report, "schema": _schema,
}  # fmt: skip


def _want(given: Mapping[str, Any]) -> Want:
    inputs = {}
    for one in given["input"]:
        name, equals, value = one.partition("=")
        if not equals or name in inputs:
            why = "stands there twice" if equals else "has no ="
            raise Refused(f"--input {one[:80]} {why}.", "Write --input name=value, each name once.", code="bad_args")
        inputs[name] = value
    args = {"playbook": given["name"], "inputs": inputs}
    return Want(playbooks.TARGET, args, vault=given["vault"], namespace=given["namespace"])


def _lines(made: Plan) -> Sequence[str]:
    """Return a plan for people: the steps, what it touches, what the record says, and what is left."""
    whole = made.document
    lines = [f"{whole['verb']} {whole['subject']} in {whole['vault']} (risk {made.risk})", ""]
    for one in whole["steps"]:
        final = "  CANNOT BE UNDONE" if one["describe"]["undo"] == "cannot be undone" else ""
        lines.append(f"{one['number']:>4}. {one['describe']['title']}{final}")
    touched = ", ".join(f"{one['count']:,} {one['what']}" for one in whole["blast_radius"]["figures"])
    lines += ["", f"Touches {touched}."]
    lines += [f"  ! {one}" for one in whole["blast_radius"]["doubts"]]
    for answer in whole.get("answers", ()):
        lines += ["", answer["title"], *_table(answer["columns"], answer["rows"]), *answer["says"]]
    for one in whole.get("left", ()):
        lines += ["", f"Left: {one['subject']}: {one['says']}", *(f"      {line}" for line in one["mend"].splitlines())]
    return [_visible(line) for line in [*lines, "", f"Plan {made.hash}. Nothing was changed."]]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [columns, *rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
