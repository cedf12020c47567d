"""What is said of pods and of how they get their secrets: states, methods, restarts, and what the doctor found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from audit.pod_holdings import Holding
from audit.refused import Refused
from cluster.delivery import methods
from dashboard.lease_words import Said
from dashboard.words import duration, until_clock, visible
from inventory.attribution import SENTENCES
from inventory.cluster_models import PodState, SecretConsumer, SecretTrouble
from inventory.freshness import CURRENT, NEVER, ClusterFreshness, Freshness

STATES = {
    "running": Said("check", "running"),
    "not ready": Said("dashed-alert", "not ready", "warn-words"),
    "starting": Said("clock", "starting"),
    "ending": Said("minus", "ending", "quiet"),
    "ended": Said("dashed", "ended", "quiet"),
}
CONTAINERS = {
    "running": Said("check", "running"),
    "waiting": Said("clock", "waits"),
    "ended": Said("dashed", "ended", "quiet"),
    "unknown": Said("dashed-alert", "not known", "quiet"),
}
SYMPTOMS = {
    "N": "Runs without its secrets: it was not injected",
    "D": "There is no pod",
    "I": "Stuck before its start",
    "R": "The agent beside it fails",
    "F": "There is nothing to read",
    "-": "Its secrets do not come",
}
RESTARTS = {
    "always": Said("around", "needs a restart"),
    "never": Said("check", "renewed in place", "quiet"),
    "unknown": Said("dashed", "not known", "quiet"),
}
BY = {"vso": "the operator restarts it", "reloader": "Reloader restarts it", "": "nobody restarts it"}

GRADES = {
    "exact": "One pod, and the API server vouches for it.",
    "strong": "One pod, and facts that do not depend on each other agree.",
    "likely": "One pod fits, and something that would prove it is missing.",
    "possible": "Several pods fit, and nothing tells them apart.",
    "service account only": "The service account is proven. Which of its pods called is not known.",
    "unknown": "Nothing ties this call to a pod.",
    "conflict": "The evidence contradicts itself, so no pod is named.",
    "not a pod": "This kind of principal is no pod: there is none to name.",
}
_AGAINST = {
    "claim_unknown", "claim_account", "claim_name_differs", "claim_dead", "address_elsewhere", "address_other_account",
    "not_delivered",
}  # fmt: skip
_MISSING = {
    "address_unknown", "address_relay", "address_shared", "address_node", "address_only", "several", "ended_unsure",
    "picture_late", "login_unseen", "login_elsewhere", "not_calibrated", "address_not_usable", "proxies_unknown",
    "unlinked", "no_account",
}  # fmt: skip


def reason(name: str) -> Said:
    """Return a reason of attribution: what agrees, what is missing, or what contradicts."""
    words = SENTENCES.get(name, name)
    if name in _AGAINST:
        return Said("barred", words, "stop")
    return Said("dashed", words, "quiet") if name in _MISSING else Said("check", words)


@dataclass(frozen=True, slots=True)
class Picture:
    """How old the picture of a cluster is; `stale` when it may not be taken as current."""

    cluster: str
    stale: bool
    words: str
    note: str  # a sentence for the head of a page, empty while it is current


def state(row: PodState) -> Said:
    """Return a pod's state."""
    return STATES.get(row.state, Said("dashed", row.state))


def method(name: str) -> str:
    """Return a method of delivery as pages name it."""
    found = methods().get(name)
    return str(found.TITLE) if found else name


def picture(one: ClusterFreshness, now: datetime) -> Picture:
    """Return what is said of a cluster's age, in the strip and at the head of a page."""
    whole = one.whole
    if whole.state == CURRENT and whole.at is not None:
        return Picture(one.name, False, f"{duration((now - whole.at).total_seconds())} old", "")
    return Picture(one.name, True, _stale(whole, now), _note(whole, now))


def _stale(whole: Freshness, now: datetime) -> str:
    return "never seen" if whole.state == NEVER or whole.at is None else f"stale since {until_clock(whole.at, now)}"


def _note(whole: Freshness, now: datetime) -> str:
    name, why = visible(whole.name), visible(whole.why)
    if whole.state == NEVER or whole.at is None:
        return f"The cluster {name} was never seen whole: {why}."
    since = duration((now - whole.at).total_seconds())
    return (
        f"The picture of {name} is stale since {until_clock(whole.at, now)}, {since} ago: {why}. "
        "What stands here was so then, and may be otherwise now."
    )


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that keeps a pod from its secrets: what is seen, because of what, and what to do.

    `cause` is its number in docs/delivery.md, 0 for none; `also` other causes that look the same from here.
    """

    head: str
    cause: int
    says: str
    mend: str
    evidence: str
    sure: bool
    also: Sequence[int]
    about: str
    cluster: str
    namespace: str
    workload: str
    workload_uid: str
    pods: int


def advice(one: SecretTrouble, since: datetime | None, now: datetime) -> Advice:
    """Return what the doctor says; `since` is when the pod was made, if it is asked of one."""
    head = SYMPTOMS.get(one.symptom, SYMPTOMS["-"])
    if since is not None and one.symptom == "I":
        head = f"{head} since {until_clock(since, now)}, {_for(now - since)}"
    return Advice(
        head, one.cause, one.says, one.mend, one.evidence, one.sure, one.also, f"{one.object_kind} {one.object_name}",
        one.cluster.name, one.namespace, f"{one.workload_kind} {one.workload_name}", one.workload_uid, len(one.pods),
    )  # fmt: skip


NO_LOGIN = (16, 19, 24)  # causes that look the same from a cluster: refused, not reached, token expired


def by_the_log(one: Advice, refused: Sequence[Refused], account: str) -> Advice:
    """Return the same made certain by the vault's own line of a refused login, if there is one of this very pod."""
    proof = next((each for each in refused if each.proves), None)
    if one.cause not in NO_LOGIN or proof is None:
        return one
    expired = "expired" in proof.error
    cause, mend = 24 if expired else 16, one.mend
    if expired:
        mend = f"See why the token of the service account {account} is not renewed, and the clocks of both sides."
    elif "not authorized" in proof.error:
        mend = f"Bind the service account {account} to the role {proof.role} of {proof.path.removesuffix('/login')}."
    elif "role name" in proof.error:
        mend = f"Make the role {proof.role} of {proof.path.removesuffix('/login')}, or name another in the annotation."
    says = f"The vault refused its login as {proof.role}: {proof.error or 'it got no token'}."
    evidence = f"{proof.vault} {proof.path} from {proof.address}: {proof.error or 'no token'}"
    return replace(one, cause=cause, says=says, mend=mend, evidence=evidence, sure=True, also=())


def _for(length: timedelta) -> str:
    return f"for {duration(max(length.total_seconds(), 0))}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One secret that a container gets, with how it comes, what a new value needs, and which version it holds."""

    row: SecretConsumer
    method: str
    restart: Said
    by: str
    refresh: str
    held: Holding | None = None


def delivery(row: SecretConsumer, held: Holding | None = None) -> Delivery:
    """Return a consumer with its words."""
    by = BY.get(row.restarted_by, row.restarted_by) if row.needs_restart == "always" else ""
    refresh = f"every {duration(row.refresh_seconds).replace('.0 s', ' s')}" if row.refresh_seconds else ""
    return Delivery(row, method(row.method), RESTARTS.get(row.needs_restart, RESTARTS["unknown"]), by, refresh, held)
