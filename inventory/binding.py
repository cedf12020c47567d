"""Whose a token is: the pod that logged in, by a signed claim or by the address that it logged in from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inventory.history import SKEW, Holder, lived, shared
from inventory.lives import Life, canonical
from inventory.verdict import FEWEST, OUTLIVES, Calibration, Token, World

LATE = 60_000_000  # µs after which everything that asks an operator to log in has been seen
OPERATORS = {
    "vault-secrets-operator": "Vault Secrets Operator",
    "external-secrets": "External Secrets Operator",
    "vault-csi-provider": "Vault CSI provider",
    "secrets-store-csi-driver": "Secrets Store CSI driver",
    "secrets-store-csi-driver-provider-vault": "Vault CSI provider",
}

NO_CLAIMS = frozenset({"role", "service_account_name", "service_account_namespace", "service_account_secret_name"})
# They log in with tokens of their node's pods.
PROVIDERS = frozenset({"Vault CSI provider", "Secrets Store CSI driver"})


def operator_of(life: Life) -> str:
    """Return which operator a pod is, as its label says; empty for none."""
    return OPERATORS.get(life.labels.get("app.kubernetes.io/name", ""), "")


@dataclass(frozen=True, slots=True)
class Bound:
    """Whose a token is: `owners` of one cluster by `proof`, or a `fault`."""

    cluster: str = ""
    proof: str = ""  # claim_uid, claim_name, address, operator
    owners: tuple[Life, ...] = ()
    fault: str = ""
    reasons: tuple[str, ...] = ()


def bind(token: Token, world: World) -> Bound:
    """Bind a token to the pod that logged in, by its claim, else by its address."""
    claimed = _claimed(token, world) if token.signed else None
    if claimed is not None:
        return claimed
    if token.account is None or not token.signed:
        return Bound(reasons=("no_account",))
    cluster = _cluster_of(token, world)
    if not cluster:
        return Bound(reasons=("unlinked",))
    return _by_address(token, cluster, world)


def _claimed(token: Token, world: World) -> Bound | None:
    """Bind by a pod's uid that any key of the metadata holds, or by its name; None where it claims nothing.

    Only a service account's login claims a pod: of all others nobody knows that the API server signed them. And a mount
    that serves another cluster checks the signature of that one, which may sign what it likes.
    """
    if token.account is None:
        return None
    for key, value in token.metadata.items():
        for cluster, history in world.histories.items():
            life = history.by_uid.get(value) if key not in NO_CLAIMS else None
            if life is not None and world.links.get(token.mount, cluster) != cluster:
                return Bound(world.links[token.mount], reasons=("claim_unknown",))
            if life is not None:
                return Bound(cluster, "claim_uid", (life,), _fault_of(token, life))
    if any("pod" in key and "uid" in key and value for key, value in token.metadata.items()):
        return Bound(_cluster_of(token, world), reasons=("claim_unknown",))
    return _claimed_name(token, world)


def _fault_of(token: Token, life: Life) -> str:
    """Return what is wrong with a claim."""
    if token.account is not None and life.account != token.account:
        return "claim_account"
    if any(name != life.name for name in _claimed_names(token)):
        return "claim_name_differs"
    return "" if not token.at or lived(life, token.at, OUTLIVES) else "claim_dead"


def _claimed_names(token: Token) -> set[str]:
    """Return the names of pods that the metadata holds: one, unless it is nonsense."""
    keys = [key for key in token.metadata if "pod" in key and "name" in key and "space" not in key]
    return {token.metadata[key] for key in keys if token.metadata[key]}


def _claimed_name(token: Token, world: World) -> Bound | None:
    """Bind by a claimed name, which is a pod's for a while only, and only in the cluster that the login serves."""
    names = _claimed_names(token)
    cluster = _cluster_of(token, world) if names and token.account else ""
    if not cluster or token.account is None:
        return None
    owners = world.histories[cluster].named(token.account[0], min(names), token.at) if len(names) == 1 else []
    if len(owners) != 1:
        return Bound(cluster, reasons=("claim_unknown",))
    fault = "claim_account" if owners[0].account != token.account else ""
    return Bound(cluster, "claim_name", tuple(owners), fault)


def _cluster_of(token: Token, world: World) -> str:
    """Return the cluster whose service account this is, by the account's uid or the mount's link; never by a name."""
    for value in token.metadata.values():
        if value in world.accounts:
            cluster, *account = world.accounts[value]
            return cluster if tuple(account) == token.account and cluster in world.histories else ""
    cluster = world.links.get(token.mount, "") if token.mount else ""
    uid = token.metadata.get("service_account_uid", "")
    if uid and any((cluster, *(token.account or ())) == known for known in world.accounts.values()):
        return ""  # an account of this name has another uid there: it is another cluster's
    return cluster if cluster in world.histories else ""


def _by_address(token: Token, cluster: str, world: World) -> Bound:
    """Bind by the address of the login; where its moment leaves several, a later call from there may leave one."""
    address, calibration = canonical(token.address), world.calibrations.get(cluster, Calibration())
    if not token.address:
        return Bound(cluster, reasons=("login_unseen",))
    nothing = Bound(cluster, reasons=("login_elsewhere",))
    if says_nothing(address, calibration, world):
        return nothing
    holders = world.histories[cluster].holders(address, token.at)
    if sole_operator(holders) and not same(holders, token):
        fault, *late = _undelivered(cluster, token, world)
        return Bound(cluster, "operator", (holders[0].life,), fault, tuple(late))
    on_node = any(one.life.host_network for one in holders)
    hidden = on_node and not all(one.life.node in calibration.direct for one in holders)
    owners = same(holders, token)
    known = all(one.sure for one in holders) and token.at + SKEW <= world.histories[cluster].horizon
    if not holders or hidden or (not on_node and shared(holders)) or not (owners or known):
        return nothing
    if not owners:
        return Bound(cluster, "", tuple(one.life for one in holders), "address_other_account")
    if len(owners) > 1 and token.last_at > token.at:
        later = {one.life.uid for one in same(world.histories[cluster].holders(address, token.last_at), token)}
        owners = [one for one in owners if one.life.uid in later] or owners
    return Bound(cluster, "address", tuple(one.life for one in owners))


def _undelivered(cluster: str, token: Token, world: World) -> tuple[str, ...]:
    """Return what is wrong with an operator's login as an account, and then what is in doubt; at first the fault."""
    known = world.deliveries.get(cluster)
    if known is None or token.account is None or token.account in known.accounts or token.at < known.since:
        return ("",)
    return ("not_delivered",) if token.at + LATE <= known.until else ("", "picture_late")


def sole_operator(holders: Sequence[Holder]) -> str:
    """Return which operator alone had the address; empty where it was none's, or not one's alone."""
    return operator_of(holders[0].life) if len(holders) == 1 else ""


def brings(holders: Sequence[Holder], owners: Sequence[Life]) -> bool:
    """Whether an operator that alone had an address is one that logs in with the tokens of these pods.

    Only providers of volumes are handed tokens of pods, by the kubelet of their own node; other operators ask for
    tokens of service accounts, which are no pod's.
    """
    provider = sole_operator(holders) in PROVIDERS
    return provider and bool(owners) and all(one.node == holders[0].life.node for one in owners)


def same(holders: Iterable[Holder], token: Token) -> list[Holder]:
    """Return the holders that run as the token's service account."""
    return [one for one in holders if token.account is None or one.life.account == token.account]


def says_nothing(address: str, calibration: Calibration, world: World) -> tuple[str, ...]:
    """Return why an address can't tell a pod, nothing if it can."""
    if not calibration.usable:
        return ("address_not_usable",) if calibration.logins >= FEWEST else ("not_calibrated",)
    if address in calibration.relays or address in (world.proxies or ()):
        return ("address_relay",)
    return ()
