"""The words of a notice, for a person at 3 a.m. and for a machine: what, to what, what to do next, and where. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Said:
    """A notice in words: a title of one line, sentences, and what to do next; `link` is empty without KEYBOOK_URL."""

    title: str
    lines: tuple[str, ...]
    next: str
    link: str

    @property
    def text(self) -> str:
        """Return it as the text of a mail."""
        end = (self.link,) if self.link else ()
        return "\n\n".join((f"{self.title}.", *self.lines, f"Next: {self.next}", *end)) + "\n"


# The title, and what to do next. `{deed}` is the verb with its subject.
_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "asked": ("{name}: {asker} asked to {deed}", "nothing yet; who may approve it is told once it was checked."),
    "needs_you": ("{name} needs approval: {deed}", "look at the plan, then approve or reject it before {until}."),
    "question": ("{name} asks: {says}", "answer go on or stop on its page; until then it waits."),
    "approved": ("{name} is approved: {deed}", "nothing; it starts by itself. Its page shows each step."),
    "rejected": ("{name} is rejected: {deed}", "nothing was done. It can be asked for anew."),
    "failed": ("{name} stopped: {deed}", "read why on its page, then resume it or cancel the rest."),
    "not_cut_off": (
        "{name} could not cut everybody off: {deed}",
        "mend what it says; it is tried again every five minutes while the change runs.",
    ),
    "succeeded": ("{name} is done: {deed}", "nothing, unless its lines of proof say that something falls short."),
    "break_glass": (
        "{who} broke the glass: {deed}",
        "it runs now, and nobody approved it. Look at what it does; another person reviews it before {review}.",
    ),
    "overdue": (
        "Nobody has reviewed {name}, for which {asker} broke the glass: {deed}",
        "somebody other than {asker} opens its page and writes down what they found.",
    ),
    "reviewed": ("{who} reviewed {name}, for which {asker} broke the glass", "nothing."),
    "freeze_set": ("{who} froze {subject}", "no step within begins. A change that another person approves lifts it."),
    "freeze_lifted": ("The freeze of {subject} is lifted", "nothing; what waited for it goes on by itself."),
    "key_ended": (
        "{who} ended a passkey of {subject}",
        "ask {subject} whether that was meant. What the key {key} approved and had not begun needs another approval.",
    ),
    "kept_back": (
        "The {name} is kept back",
        "mend what it says; then it goes on by itself, or somebody lets it go on where its page says so.",
    ),
    "mismatch": (
        "Vault's log and Keybook's journal disagree",
        "look into it now: somebody may use Keybook's identity. Freeze everything if you are not sure.",
    ),
    "no_identity": ("The executor has no identity at a vault", "give it one again; until then no change runs there."),
    "note": ("{name}: {says}", "nothing, unless the text asks for it."),
    "test": ("{who} tried this channel", "nothing: notices reach you here."),
})  # fmt: skip
_PLACES = {"freeze_set": "/changes/freeze/", "freeze_lifted": "/changes/freeze/", "mismatch": "/findings/",
           "no_identity": "/findings/", "kept_back": "/changes/schedules/",
           "test": "/settings/notices/", "key_ended": "/account/passkeys/"}  # fmt: skip
_LONGEST_TITLE = 200


def say(kind: str, told: Mapping[str, str], who: str, url: str) -> Said:
    """Return a notice in words; `told` are its facts, `url` is where people reach Keybook."""
    title, then = _WORDS[kind]
    facts = _Facts({**told, "who": who or "Somebody", "deed": _deed(told)})
    facts.update({name: _moment(told.get(name, "")) for name in ("until", "review")})
    place = f"/changes/schedules/{told['schedule']}/" if told.get("schedule") else ""
    place = place or _PLACES.get(kind) or (f"/changes/{told['name']}/" if told.get("name") else "/changes/")
    link = f"{url}{place}" if url else ""
    return Said(_line(title.format_map(facts)), tuple(_lines(kind, told)), then.format_map(facts), link)


def readable(kind: str, told: object) -> bool:
    """Return whether a kept notice is of a kind and a form that have words: whoever can add rows can add others."""
    return kind in _WORDS and isinstance(told, Mapping) and all(isinstance(one, str) for one in told.values())


class _Facts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "?"


def _deed(told: Mapping[str, str]) -> str:
    verb = told.get("verb", "")
    return f"{verb[:1].lower()}{verb[1:]} {told.get('subject', '')}".strip()


def _line(text: str) -> str:
    """Return a title as one line: no text of a person may begin a header of its own."""
    plain = " ".join(text.split())
    return plain if len(plain) <= _LONGEST_TITLE else f"{plain[: _LONGEST_TITLE - 1]}…"


def _lines(kind: str, told: Mapping[str, str]) -> list[str]:
    found = []
    if told.get("says") and kind not in ("question", "note"):
        found.append(told["says"])
    if where := _where(told):
        found.append(where)
    if told.get("reason"):
        by = told.get("asker", "")
        found.append(f"{f'{by} wrote' if by else 'The reason'}: {told['reason']}")
    return found


def _where(told: Mapping[str, str]) -> str:
    parts = [f"vault {told['vault']}" if told.get("vault") else "",
             f"cluster {told['cluster']}" if told.get("cluster") else ""]  # fmt: skip
    where = ", ".join(filter(None, parts))
    risk = f", of {told['risk']} risk" if told.get("risk") else ""
    return f"In {where}{risk}." if where else ""


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return "it expires"


def body(name: str, kind: str, at: datetime, told: Mapping[str, str], who: str, url: str) -> dict[str, Any]:
    """Return a notice as the body of a webhook: an id, what, to what, who, and where to look. No value is in it."""
    said = say(kind, told, who, url)
    facts = {key: value for key, value in told.items() if value and key not in ("name", "channel")}
    return {
        "type": f"keybook.{kind}",
        "id": name,
        "timestamp": at.isoformat(),
        "data": {"change": told.get("name", ""), "title": said.title, "next": said.next, "who": who, **facts,
                 "link": said.link},
    }  # fmt: skip
