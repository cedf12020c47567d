"""The shapes of the answers: what the questions of the past return to pages and commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SecretRef:
    """One secret: its key is `id`; `name` is only its print (`[<namespace>/]<mount>/<logical path>`)."""

    id: int
    name: str
    vault: str
    engine: str  # "KV v2", "KV v1", "database", "pki", ...
    mount_accessor: str
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class ReaderPod:
    """One pod among the calls of a principal, or with `pod` None those of no proven pod, with the grade of proof."""

    pod: str | None  # namespace/name
    uid: str
    cluster: str
    grade: str
    delivered_by: str
    calls: int


@dataclass(frozen=True, slots=True)
class Reader:
    """One principal's dealings with a secret in a window; `count` counts disclosures, `denied` refusals.

    Told apart by pod where the question says so; `delivered_by` names an operator that reads for others.
    """

    principal_id: int
    principal: str
    kind: str  # service_account human ci approle certificate token root anonymous
    pod: str | None
    grade: str  # exact strong likely possible conflict, "service account only", "unknown", "not a pod"
    count: int
    denied: int
    first: datetime | None
    last: datetime | None
    addresses: Sequence[str] = ()
    versions: Sequence[int] = ()
    entity_id: str = ""
    cluster: str = ""
    pod_uid: str = ""
    delivered_by: str = ""
    pods: Sequence[ReaderPod] = ()  # where the question tells principals apart, but not their pods


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time for which a device's record is not complete, and the sentence that says why."""

    kind: str
    device: str
    start: datetime | None
    end: datetime | None
    detail: str


@dataclass(frozen=True, slots=True)
class WhoRead:
    """The answer to "who read this secret": readers by count, and how far the record is complete."""

    secret: SecretRef
    since: datetime | None
    until: datetime | None
    complete_until: datetime | None
    readers: list[Reader]
    gaps: list[Gap]
    unread: list[tuple[datetime, datetime]] = field(default_factory=list)  # stretches that no file covers


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bar of a time line: counts in [start, end); `unknown` = no audit data, to be hatched, never drawn as zero."""

    start: datetime
    end: datetime
    ok: int
    denied: int
    error: int
    unknown: bool


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event as a list shows it."""

    id: int
    time: datetime
    outcome: str  # ok denied error not_found no_response
    disclosed: str  # "" value credential key plaintext
    operation: str
    path: str
    principal_id: int
    principal: str
    kind: str
    address: str
    version: int | None
    request_id: str
    devices: list[str]
    secret_id: int = 0
    secret: str = ""
    vault: str = ""
    hidden: bool = False  # beside a limited view: only time, outcome, vault, who and from where are told


@dataclass(frozen=True, slots=True)
class StoredLine:
    """One line as stored (masked), with the place and SHA-256 of the original in the customer's own file."""

    device: str
    type: str
    text: str
    source: str
    offset: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DeviceState:
    """One device for the status strip and `doctor`: its last line and how far behind the clock it is, in seconds."""

    vault: str
    device: str
    last: datetime | None
    lag: float | None
    silent: bool
    drained: datetime | None = None  # when the slowest of its sources was last read to its end
    followed: bool = False


class NotOneSecret(LookupError):
    """The name fits no secret, or several; `candidates` lists what it could mean."""

    def __init__(self, message: str, candidates: list[SecretRef]) -> None:
        super().__init__(message)
        self.candidates = candidates


class UnknownName(LookupError):
    """No vault or principal has this name; the message says which are nearest."""


@dataclass(frozen=True, slots=True)
class ReadSecret:
    """One secret that a principal read or was denied."""

    secret_id: int
    secret: str
    vault: str
    count: int
    denied: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class WhatRead:
    """The answer to "what did this principal read"."""

    principal: str
    kinds: list[str]
    complete_until: datetime | None
    secrets: list[ReadSecret]
