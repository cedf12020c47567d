"""What can be wrong with a question to the API (RFC 9457): kinds with a status and a title, and a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PREFIX = "urn:keybook:problem:"

# Every kind of problem, its status and its title. docs/api.md has a row for each.
KINDS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "bad-request": (400, "This request can't be understood"),
        "bad-body": (400, "The body is not understood"),
        "key-missing": (400, "An Idempotency-Key is missing"),
        "unknown-parameter": (400, "There is no such parameter"),
        "bad-parameter": (400, "A parameter has a value that it can't have"),
        "limit-out-of-range": (400, "The limit is out of range"),
        "times-reversed": (400, "The window ends before it begins"),
        "query": (400, "The query is not understood"),
        "cursor-malformed": (400, "This is no cursor"),
        "cursor-foreign": (400, "This cursor was made by another server"),
        "cursor-of-another-list": (400, "This cursor belongs to another list"),
        "cursor-of-another-query": (400, "This cursor belongs to another query"),
        "cursor-of-another-scope": (400, "This cursor belongs to another view"),
        "cursor-expired": (410, "Some items after this cursor are gone"),
        "not-signed-in": (401, "Nobody is signed in"),
        "token-refused": (401, "This token lets nobody in"),
        "scope-missing": (403, "The token does not reach this"),
        "forbidden": (403, "You may not see this"),
        "not-allowed": (403, "You may not do this"),
        "second-factor-missing": (403, "A second factor is needed first"),
        "not-found": (404, "Nothing is here"),
        "ambiguous": (409, "The name fits several things"),
        "method-not-allowed": (405, "This address does not take this method"),
        "not-acceptable": (406, "There is no such format"),
        "not-possible": (409, "This can't be planned"),
        "not-enrolled": (409, "Keybook may not do this here yet"),
        "plan-changed": (409, "The plan is another one"),
        "not-checked": (409, "The plan was not held against the vault yet"),
        "forbidden-move": (409, "The change does not stand where this can be done"),
        "expired": (409, "The change has expired"),
        "moved-meanwhile": (409, "Somebody else was faster"),
        "media-type": (415, "The body has a format that is not taken"),
        "body-too-large": (413, "The body is too large"),
        "unknown-target": (422, "There is no such target"),
        "bad-arguments": (422, "The arguments are wrong"),
        "not-there": (422, "What is named is not there"),
        "key-used": (422, "The Idempotency-Key was used for another body"),
        "too-many-requests": (429, "Too many requests"),
        "internal": (500, "Keybook met an error that it does not know"),
        "too-slow": (503, "This question is too wide"),
        "database-away": (503, "The database does not answer"),
    }
)


class Problem(Exception):
    """One thing that is wrong: its kind, a sentence that says what, where and what to do next, and further facts.

    `more` stands beside the sentence in the answer (`position`, `nearest`, `oldest_cursor` ...), but for empty texts;
    `headers` go with it.
    An unknown kind raises `LookupError`.
    """

    def __init__(self, kind: str, detail: str, headers: Mapping[str, str] | None = None, **more: object) -> None:
        super().__init__(detail)
        if kind not in KINDS:
            raise LookupError(f"No problem is called {kind}. The table is kit.problem.KINDS.")
        self.kind, self.detail, self.more, self.headers = kind, detail, more, dict(headers or {})

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return KINDS[self.kind][0]

    def body(self) -> dict[str, object]:
        """Return the members of the answer."""
        title = KINDS[self.kind][1]
        more = {name: value for name, value in self.more.items() if value != ""}
        return {"type": PREFIX + self.kind, "title": title, "status": self.status, "detail": self.detail, **more}
