"""Which login of a database belonged to which lease, and what may be said once Vault calls the lease gone. Pure.

A lease never names its login, and Vault's log shows it as an HMAC. What can be known: the default name ends in the
second in which it was made and holds the role's beginning, and a login's password ends when its lease would have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from rotation.outcomes import ProofLine

CLOSE, NEAR = timedelta(seconds=2), timedelta(seconds=30)  # from a name's second to the issue of its lease
ENDS = timedelta(seconds=7)  # Vault lets a password live five seconds longer than its lease
_ROLE = 8  # signs of a role that the default name of PostgreSQL's logins holds
_NAME = re.compile(r"v-(?P<whose>.*)-[A-Za-z0-9]{20}-(?P<second>\d{10})")
REVOKED = "revoked in Vault"
UNCONFIRMED = "gone in Vault, not confirmed at the database"


class Away(Exception):
    """A database that should be asked for its logins gave no answer; the message is a sentence without its address."""


@dataclass(frozen=True, slots=True)
class Login:
    """One role of a database: its number there, and whether it can log in now; `ends` is when its password does.

    `version` is another one after each change of the role, empty where the database does not tell.
    """

    name: str
    number: int
    can: bool
    ends: datetime | None = None
    version: str = ""

    @property
    def mark(self) -> str:
        """Return what stands for the name in rows: nobody but the database tells the name."""
        return sha256(self.name.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Logins:
    """The logins of the databases behind one mount, asked at one moment; `open` counts sessions by a role's number."""

    at: datetime
    logins: Sequence[Login] = ()
    open: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Issued:
    """A lease that Vault lists: its id, when it was issued, and when it ends."""

    lease: str
    issued: datetime | None
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """A login that may be a lease's own, by its mark and its number at the database."""

    mark: str
    number: int


def fitting(lease: Issued, logins: Sequence[Login]) -> tuple[Fit, ...]:
    """Return the logins that may be a lease's own; several where the time alone can't tell them apart."""
    named = [(one, gap) for one in logins if (gap := _gap(lease, one)) is not None]
    for within in (CLOSE, NEAR):
        if found := [one for one, gap in named if gap <= within]:
            return _fits(found)
    return _fits([one for one in logins if _ends_alike(lease, one) and not _NAME.fullmatch(one.name)])


def _gap(lease: Issued, login: Login) -> timedelta | None:
    """Return how long before its lease a login was made, by its name; None for one that can't be this lease's."""
    found = _NAME.fullmatch(login.name)
    role = lease.lease.split("/")[-2] if lease.lease.count("/") else ""
    if found is None or lease.issued is None or not found["whose"].endswith(f"-{role[:_ROLE]}"):
        return None
    gap = lease.issued - datetime.fromtimestamp(int(found["second"]), UTC)
    return gap if timedelta() <= gap <= NEAR else None


def _ends_alike(lease: Issued, login: Login) -> bool:
    return lease.ends is not None and login.ends is not None and abs(login.ends - lease.ends) <= ENDS


def _fits(some: Sequence[Login]) -> tuple[Fit, ...]:
    return tuple(sorted((Fit(one.mark, one.number) for one in some), key=lambda fit: fit.number))


@dataclass(frozen=True, slots=True)
class Said:
    """What may be said of one lease: its line of proof, whether to look again, and the login that should be gone."""

    line: ProofLine
    again: bool = False
    alive: str = ""


def said(lease: str, fits: Sequence[Fit], alike: int, now: Logins) -> Said:
    """Judge a lease that Vault's lookup does not know any more; `alike` leases of this change have the same fits."""
    if not fits:
        why = "none of its logins could be told to be this lease's"
        return Said(_line(lease, "short", f"{UNCONFIRMED}: {why}"))
    there = {one.mark: one for one in now.logins}
    can = [there[fit.mark] for fit in fits if fit.mark in there and there[fit.mark].can]
    asked = f"role names asked at {now.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if not can:
        return Said(_gone(lease, fits, there, now, asked))
    if len(can) > len(fits) - alike:
        which = can[0].name if len(can) == 1 else f"one of {', '.join(one.name for one in can)}"
        says = f"Vault says revoked, the database still has a role that can log in: {which} ({asked})"
        return Said(_line(lease, "short", says), again=True, alive=which)
    why = f"{len(fits)} logins were made when it was issued, and {len(can)} of them can still log in"
    return Said(_line(lease, "short", f"{UNCONFIRMED}: {why} ({asked})"))


def _gone(lease: str, fits: Sequence[Fit], there: Mapping[str, Login], now: Logins, asked: str) -> ProofLine:
    left = any(fit.mark in there for fit in fits)
    what = "its login at the database can't log in any more" if left else "gone at the database"
    says = f"{REVOKED}, and {what} ({asked})"
    if sessions := sum(now.open.get(fit.number, 0) for fit in fits):
        return _line(lease, "short", f"{says}; {sessions} sessions that it opened go on: end them there")
    return _line(lease, "proven", says)


CHANGED = "Vault changed the password"


def changed(subject: str, before: str | None, name: str, now: Logins | None) -> ProofLine:
    """Return the line of a login whose password Vault changed; `before` is its version then, None for not asked.

    That the old password is refused only a log-in could show, which no witness makes: what shows is that the database
    changed this login at the rotation, and a login has one password.
    """
    there = next((one for one in now.logins if one.name == name), None) if now else None
    if now is None or before is None:
        return ProofLine("login", subject, "short", f"{CHANGED}; not confirmed at the database")
    asked = f"asked at {now.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if there is None:
        return ProofLine("login", subject, "short", f"{CHANGED}, and the database has no role {name} ({asked})")
    if not (before and there.version):
        says = f"{CHANGED}; this database does not tell its witness when a role was changed ({asked})"
        return ProofLine("login", subject, "short", says)
    if before == there.version:
        says = f"{CHANGED}, and the database has not changed {name} since: the old one may still be good ({asked})"
        return ProofLine("login", subject, "short", says)
    says = f"{CHANGED}, and so did the database: the old one is refused ({asked})"
    return ProofLine("login", subject, "proven", says, holds=there.version)


def unasked(lease: str, why: str) -> ProofLine:
    """Return the line of a lease that Vault calls gone, while its database could not be asked yet."""
    return _line(lease, "waiting", f"{UNCONFIRMED} yet: {why}")


def unwatched(lease: str) -> ProofLine:
    """Return the line of a lease that Vault calls gone, and that no witness watches."""
    return _line(lease, "short", UNCONFIRMED)


def _line(lease: str, state: str, says: str) -> ProofLine:
    return ProofLine("lease", lease, state, says, holds="gone")
