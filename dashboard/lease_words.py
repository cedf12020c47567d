"""What is said of a lease: its state, how well that is known, what happened to it, and how long it has left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.lease_questions import LeaseRow
from dashboard.words import duration, until_clock
from inventory.leases import ENDED, Fact, How, Kind, Standing, State

LITTLE = 0.1  # of its time: a lease that nobody renews and that has less left is told in another voice
BAR = 64  # px of a lease's whole time


@dataclass(frozen=True, slots=True)
class Said:
    """A shape, its words, and the class of their voice (empty: plain ink)."""

    icon: str
    words: str
    voice: str = ""


STATES = {
    State.UNVERIFIED: Said("clock", "issued"),
    State.LIVE: Said("clock", "live"),
    State.ASKED: Said("minus", "revocation asked"),
    State.QUEUED: Said("triangle", "revocation fails", "warn-words"),
    State.IRREVOCABLE: Said("barred", "irrevocable", "stop"),
    State.REVOKED: Said("barred", "revoked", "quiet"),
    State.EXPIRED: Said("check", "expired", "quiet"),
    State.GONE: Said("dashed", "gone", "quiet"),
}
MEANS = {
    State.UNVERIFIED: "The log shows that it was issued, and nobody has looked it up since.",
    State.LIVE: "The vault knows it.",
    State.ASKED: "The vault said yes to its revocation, and no lookup has shown the effect.",
    State.QUEUED: "It is past its end and the vault still lists it: its revocation waits, or fails again and again.",
    State.IRREVOCABLE: "The vault gave up on its revocation. Whoever holds the credential may still use it.",
    State.REVOKED: "Its revocation was asked for, and a later lookup did not find it.",
    State.EXPIRED: "Its time was over, and a later lookup did not find it.",
    State.GONE: "The vault does not know it any more, and the log does not tell why.",
}
HOWS = {
    How.NOTHING: "",
    How.ID: "by its id",
    How.PREFIX: "by a prefix",
    How.PREFIX_PART: "by a prefix, in a revocation that stopped part way",
    How.FORCE: "by force: the vault forgot it, whatever its database said",
    How.TOKEN: "with the token that took it",
    How.TOKEN_TTL: "with its token, whose time was over",
    How.TTL: "when its own time was over",
}
_HAPPENED = {
    Kind.ISSUED: ("issued", "not issued"),
    Kind.RENEWED: ("renewed", "not renewed"),
    Kind.REVOKED: ("revocation by its id asked", "revocation by its id failed"),
    Kind.PREFIX: ("revocation by a prefix asked", "revocation by a prefix failed, perhaps part way"),
    Kind.FORCED: ("revocation by force asked", "revocation by force failed, perhaps part way"),
    Kind.TOKEN: ("its token was revoked", "its token was not revoked"),
    Kind.TOKEN_LIFE: ("its token's end told", "its token's end not told"),
    Kind.DISABLED: ("its entity was disabled; tokens stop, leases live on", "its entity was not disabled"),
    Kind.FOUND: ("looked up: found", "looked up: found"),
    Kind.GONE: ("looked up: not there any more", "looked up: not there any more"),
    Kind.IRREVOCABLE: ("looked up: irrevocable", "looked up: irrevocable"),
}
ICONS = {
    Kind.ISSUED: "plus", Kind.RENEWED: "around", Kind.REVOKED: "minus", Kind.PREFIX: "minus", Kind.FORCED: "barred",
    Kind.TOKEN: "ticket", Kind.TOKEN_LIFE: "ticket", Kind.DISABLED: "barred", Kind.FOUND: "check", Kind.GONE: "dashed",
    Kind.IRREVOCABLE: "triangle",
}  # fmt: skip


def state(row: LeaseRow) -> Said:
    """Return a lease's state; one that must have ended is told so."""
    if row.overdue:
        return Said("dashed-alert", "must have ended")
    return STATES[row.state]


def verified(row: LeaseRow, now: datetime) -> Said:
    """Return how well the state is known: by a lookup at a time, by an old one, or by none."""
    if row.verified is None:
        return Said("dashed", "unverified", "quiet")
    at = until_clock(row.verified, now)
    if row.standing is Standing.VERIFIED:
        return Said("check", f"verified at {at}")
    return Said("dashed-alert", f"not verified since {at}")


def happened(fact: Fact) -> Said:
    """Return what a fact says; a call that failed says so in its words and its shape."""
    well, ill = _HAPPENED[fact.kind]
    return Said(ICONS[fact.kind], well) if fact.ok else Said("triangle", ill, "warn-words")


@dataclass(frozen=True, slots=True)
class Left:
    """How long a lease has left: in words, in whole seconds for a clock that goes on, and as a bar of `BAR` px.

    `by` says whose end it is. `ends` is None where nothing tells an end; then `words` say which it is.
    """

    words: str
    by: str = ""
    ends: datetime | None = None
    seconds: int = 0
    bar: int = 0
    soon: bool = False
    known: bool = True


def left(row: LeaseRow, now: datetime) -> Left:
    """Return what a lease has left, by its own end or its token's, whichever comes first."""
    if row.state in ENDED or row.overdue:
        return Left("ended" if row.state in ENDED else "over")
    ends = _first(row)
    if ends is None:
        told = row.verified is not None and row.state is State.LIVE
        return Left("no end" if told else "not known", known=told)
    end, by = ends
    if end <= now:
        return Left("over", by)
    rest, whole = (end - now).total_seconds(), (end - (row.renewed or row.issued)).total_seconds()
    part = min(max(rest / whole, 0.0), 1.0) if whole > 0 else 0.0
    soon = part < LITTLE and not row.renewals and row.state in (State.LIVE, State.UNVERIFIED)
    return Left(clock_left(rest), by, end, int(rest), round(part * BAR), soon)


def _first(row: LeaseRow) -> tuple[datetime, str] | None:
    ends = [(row.expires, "its own end"), (row.token_ends, "the end of its token")]
    return min(((end, by) for end, by in ends if end is not None), default=None)


def clock_left(seconds: float) -> str:
    """Return a remaining time as clocks show it: `41:07`, `22:41:08`, `31 d 02:41:08`."""
    days, rest = divmod(int(seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    tail = f"{rest // 60:02}:{rest % 60:02}"
    if days:
        return f"{days} d {hours:02}:{tail}"
    return f"{hours:02}:{tail}" if hours else tail


def exposed(length: timedelta | None) -> str:
    """Return how long a lease outlived its pod, in minutes up to two hours, then in prose; empty for none."""
    if length is None:
        return ""
    minutes = length.total_seconds() / 60
    return f"{minutes:.0f} min" if 1 <= minutes < 120 else duration(length.total_seconds())


def unknowns(row: LeaseRow, facts: Sequence[Fact]) -> list[str]:
    """Return what is not known of a lease, as sentences."""
    said = []
    if row.verified is None:
        said.append("Whether it lives: no lookup at the vault has told. The log shows no expiry and no cascade.")
    elif row.standing is Standing.STALE:
        said.append("What became of it since the last lookup.")
    if row.state not in ENDED and row.expires is None and row.state is not State.LIVE:
        said.append("Its own end: the log does not tell a lease's time; a lookup does.")
    if row.state not in ENDED and row.token_ends is None:
        said.append("When its token ends, or that it has no end: the log of its issue does not say.")
    if row.grade == "service account only":
        said.append("Which pod holds it: the service account is known, and nothing ties the call to one of its pods.")
    elif row.grade in ("unknown", "conflict", "possible", "likely"):
        said.append(f"Which pod holds it, beyond the grade of proof: {row.grade}.")
    if row.state is State.GONE:
        said.append("What ended it: a part of the record is missing, or a revocation in it could not be read.")
    if any(fact.kind is Kind.DISABLED for fact in facts) and row.state not in ENDED:
        said.append("Whether it ends with its entity: disabling an entity stops its tokens and ends no lease.")
    return said
