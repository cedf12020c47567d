"""What the page, and the drawer, of one event show: four tabs, of which only the open one asks its questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from accounts.scope import Scope
from audit import callers, event_search, our_calls, pods, queries
from audit.event_filter import Filter, condition
from audit.pods import Proof
from dashboard import cluster_words
from dashboard.event_query import alone, link
from dashboard.lease_words import Said
from dashboard.words import counted, iso, visible
from vault import our_tokens

TABS = {"summary": "Summary", "who": "Who", "around": "Around", "line": "Line as stored"}
AROUND = timedelta(minutes=5)
NEAR = 8
Address = Callable[[str, str], str]  # of an event and a tab
Narrowed = Callable[[str, str, bool], str]  # of a field, a value, and whether the value is refused


@dataclass(frozen=True, slots=True)
class Line:
    """One line as stored, laid out for reading."""

    line: queries.StoredLine
    text: str


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder from the name to the place that called: a label, what the log quotes, what we add."""

    label: str
    quote: str
    words: str = ""


@dataclass
class EventPage:
    """One event; `address` gives the page with an event and a tab open."""

    row: queries.EventRow
    tab: str
    address: Address
    scope: Scope
    narrowed: Narrowed = alone

    @classmethod
    def find(
        cls, event_id: int, tab: str, address: Address, scope: Scope, narrowed: Narrowed = alone
    ) -> EventPage | None:
        """Return the event's page, or None when the event is unknown, past retention or not to be seen."""
        try:
            row = queries.event(event_id, scope=scope)
            return cls(row, tab if tab in TABS else next(iter(TABS)), address, scope, narrowed)
        except LookupError:
            return None

    @property
    def tabs(self) -> list[tuple[str, str, str]]:
        """Return each tab: key, title, address."""
        return [(key, title, self.address(str(self.row.id), key)) for key, title in TABS.items()]

    @property
    def closed(self) -> str:
        """Return the address of the page without this event."""
        return self.address("", "")

    @cached_property
    def lines(self) -> list[Line]:
        """Return the lines as stored, one for each device and type."""
        if self.row.hidden:
            return []
        return [Line(line, laid_out(line.text)) for line in queries.lines_of(self.row.id, scope=self.scope)]

    @property
    def what(self) -> str:
        """Return what was disclosed, in words."""
        return f"1 {self.row.disclosed} disclosed" if self.row.disclosed else "nothing disclosed"

    @property
    def around_link(self) -> str:
        """Return the address of all events within five minutes of this one."""
        times = {"since": iso(self.row.time - AROUND), "until": iso(self.row.time + AROUND)}
        return link({**times, "event": str(self.row.id)})

    @property
    def pod_uid(self) -> str:
        """Return the uid of the pod that called, empty where it is not known."""
        return self.proof.pod_uid if self.proof else ""

    @property
    def since(self) -> str:
        """Return the time from which an answer to this event looks back: that of the event."""
        return iso(self.row.time)

    @property
    def filters(self) -> list[tuple[str, str, str, str]]:
        """Return the questions that this event suggests: field, value, the addresses with it and without it."""
        fields = {"secret": self.row.secret} if self.row.secret else {"path": self.row.path} if self.row.path else {}
        fields["principal"] = self.row.principal
        if self.row.address:
            fields["address"] = self.row.address
        return [
            (name, value, self.narrowed(name, value, False), self.narrowed(name, value, True))
            for name, value in fields.items()
        ]

    @property
    def as_json(self) -> str:
        """Return the event as one JSON document, for copying."""
        row = self.row
        return json.dumps(
            {
                "id": row.id,
                "time": iso(row.time),
                "vault": row.vault,
                "request_id": row.request_id,
                "outcome": row.outcome,
                "operation": row.operation,
                "path": row.path,
                "secret": row.secret or None,
                "disclosed": row.disclosed or None,
                "version": row.version,
                "principal": row.principal,
                "kind": row.kind,
                "address": row.address,
                "devices": row.devices,
            },
            ensure_ascii=True,
            indent=2,
        )

    @cached_property
    def after(self) -> list[queries.EventRow]:
        """Return the events of the five minutes after it, the nearest last."""
        one = Filter(self.row.time, self.row.time + AROUND, scope=self.scope)
        return event_search.events(one, condition(one), NEAR, after=(self.row.time, self.row.id))

    @cached_property
    def before(self) -> list[queries.EventRow]:
        """Return the events of the five minutes before it, the nearest first."""
        one = Filter(self.row.time - AROUND, self.row.time + timedelta(microseconds=1), scope=self.scope)
        return event_search.events(one, condition(one), NEAR, before=(self.row.time, self.row.id))

    @property
    def near(self) -> int:
        """Return how many events around it are shown, itself included."""
        return len(self.after) + len(self.before) + 1

    @cached_property
    def proof(self) -> Proof | None:
        """Return which pod called and what proves it; None for an event beside a limited view."""
        return None if self.row.hidden else pods.proof_of(self.row.id, scope=self.scope)

    @property
    def grade(self) -> str:
        """Return how well it is proven which pod called."""
        return self.proof.grade if self.proof else queries.grade(self.row.kind)

    @property
    def evidence(self) -> list[tuple[str, Said]]:
        """Return each reason that decided, with whether it speaks for a pod."""
        reasons = self.proof.reasons if self.proof else ()
        return [(one, cluster_words.reason(one)) for one in reasons]

    @property
    def grade_words(self) -> str:
        """Say what the log proves about the pod."""
        if self.proof and self.proof.rule:
            return cluster_words.GRADES.get(self.grade, "")
        return {
            "not a pod": "This kind of principal is no pod: there is none to name.",
            "service account only": "The log proves the service account. Which of its pods called is not known.",
        }.get(self.grade, "The log names nobody that could be a pod.")

    @cached_property
    def ladder(self) -> list[Rung]:
        """Return who called, from what the log itself says: the name, the token, the rights, the place."""
        return [rung for rung in self._rungs() if rung.quote]

    def _rungs(self) -> Iterator[Rung]:
        auth, token = self._auth, callers.token_of(self.row.id, scope=self.scope)
        yield Rung("Entity", str(auth.get("entity_id") or ""))
        yield Rung("Alias", str(auth.get("display_name") or ""), "as the auth method named it")
        for key, value in sorted(self._part(auth, "metadata").items()):
            yield Rung("Metadata", f"{key}={value}" if value else "")
        yield self._ours()
        granted = self._part(auth, "policy_results").get("granting_policies")
        names = [str(one.get("name")) for one in granted or [] if isinstance(one, dict) and one.get("name")]
        yield Rung("Allowed by", ", ".join(names))
        yield Rung("Policies", ", ".join(map(str, auth.get("policies") or [])))
        if token:
            yield Rung("Token", token.hmac, f"first seen {iso(token.first)}" if token.first else "")
        yield Rung("Token type", str(auth.get("token_type") or ""))
        yield Rung("Address", self.row.address, self._address_words())

    def _ours(self) -> Rung:
        """Return for which change the token claims to have called, and who made it; a limited view has the claim."""
        claimed = self.scope.everything and self._part(self._auth, "metadata").get(our_tokens.CHANGE)
        call = our_calls.calls_by_event([self.row.id]).get(self.row.id) if claimed else None
        if call is None:
            return Rung("Keybook", "")
        if call.minted_by:
            role = f" by the role {call.role}" if call.role else ", by no role of ours"
            return Rung("Keybook", f"change {call.change}", f"its token was made by {call.minted_by}{role}")
        return Rung("Keybook", f"change {call.change}", "the record does not show who made its token")

    def _address_words(self) -> str:
        """Say how often the principal called from this address, and since when."""
        used = callers.addresses_of(self.row.principal_id, self.row.time + AROUND, scope=self.scope)
        here = next((use for use in used if use.address == self.row.address), None)
        return f"{counted(here.events, 'call')} by this principal since {iso(here.first)[:19]}Z" if here else ""

    @cached_property
    def _auth(self) -> dict[str, Any]:
        """Return the `auth` of a line as stored: what the vault wrote about the caller, masked where it must be."""
        for one in reversed(self.lines):
            with suppress(ValueError):
                parsed = json.loads(one.line.text)
                if isinstance(parsed, dict) and isinstance(parsed.get("auth"), dict):
                    return dict(parsed["auth"])
        return {}

    @staticmethod
    def _part(auth: dict[str, Any], name: str) -> dict[str, Any]:
        part = auth.get(name)
        return part if isinstance(part, dict) else {}


def laid_out(text: str) -> str:
    """Return a line of JSON indented for reading; what is no JSON stays as it is. Unseen characters become escapes."""
    with suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return visible(text, keep="\n")
