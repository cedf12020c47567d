"""What a vault's own logins prove: which cluster an auth mount serves, and whether addresses are the callers'. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from inventory.binding import NO_CLAIMS, operator_of
from inventory.history import History, Holder, shared
from inventory.lives import canonical
from inventory.verdict import Calibration, Token, World

MANY = 5  # service accounts that log in from one address, none of them its pod's, from which it counts as a relay
SERVES = 5  # logins of different pods that must fit before addresses alone link a mount to a cluster


def calibrated(tokens: Iterable[Token], world: World) -> World:
    """Return the world with its mounts linked and its listener calibrated by these tokens' logins."""
    known = [token for token in tokens if token.address and token.account and token.signed]
    world = replace(world, links={**_links(known, world), **world.links})
    return replace(world, calibrations=calibrations(known, world))


def _links(tokens: list[Token], world: World) -> Mapping[str, str]:
    """Return {mount: cluster}: by uids of service accounts and pods, which are one cluster's; else by addresses.

    Half of the logins must tell the same: one that somebody forged links nothing, and hides no link.
    """
    by_uid: dict[str, Counter[str]] = defaultdict(Counter)
    by_address: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    logins: Counter[str] = Counter()
    for token in tokens:
        logins[token.mount] += 1
        by_uid[token.mount].update(_told_by_uids(token, world))
        for cluster, history in world.histories.items():
            pods = history.holders(canonical(token.address), token.at)
            by_address[token.mount][cluster].update(
                one.life.uid for one in pods if one.life.account == token.account and not one.life.host_network
            )
    found: dict[str, str] = {}
    for mount in logins:
        told = [cluster for cluster, count in by_uid[mount].items() if count and count * 2 >= logins[mount]]
        fits = [cluster for cluster, pods in by_address[mount].items() if len(pods) >= SERVES]
        if len(told) == 1:
            found[mount] = told[0]
        elif not told and len(fits) == 1 and len(by_address[mount][fits[0]]) * 2 >= logins[mount]:
            found[mount] = fits[0]
    return {mount: cluster for mount, cluster in found.items() if mount}


def _told_by_uids(token: Token, world: World) -> set[str]:
    """Return the clusters whose service accounts or pods a login's metadata names by uid."""
    uids = {value for key, value in token.metadata.items() if key not in NO_CLAIMS}
    told = {world.accounts[uid][0] for uid in uids & world.accounts.keys()}
    return told | {cluster for cluster, history in world.histories.items() if uids & history.by_uid.keys()}


@dataclass(slots=True)
class _Count:
    """The logins of one cluster's accounts as they are counted."""

    logins: int = 0
    matched: int = 0
    direct: set[str] = field(default_factory=set)
    fits: Counter[str] = field(default_factory=Counter)
    others: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    strangers: Counter[str] = field(default_factory=Counter)


def calibrations(tokens: Iterable[Token], world: World) -> dict[str, Calibration]:
    """Return what the logins of these tokens say of addresses, by cluster."""
    counts: dict[str, _Count] = defaultdict(_Count)
    for token in tokens:
        for cluster in _clusters(token, world):
            _count(counts[cluster], token, world.histories[cluster])
    return {
        cluster: Calibration(one.logins, one.matched, frozenset(one.direct), _relays(one))
        for cluster, one in counts.items()
    }


def _clusters(token: Token, world: World) -> set[str]:
    told = {world.accounts[value][0] for value in token.metadata.values() if value in world.accounts}
    told |= {world.links[token.mount]} if token.mount in world.links else set()
    return told & set(world.histories)


def _count(count: _Count, token: Token, history: History) -> None:
    """Count one login; operators log in for others and nodes have no address of one pod, so they tell nothing."""
    address = canonical(token.address)
    holders = history.holders(address, token.at)
    fitting = [one for one in holders if one.life.account == token.account]
    if not fitting and not (len(holders) == 1 and operator_of(holders[0].life)):
        count.others[address].add(token.account or ("", ""))
        count.strangers[address] += 1
    if _tells_nothing(holders, fitting):
        return
    count.logins += 1
    if fitting and not shared(holders):
        count.matched += 1
        count.fits[address] += 1
        count.direct.update(one.life.node for one in fitting if len(fitting) == 1)


def _tells_nothing(holders: list[Holder], fitting: list[Holder]) -> bool:
    if not holders:
        return False
    return any(one.life.host_network for one in holders) or (
        not fitting and all(bool(operator_of(one.life)) for one in holders)
    )


def _relays(count: _Count) -> frozenset[str]:
    """Return addresses behind which more, and several, service accounts log in than belong there."""
    return frozenset(
        address
        for address, accounts in count.others.items()
        if len(accounts) >= MANY and count.strangers[address] > count.fits[address]
    )
