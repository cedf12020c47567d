"""Who asks, who votes and by what means, as facts of one moment: frozen, without a database and without a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType


class Risk(StrEnum):
    """How much a change can break, or how much power it gives; each asks for at least the proof of the one before."""

    ROUTINE = "routine"
    HIGH = "high"
    HIGHEST = "highest"


class Proof(StrEnum):
    """How a voter proved who they are, the strongest first."""

    PASSKEY = "passkey"  # an assertion over this change, this plan and this verdict, by a pinned key
    STEP_UP = "step_up"  # a session whose person proved themselves anew a short while ago
    API_TOKEN = "api_token"  # noqa: S105 - a token with the scope `changes:approve`


class Channel(StrEnum):
    """The door by which a vote came."""

    PAGE = "page"
    API = "api"
    COMMAND = "command"


class Verdict(StrEnum):
    """What a vote says."""

    APPROVE = "approve"
    REJECT = "reject"


class Tied(StrEnum):
    """Why two accounts count as one person."""

    CREATED = "created"
    GRANTED = "granted"
    RESET = "reset"
    LINKED = "linked"
    MINTED = "minted"
    EMAIL = "email"
    SUBJECT = "subject"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Tie:
    """Another account that counts as the same person, and why. `at` is when it was done, if it was done."""

    person: int
    name: str
    why: Tied
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A group by who vouches for it and its immutable id; the name is only its print."""

    issuer: str
    id: str
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Membership:
    """That somebody is in a group: by themselves, or through the groups in between, the innermost first."""

    group: Group
    through: tuple[Group, ...] = ()


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked: the account's immutable number, 0 where a schedule asked, and its name at that time."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Token:
    """The API token by which a vote came: whose it is, who made it, and whether it may approve."""

    owner: int
    minted_by: int | None
    minted_by_name: str
    may_approve: bool


@dataclass(frozen=True, slots=True)
class Means:
    """How a vote was given: the door, the proof, when the proof was given, and the token if there was one."""

    channel: Channel
    proof: Proof | None
    proved_at: datetime | None = None
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class Voter:
    """Who votes, as their account is now.

    `owner` is set for an account that is not a person's own (a service account): it acts for its owner.
    `impersonator` is whoever sits at a session that another person opened for them, by a link for example.
    """

    id: int
    name: str
    role: str
    active: bool
    means: Means
    memberships: tuple[Membership, ...] = ()
    ties: tuple[Tie, ...] = ()
    owner: int | None = None
    impersonator: int | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote as it was given, with its voter as they are now. `mark` is different for each act of voting."""

    change: str
    plan_hash: str
    verdict: Verdict
    voter: Voter
    at: datetime
    mark: str


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """The change that is voted on: the plan that counts now, and the policy that was frozen when it was asked for.

    `editors` are the numbers of those who made or changed the plan; `ties` are the accounts that had the asker's in
    their hands, `editor_ties` those that had an editor's, each with that editor's name.
    """

    id: str
    plan_hash: str
    asker: Asker
    asked: datetime
    risk: Risk
    rule_digest: str
    approvers: int
    open: bool = True
    editors: frozenset[int] = frozenset()
    ties: tuple[Tie, ...] = ()
    editor_ties: tuple[tuple[str, Tie], ...] = ()


@dataclass(frozen=True, slots=True)
class Yes:
    """It may be done."""

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class No:
    """It may not be done; the sentence says why and what to do. `way` is one word for the reason, for tests and API."""

    sentence: str
    way: str = ""

    def __bool__(self) -> bool:
        return False


Answer = Yes | No

# What a tie is called in a sentence: "{name} created this account 3 days ago".
TIE_WORDS: Mapping[Tied, str] = MappingProxyType(
    {
        Tied.CREATED: "made the account",
        Tied.GRANTED: "granted the role of",
        Tied.RESET: "reset the password or second factor of",
        Tied.LINKED: "made a link that enters as",
        Tied.MINTED: "made an API token of",
    }
)
