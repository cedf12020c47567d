"""The words of attribution: what is known of a token and of the world, and what is then said of a call's pod. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from inventory.history import History

RULE = 2  # the version of these rules: raise it with each change that can change a verdict
OUTLIVES = 10_000_000  # µs for which a token that is bound to a pod is still accepted after the pod is gone
FEWEST = 3  # logins that fit, below which a listener counts as not yet proven


class Grade(StrEnum):
    """How well a pod is proven, the best first; a pod is named by the first three."""

    EXACT = "exact"
    STRONG = "strong"
    LIKELY = "likely"
    POSSIBLE = "possible"
    ACCOUNT = "service account only"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"


NAMING = (Grade.EXACT, Grade.STRONG, Grade.LIKELY)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as a verdict names it."""

    cluster: str
    uid: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token as its login showed it; moments are µs, 0 and "" where its login is not in the record.

    `account` is its service account as (namespace, name); `metadata` is what its auth method wrote: it proves nothing
    unless that method checks the API server's signature (`signed`). `last_at` is its last call so far from the address
    of its login.
    """

    account: tuple[str, str] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    signed: bool = True
    mount: str = ""
    address: str = ""
    at: int = 0
    last_at: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a vault's logins from one cluster's pods say of the addresses that its listener shows.

    `direct` are the nodes whose pods were seen under addresses of their own, `relays` addresses behind which several
    service accounts log in.
    """

    logins: int = 0
    matched: int = 0
    direct: frozenset[str] = frozenset()
    relays: frozenset[str] = frozenset()

    @property
    def usable(self) -> bool:
        """Whether addresses are the callers' own."""
        return self.matched > 0 and self.matched * 2 >= self.logins

    @property
    def proven(self) -> bool:
        """Whether there were enough logins to say so."""
        return self.usable and self.matched >= FEWEST


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The service accounts as which a cluster's operators were ever asked to log in, as (namespace, name).

    All of them from `since` to `until` (µs): whoever is missing then was asked for by nobody.
    """

    accounts: frozenset[tuple[str, str]] = frozenset()
    since: int = 0
    until: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """What is known beside one vault's log.

    `accounts` tells of a service account's uid its cluster, namespace and name; `links` which cluster an auth mount
    serves; `proxies` are the addresses whose forwarded addresses the vault's listener believes, None where unknown;
    `deliveries` tells by cluster whose secrets operators deliver; a cluster that is missing is not known.
    """

    histories: Mapping[str, History] = field(default_factory=dict)
    accounts: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    proxies: frozenset[str] | None = None
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    deliveries: Mapping[str, Deliveries] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a call's pod. `delivered_by` says that an operator read on behalf of others."""

    grade: Grade
    reasons: tuple[str, ...]
    pod: Pod | None = None
    candidates: tuple[Pod, ...] = ()
    delivered_by: str = ""
    rule: int = RULE

    @property
    def evidence(self) -> str:
        """The sentences that say why."""
        return " ".join(SENTENCES[reason] for reason in self.reasons)


SENTENCES = {
    "claim_uid": "Its login carried the pod's uid, which the API server signed.",
    "claim_name": "Its login carried the pod's name, which the API server signed, and one pod had that name then.",
    "claim_unknown": "Its login names a pod that this cluster's record does not know.",
    "claim_account": "Its login names a pod of another service account than its own.",
    "claim_name_differs": "Its login carries a uid and a name that are not of one pod.",
    "claim_dead": "Its login names a pod that did not live then.",
    "address": "It came from the address that this pod alone had then.",
    "address_elsewhere": "It came from an address that is not its pod's.",
    "address_other_account": "It came from the address of a pod that runs as another service account.",
    "address_unknown": "It came from an address that was no pod's then.",
    "address_relay": "It came from an address behind which several service accounts call.",
    "address_shared": "It came from an address that several pods have together.",
    "address_node": "It came from a node's address, which everything in that node's own network has.",
    "address_node_alone": "Its node's address had this pod alone, and the node's other pods call from their own.",
    "address_only": "Only the address is known: no service account shows in the call.",
    "account": "The service account of its token is the pod's.",
    "several": "Several pods fit.",
    "ended_unsure": "The pod may have ended before: nobody watched then.",
    "after_end": "The pod had ended, and nobody else had its address.",
    "picture_late": "The pods of that moment are not all known yet.",
    "inherited": "Its token logged in from the same pod.",
    "login_unseen": "The login of its token is not in the record.",
    "login_elsewhere": "Its token logged in from an address that tells no pod.",
    "operator": "An operator reads for others: the secret was delivered to them, not read by them.",
    "not_delivered": "No resource asks this operator to deliver for that service account.",
    "calibrated": "Most logins come from addresses of the pods that they name.",
    "not_calibrated": "Too few logins came from addresses of their pods to rely on addresses here.",
    "address_not_usable": "Most logins do not come from their pods' addresses: something rewrites addresses here.",
    "proxies_unknown": "Which proxies the vault believes is not known, so an address might be forged.",
    "unlinked": "Which cluster this login serves is not proven.",
    "no_account": "Nothing in the call names a service account.",
}
