"""Writes a report as Markdown, for an incident's ticket: the same facts as its JSON, the long lists cut. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

MOST = 200  # rows of one table; the JSON has all
_LIVE = re.compile(r"[\\`*\[\]<>|#]")


def text(value: object) -> str:
    """Return a text that Markdown draws as it stands: others wrote much of it."""
    plain = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(value))
    return _LIVE.sub(lambda found: f"\\{found[0]}", plain)


def markdown(found: Mapping[str, Any]) -> str:
    """Return the report as a file."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    change = found["change"]
    yield f"# {change['id']} {text(change['verb'])} {text(change['subject'])}"
    yield f"\n**{text(found['question'])}**\n"
    yield f"State: **{change['state']}**. {text(change['says'] or '')}".rstrip()
    yield f"Written {found['made_at']} by Keybook; `{change['id']}.json` holds the same in full."
    yield from _coverage(found)
    yield from _people(change)
    for answer in change["plan"].get("answers", ()):
        yield f"\n## {text(answer['title'])}\n"
        yield from _table(answer["columns"], answer["rows"])
        yield from (f"\n{text(one)}" for one in answer["says"])
    yield from _steps(found)
    yield from _proofs(change)
    yield from _left(change)
    yield from _trail(found)


def _coverage(found: Mapping[str, Any]) -> Iterator[str]:
    known = found["coverage"]
    yield "\n## How far the record is known\n"
    if known["vault"] is None:
        yield "Nothing of it is in a vault's record."
        return
    until = known["complete_until"] or "an unknown time: a source was never read to its end"
    yield f"The record of {text(known['vault'])} is complete until {text(until)}."
    whole = "covers all of the run" if known["covers_the_run"] else "does **not** cover all of the run"
    yield f"It {whole}."
    yield from (f"- not known: {text(one)}" for one in [*known["holes"], *known["troubles"]])


def _people(change: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Who asked and who approved\n"
    yield f"- asked by {text(change['asked_by'])} ({text(change['asked_through'])}) at {change['asked_at']}: "
    yield f"  {text(change['reason'])}"
    if change["evidence"]:
        yield f"- asked for by {text(change['evidence'])}"
    rule = change["rule"]
    needs = f"{rule['approvers']} of {', '.join(rule['roles'])}, by {rule['proof']} or better"
    yield f"- rule “{text(rule['name'])}”: {needs}"
    for one in change["verdicts"]:
        void = " (void)" if one["void"] else ""
        note = f": {text(one['note'])}" if one["note"] else ""
        yield f"- {one['verdict']} by {text(one['person'])} at {one['at']}, proof {text(one['proof'])}{void}{note}"
    if change["break_glass"]:
        yield "- the glass was broken: nobody approved it beforehand"
    yield f"- plan SHA-256 `{change['plan_hash']}`"


def _steps(found: Mapping[str, Any]) -> Iterator[str]:
    change = found["change"]
    yield "\n## What was done\n"
    if not change["steps"]:
        yield "Nothing. The plan:\n"
        yield from (f"{one['number']}. {text(one['describe']['title'])}" for one in change["plan"]["steps"])
        return
    for one in change["steps"]:
        seen = f"; seen in Vault's log at {one['seen_in_audit_log']}" if one["seen_in_audit_log"] else ""
        said = [text(part).rstrip(".") for part in (one["title"], one["says"]) if part]
        yield f"{one['number']}. **{one['state']}** {'. '.join(said)}{seen}."
    yield "\n### Each call that changed something, by Vault's own log\n"
    calls = [one for one in found["calls"] if one["changes_something"]]
    yield from _table(
        ("step", "at", "call", "outcome", "event", "request"),
        [(one["step"], one["at"], f"{one['operation']} {one['path']}", one["outcome"], one["event"], one["request_id"])
         for one in calls],
    )  # fmt: skip
    yield from (f"\n**Disagreement:** {text(one)}" for one in found["disagreements"])


def _proofs(change: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## What is proven\n"
    proven = sum(1 for one in change["proofs"] if one["state"] == "proven")
    yield f"{proven} of {len(change['proofs'])} lines are proven.\n"
    rows = [
        (one["state"], one["kind"], one["subject"], one["holds"], one["grade"], one["says"], one["at"], one["event"])
        for one in change["proofs"]
    ]
    yield from _table(("state", "what", "name", "holds", "proof", "says", "at", "event"), rows)


def _left(change: Mapping[str, Any]) -> Iterator[str]:
    left = change["plan"].get("left", ())
    if left:
        yield "\n## Left to people\n"
    for one in left:
        mend = "".join(f"\n  {text(line)}" for line in one["mend"].splitlines())
        yield f"- **{text(one['subject'])}**: {text(one['says'])}{mend}"


def _trail(found: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Trail\n"
    rows = [(one["position"], one["at"], one["who"], one["did"], one["hash"]) for one in found["trail"]["entries"]]
    yield from _table(("entry", "at", "who", "did", "hash"), rows)
    if head := found["trail"]["head"]:
        yield f"\nHead of the trail: entry {head['position']}, `{head['hash']}`, {head['at']}."


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    some = list(rows)
    if not some:
        yield "None."
        return
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in some[:MOST]:
        yield f"| {' | '.join('' if value is None else text(value) for value in row)} |"
    if len(some) > MOST:
        yield f"\n{len(some) - MOST:,} more rows are in the JSON."
