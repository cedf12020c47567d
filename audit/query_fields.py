"""The fields of an event that a query may name: what each holds, and what it means; page, API and errors read it. Pure.

An event may have no value in a field (no secret, no version); then nothing asked of that field fits it.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

from audit.operations import OPERATIONS
from audit.principal import Kind
from vault.reads import Disclosure, Outcome

INTEGER, BIG = 2**31 - 1, 2**63 - 1


class Sort(Enum):
    """What the values of a field are."""

    TEXT = "text"
    CHOICE = "choice"
    NUMBER = "number"
    REQUEST = "request id"
    TIME = "time"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Field:
    """One field; `choices` are all values of a choice, `most` is the largest number, `example` stands in errors."""

    name: str
    sort: Sort
    meaning: str
    example: str
    choices: tuple[str, ...] = ()
    most: int = 0

    @property
    def compared(self) -> bool:
        """Whether `> >= < <=` may be asked of it."""
        return self.sort in (Sort.NUMBER, Sort.TIME, Sort.DURATION)

    @property
    def listed(self) -> bool:
        """Whether single values may be asked of it."""
        return self.sort not in (Sort.TIME, Sort.DURATION)


_ALL = (
    Field("secret", Sort.TEXT, "the secret that the call named, as Keybook prints it", "secret/prod/*"),
    Field("path", Sort.TEXT, "the request path as the vault wrote it, behind its namespace", "secret/data/prod/*"),
    Field("principal", Sort.TEXT, "who called", "payments/ledger"),
    Field("kind", Sort.CHOICE, "what kind of principal called", "human", tuple(one.value for one in Kind)),
    Field("outcome", Sort.CHOICE, "how the call ended", "denied", tuple(one.label for one in Outcome)),
    Field("disclosed", Sort.CHOICE, "what the call gave away", "value", tuple(one.label for one in Disclosure)),
    Field("operation", Sort.CHOICE, "what was asked of the path", "read", tuple(OPERATIONS)),
    Field("address", Sort.TEXT, "the address that the call came from, as the vault wrote it", "10.2.*"),
    Field("vault", Sort.TEXT, "the vault by its name in Keybook", "eu-prod"),
    Field("namespace", Sort.TEXT, "the namespace of the path; the root namespace is the empty text", "analytics"),
    Field("version", Sort.NUMBER, "the version of the secret that a read gave or a write made", "3", most=INTEGER),
    Field("request", Sort.REQUEST, "the id of the request", "6f1c0b7e-0d51-4a5e-9a3c-0f6b8e3f9a11"),
    Field("time", Sort.TIME, "when the call was made; a time without an offset is UTC", "2026-11-01T10:00Z"),
    Field("duration", Sort.DURATION, "how long the vault took to answer", "500ms"),
    Field("id", Sort.NUMBER, "the number of the event in Keybook", "1042", most=BIG),
)
FIELDS: dict[str, Field] = {one.name: one for one in _ALL}


def nearest(word: str, names: tuple[str, ...] | list[str]) -> str:
    """Return the name that is most like the word; empty when none is."""
    return next(iter(get_close_matches(word.lower(), names, n=1, cutoff=0.5)), "")
