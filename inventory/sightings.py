"""What an audit log can bear witness of, as plain records: rotation reads them, `config.witness` makes them. Pure.

All text in them comes from a log that others can write into: it proves what was called, never who may claim it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the record of a vault is known: complete until a time, but for the holes since the time asked about.

    `complete_until` is None while a followed source was never read to its end, or nothing was read at all; `holes` and
    `troubles` are sentences.
    """

    complete_until: datetime | None = None
    holes: Sequence[str] = ()
    troubles: Sequence[str] = ()

    def covers(self, moment: datetime) -> bool:
        """Whether everything up to a moment is known, without a hole."""
        return self.complete_until is not None and self.complete_until >= moment and not self.holes


@dataclass(frozen=True, slots=True)
class OurCall:
    """One call of a token that claims to be Keybook's, or that made such a token.

    `event` numbers calls in the order of acceptance, `seq` what was learned of them: poll by `seq`. `kind` is call,
    mint or login. `change`, `step`, `plan` and `head` are claims of the token (at a mint or a login, of the one that
    was given). `role` is the token role by which a mint makes a token, and of a call the one that made its token;
    `minted` is that mint's event, None where the record shows none, and `minted_by` its caller: a call that another
    than the executor enabled is forged, whatever it claims. `outcome` is ok, denied, error, not_found or no_response.
    `version` is what a KV write made; `versions` what a delete or destroy named; `lease` is a plain id where the log
    or a lookup tells it; `abouts` are accessors, as devices show them, of the token that the call is about.
    """

    event: int
    seq: int
    vault: str
    at: datetime
    request_id: str
    kind: str
    change: str
    step: str
    plan: str
    head: str
    role: str
    minted: int | None
    minted_by: str
    principal: str
    principal_kind: str
    entity: str
    policies: Sequence[str]
    address: str
    operation: str
    namespace: str
    path: str
    secret: str
    version: int
    versions: Sequence[int]
    lease: str
    prefix: str
    outcome: str
    accessors: Sequence[str] = ()
    abouts: Sequence[str] = ()
    minter: str = ""  # the entity of `minted_by`, empty for one without

    @property
    def writes(self) -> bool:
        """Whether it may have changed something."""
        return self.operation in ("create", "update", "patch", "delete", "revoke", "renew")

    @property
    def happened(self) -> bool:
        """Whether the vault did it, or may have: an error can come after the act."""
        return self.outcome in ("ok", "error", "no_response")


@dataclass(frozen=True, slots=True)
class VersionRead:
    """Reads of one `version` of a secret by one caller: a pod if `pod_uid` is not empty, else whoever `principal` is.

    `kind` is pod, account (the service account is known, the pod is not), operator (`delivered_by` delivers it to
    others) or other. `grade` is how well it is proven that it was this pod. `event` is the first of `count` reads.
    """

    kind: str
    cluster: str
    pod_uid: str
    namespace: str
    pod: str
    grade: str
    delivered_by: str
    principal: str
    principal_kind: str
    count: int
    first: datetime
    last: datetime
    event: int
    version: int = 0

    @property
    def proven(self) -> bool:
        """Whether it is proven that this pod read it."""
        return self.kind == "pod" and self.grade in ("exact", "strong")


@dataclass(frozen=True, slots=True)
class Written:
    """One call that changed a KV secret: `did` is write, delete, undelete, destroy or delete_all.

    `version` is what a write made, 0 where the log doesn't tell; `versions` what the others named. `change` is what
    the token claims, empty for a line that is not ours: a version without our line is drift. `call` tells more of ours.
    """

    did: str
    version: int
    versions: Sequence[int]
    principal: str
    principal_kind: str
    at: datetime
    event: int
    outcome: str
    change: str = ""
    call: OurCall | None = None


@dataclass(frozen=True, slots=True)
class HeldLease:
    """One lease that may live, and who holds it, as the record and the last lookup tell it.

    `secret` is the path of the role that gave it, such as `database/creds/app`; `pod` is `namespace/name`. `state` is
    a word of `inventory.leases`, `verified` the time of the last lookup.
    """

    lease_id: str
    vault: str
    namespace: str
    secret: str
    state: str
    verified: datetime | None
    issued: datetime
    expires: datetime | None
    principal: str
    principal_kind: str
    pod: str
    pod_uid: str
    grade: str
    event: int


@dataclass(frozen=True, slots=True)
class LeaseEnd:
    """What is known of a lease's end, in words of `inventory.leases`.

    `asked` is when a call (`event`) asked for its end, `gone` when a lookup said that it is over.
    """

    lease_id: str
    state: str
    how: str
    asked: datetime | None
    gone: datetime | None
    event: int | None


@dataclass(frozen=True, slots=True)
class TokenUse:
    """What tokens did after a moment: calls that the vault answered and calls that it refused, the last of each."""

    answered: int = 0
    refused: int = 0
    last_answered: datetime | None = None
    last_refused: datetime | None = None
    event: int | None = None  # of the last one answered, else of the last one refused


@dataclass(frozen=True, slots=True)
class Had:
    """One caller that was given a secret, or was denied it, in a stretch of time; `pod` is `namespace/name` or empty.

    `delivered_by` says that it is an operator, which reads for others.
    """

    principal: str
    kind: str
    pod: str
    grade: str
    delivered_by: str
    reads: int
    denied: int
    first: datetime | None
    last: datetime | None
    versions: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """One secret that a pod or a principal was given in a stretch of time: its name, its engine, the newest version."""

    vault: str
    secret: str
    engine: str
    grade: str
    reads: int
    first: datetime
    last: datetime
    version: int


@dataclass(frozen=True, slots=True)
class HeldToken:
    """One token that a pod or a principal called with; its accessor is an HMAC where no device shows it in clear."""

    vault: str
    accessor: str
    principal: str
    entity: str
    grade: str
    first: datetime
    last: datetime

    @property
    def clear(self) -> bool:
        """Whether the token can be named to the vault."""
        return bool(self.accessor) and not self.accessor.startswith("hmac-")


@dataclass(frozen=True, slots=True)
class Rotatable:
    """One secret that the record knows and that can be rotated; `first` is when the log first shows it."""

    vault: str
    name: str
    first: datetime | None


@dataclass(frozen=True, slots=True)
class Rotated:
    """The last call that gave a secret another value: `version` is what a KV write made, else 0."""

    at: datetime
    version: int
    by: str
    event: int
