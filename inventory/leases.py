"""The life of one lease, from what is known of it: what the log shows, and what only a lookup proves. Pure.

A call that takes a lease back is answered before its effect is certain: `revoke-accessor` says yes while the leases of
the token live on, and `revoke` of an unknown id says yes too. So a lease is told as revoked only where somebody asked
for it *and* a later lookup no longer found it. Nothing here reads a clock: whoever asks says what time it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

FRESH = timedelta(minutes=15)  # a lookup that is older is told as "not verified since"
SETTLED = timedelta(seconds=2)  # after which a revocation that was asked for, or an end, should show in a lookup
AGAIN = timedelta(minutes=1)  # between two lookups of a lease whose revocation waits or fails


class Kind(StrEnum):
    """What a fact says. The first ones stand in the audit log, the last three only a vault can tell."""

    ISSUED = "issued"
    RENEWED = "renewed"
    REVOKED = "revoked"  # by its id
    PREFIX = "prefix"
    FORCED = "forced"
    TOKEN = "token"  # noqa: S105 - its token, or a token above that one, was revoked
    TOKEN_LIFE = "token_life"  # noqa: S105 - until when its token lives, as of this fact
    DISABLED = "disabled"  # its entity; tokens stop, leases live on
    FOUND = "found"
    GONE = "gone"
    IRREVOCABLE = "irrevocable"


ASKS = frozenset((Kind.REVOKED, Kind.PREFIX, Kind.FORCED, Kind.TOKEN))
LOOKS = frozenset((Kind.FOUND, Kind.GONE, Kind.IRREVOCABLE))


class State(StrEnum):
    """Where a lease stands."""

    UNVERIFIED = "unverified"  # issued, perhaps renewed; nobody looked
    LIVE = "live"
    ASKED = "revoke_asked"  # the vault said yes to a revocation; nobody looked since
    QUEUED = "revocation_failing"  # past its end and still listed: its revocation waits or fails
    IRREVOCABLE = "irrevocable"  # the vault gave up on its revocation
    REVOKED = "revoked"
    EXPIRED = "expired"
    GONE = "gone"  # the vault does not know it any more, and the log does not tell why


class How(StrEnum):
    """What ended a lease, or was asked to."""

    NOTHING = ""
    ID = "id"
    PREFIX = "prefix"
    PREFIX_PART = "prefix_part"  # a revocation by prefix that stopped part way
    FORCE = "force"
    TOKEN = "token"  # noqa: S105 - with its token, which was revoked
    TOKEN_TTL = "token_ttl"  # noqa: S105 - with its token, whose time was over
    TTL = "ttl"


ENDED = frozenset((State.REVOKED, State.EXPIRED, State.GONE))
OPEN = frozenset(State) - ENDED
_HOW = {Kind.REVOKED: How.ID, Kind.PREFIX: How.PREFIX, Kind.FORCED: How.FORCE, Kind.TOKEN: How.TOKEN}


class Standing(StrEnum):
    """How well the state is known."""

    VERIFIED = "verified"
    STALE = "not_verified_since"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known: `ok` is False for a call that failed or whose answer never came.

    `ends` is when the lease (FOUND) or its token (TOKEN_LIFE) ends by itself, None for never. `event` is the audited
    call, 0 for a lookup of our own; one call that two devices show is two facts of one event.
    """

    kind: Kind
    at: datetime
    ok: bool = True
    ends: datetime | None = None
    event: int = 0


@dataclass(frozen=True, slots=True)
class Holding:
    """The pod that holds a lease: `namespace/name`, its uid, the grade of proof, and when it ended (None: it lives).

    Without a pod, `grade` says why: the lease belongs to no pod, or nobody knows to which.
    """

    pod: str = ""
    uid: str = ""
    grade: str = ""
    gone: datetime | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """A lease's state and what it rests on.

    `since` is when the state began as far as is known: the issue, the lookup, or what ended it. `asked` is the first
    revocation that may have worked, `expires` its own end if a lookup told one that no renewal has moved since,
    `token_ends` the end of its token.
    """

    state: State
    how: How
    since: datetime
    issued: datetime | None = None
    renewals: int = 0
    renewed: datetime | None = None
    asked: datetime | None = None
    verified: datetime | None = None
    expires: datetime | None = None
    token_ends: datetime | None = None


def life(known: Iterable[Fact], *, blind: bool = False) -> Life:
    """Return the life that facts tell; raises `ValueError` for none.

    `blind`: a revocation that can't be read, or a hole of the record, lies in the lease's time; then a lease that is
    gone without a reason in sight is told as gone, else its time ran out.
    """
    facts = sorted(known, key=_order)
    if not facts:
        raise ValueError("a lease of which nothing is known has no life")
    renewals = {fact.event: fact.at for fact in facts if fact.kind is Kind.RENEWED and fact.ok}
    look = next((fact for fact in reversed(facts) if fact.kind in LOOKS), None)
    asks, parts = _asks(facts)
    told = _Told(
        look=look,
        asks=asks,
        parts=parts,
        expires=_expires(facts, max(renewals.values(), default=None)),
        token_ends=_token_ends(facts),
        blind=blind,
    )
    state, how, since = told.state(facts[0].at)
    return Life(
        state=state,
        how=how,
        since=since,
        issued=next((fact.at for fact in facts if fact.kind is Kind.ISSUED), None),
        renewals=len(renewals),
        renewed=max(renewals.values(), default=None),
        asked=asks[0].at if asks else None,
        verified=look.at if look else None,
        expires=told.expires,
        token_ends=told.token_ends,
    )


def standing(state: State, verified: datetime | None, asked: datetime | None, now: datetime) -> Standing:
    """Return how well a state is known at a time; that a lease is gone does not grow old."""
    if verified is None:
        return Standing.UNVERIFIED
    if state in ENDED:
        return Standing.VERIFIED
    old = now - verified > FRESH or (asked is not None and asked > verified)
    return Standing.STALE if old else Standing.VERIFIED


def next_look(one: Life) -> datetime | None:
    """Return when a lease should be looked up again, None for one that is gone for good."""
    if one.state in ENDED:
        return None
    if one.verified is None:
        return (one.asked or one.since) + SETTLED
    if one.state is State.ASKED:
        return max(one.verified, one.asked or one.verified) + SETTLED
    if one.state is State.LIVE and one.expires is not None:
        return min(one.verified + FRESH, one.expires + SETTLED)
    return one.verified + (FRESH if one.state is State.LIVE else AGAIN)


def is_overdue(state: State, expires: datetime | None, token_ends: datetime | None, now: datetime) -> bool:
    """Whether a lease that nobody saw end must have ended by now, by its own time or its token's."""
    return state in (State.UNVERIFIED, State.LIVE) and any(
        end is not None and end <= now for end in (expires, token_ends)
    )


def is_orphan(state: State, pod_gone: datetime | None, *, overdue: bool = False) -> bool:
    """Whether a lease outlives its pod: nobody asked for its end, and nothing shows that it has ended."""
    return pod_gone is not None and state in OPEN and state is not State.ASKED and not overdue


def exposure(
    state: State, since: datetime, pod_gone: datetime | None, now: datetime, ends: Sequence[datetime | None] = ()
) -> timedelta | None:
    """Return how long a lease outlived its pod, or does until now; None where its pod lives or outlived it.

    `since` is when the state began, `ends` the lease's own end and its token's: at the first of them it was over even
    if nobody looked.
    """
    if pod_gone is None:
        return None
    until = since if state in ENDED else now
    if state in (State.UNVERIFIED, State.LIVE):
        until = min([now, *(end for end in ends if end is not None)])
    return until - pod_gone if until > pod_gone else None


@dataclass(frozen=True, slots=True)
class _Told:
    look: Fact | None
    asks: Sequence[Fact]
    parts: Sequence[Fact]
    expires: datetime | None
    token_ends: datetime | None
    blind: bool

    def state(self, begun: datetime) -> tuple[State, How, datetime]:
        look = self.look
        if look is not None and look.kind is Kind.GONE:
            return self._ended(look.at)
        if look is not None and look.kind is Kind.IRREVOCABLE:
            return State.IRREVOCABLE, self._asked_how(), look.at
        if look is not None and look.ends is not None and look.ends <= look.at:
            return State.QUEUED, self._asked_how(), look.at
        if self.asks:
            return State.ASKED, self._asked_how(), self.asks[0].at
        return (State.UNVERIFIED, How.NOTHING, begun) if look is None else (State.LIVE, How.NOTHING, look.at)

    def _asked_how(self) -> How:
        return _HOW[self.asks[0].kind] if self.asks else How.NOTHING

    def _ended(self, seen: datetime) -> tuple[State, How, datetime]:
        """Tell why a lease is gone: what came first of a revocation, its own end and its token's."""
        ends = [(ask.at, State.REVOKED, _HOW[ask.kind]) for ask in self.asks]
        ends += [(self.expires, State.EXPIRED, How.TTL)] if self.expires else []
        ends += [(self.token_ends, State.EXPIRED, How.TOKEN_TTL)] if self.token_ends else []
        before = [end for end in ends if end[0] <= seen]
        if before:
            at, state, how = min(before, key=lambda end: end[0])
            return state, how, at
        if part := next((one for one in self.parts if one.at <= seen), None):
            return State.REVOKED, How.PREFIX_PART, part.at
        return (State.GONE, How.NOTHING, seen) if self.blind else (State.EXPIRED, How.TTL, seen)


def _order(fact: Fact) -> tuple[datetime, bool]:
    return fact.at, fact.kind in LOOKS


def _asks(facts: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
    """Return the revocations after which nothing shows the lease alive: those that were answered, and those by prefix
    that failed and may have reached it before they did."""
    alive = [fact.at for fact in facts if _shows_alive(fact)]
    last = max(alive, default=None)
    after = [fact for fact in facts if fact.kind in ASKS and (last is None or fact.at >= last)]
    parts = [fact for fact in after if not fact.ok and fact.kind in (Kind.PREFIX, Kind.FORCED)]
    return [fact for fact in after if fact.ok], parts


def _shows_alive(fact: Fact) -> bool:
    if fact.kind is Kind.RENEWED:
        return fact.ok
    return fact.kind is Kind.FOUND and (fact.ends is None or fact.ends > fact.at)


def _expires(facts: Sequence[Fact], renewed: datetime | None) -> datetime | None:
    """Return the end that the last finding told, unless a renewal has moved it since."""
    found = next((fact for fact in reversed(facts) if fact.kind is Kind.FOUND), None)
    return None if found is None or (renewed is not None and renewed > found.at) else found.ends


def _token_ends(facts: Sequence[Fact]) -> datetime | None:
    """Return the end of the lease's token; None for a token without one, or of which nothing is known."""
    lives = [fact.ends for fact in facts if fact.kind is Kind.TOKEN_LIFE and fact.ok]
    ends = [end for end in lives if end is not None]
    return None if len(ends) < len(lives) else max(ends, default=None)
