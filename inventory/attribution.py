"""Which pod made a call to a vault, how well that is proven, and by what. Pure.

A token is bound to a pod once, by a claim that its login carried or by the address that it logged in from; its calls
inherit that where they come from an address of the same pod. A pod is named where it is proven and nowhere else: where
the evidence contradicts itself it is a conflict, and where it points to several, they are candidates.

One thing is believed: that within five seconds of its handing over, an address is not used by one of its two holders
with a stolen token of the other's service account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from inventory.binding import Bound, bind, brings, operator_of, same, says_nothing, sole_operator
from inventory.history import SKEW, History, Holder, shared
from inventory.lives import Life, canonical
from inventory.verdict import NAMING, RULE, SENTENCES, Calibration, Grade, Pod, Token, Verdict, World

__all__ = [
    "NAMING",
    "RULE",
    "SENTENCES",
    "Calibration",
    "Grade",
    "Pod",
    "Token",
    "Verdict",
    "World",
    "attribute",
    "judge",
]


def attribute(token: Token, address: str, at: int, world: World) -> Verdict:
    """Return which pod made a call with this token, from this address, at this moment of the vault's clock."""
    return judge(token, world)(address, at)


def judge(token: Token, world: World) -> Callable[[str, int], Verdict]:
    """Return the function that attributes calls of one token, which is bound only once."""
    bound = bind(token, world)

    def of_call(address: str, at: int) -> Verdict:
        return _attribute(token, bound, canonical(address), at, world)

    return of_call


def stretches(token: Token, address: str, first: int, last: int, world: World) -> list[tuple[int, int, Verdict]]:
    """Return what is known of a token's calls from one address between two moments, both included.

    As (since, until, verdict) in order, `until` not included: the verdict of each call is that of its stretch.
    """
    of_call, own = judge(token, world), canonical(address)
    found: list[tuple[int, int, Verdict]] = []
    starts = [first, *sorted(edge for edge in _edges(token, own, world) if first < edge <= last)]
    for since, until in zip(starts, [*starts[1:], last + 1], strict=True):
        verdict = of_call(address, since)
        if found and found[-1][2] == verdict:
            found[-1] = (found[-1][0], until, verdict)
        else:
            found.append((since, until, verdict))
    return found


def _edges(token: Token, address: str, world: World) -> set[int]:
    """Return the moments at which the verdict on a call may change."""
    edges: set[int] = set()
    for history in world.histories.values():
        edges |= history.edges(address)
        edges |= {history.horizon - SKEW, history.horizon - SKEW + 1}
        if world.proxies is None and token.account is not None:
            edges |= history.edges_of(token.account)
    return edges


def _attribute(token: Token, bound: Bound, address: str, at: int, world: World) -> Verdict:
    if bound.fault:
        return Verdict(Grade.CONFLICT, (bound.fault,), candidates=_pods(bound.cluster, bound.owners))
    if not bound.cluster:
        return _without_cluster(token, bound, address, at, world)
    calibration = world.calibrations.get(bound.cluster, Calibration())
    holders = world.histories[bound.cluster].holders(address, at)
    on_node = any(one.life.host_network for one in holders)
    why = says_nothing(address, calibration, world) or (("address_shared",) if not on_node and shared(holders) else ())
    if why or "claim_unknown" in bound.reasons:
        return _by_token_alone(bound, why)
    if not holders:
        return _nobodys(bound, address, world, at)
    attributed = _node if on_node else _pods_own
    return attributed(token, bound, holders, calibration, world, at)


def _by_token_alone(bound: Bound, why: tuple[str, ...]) -> Verdict:
    """Attribute a call whose address tells nothing."""
    if bound.proof.startswith("claim"):
        return _exact(bound, (bound.proof,))
    return Verdict(Grade.ACCOUNT, (*bound.reasons, *why))


def _pods_own(
    token: Token, bound: Bound, holders: list[Holder], calibration: Calibration, world: World, at: int
) -> Verdict:
    """Attribute a call from an address that is a pod's own."""
    owners = {life.uid for life in bound.owners}
    fitting = [one for one in holders if one.life.uid in owners] if owners else same(holders, token)
    if not fitting and brings(holders, bound.owners) and canonical(token.address) == holders[0].span.address:
        found = _named(bound.cluster, holders, ("address", "operator"), calibration, world, at)
        to = _pods(bound.cluster, bound.owners)
        return replace(found, candidates=found.candidates or to, delivered_by=sole_operator(holders))
    if not fitting:
        return _stranger(bound, holders, world, at)
    if bound.proof.startswith("claim"):
        return _exact(bound, (bound.proof, "address"))
    if bound.proof == "operator" and bound.reasons:  # whether anybody asked for that is not known yet
        pods = _pods(bound.cluster, (one.life for one in fitting))
        return Verdict(Grade.POSSIBLE, ("address", "operator", *bound.reasons), candidates=pods)
    if bound.proof == "operator":
        found = _named(bound.cluster, fitting, ("address", "operator"), calibration, world, at)
        return replace(found, delivered_by=operator_of(fitting[0].life))
    if not owners:  # the login does not tell whose it is, so whoever may have had the address may have sent it
        fitting = holders
    how = "inherited" if owners else (bound.reasons or ("login_unseen",))[0]
    return _named(bound.cluster, fitting, ("address", "account", how), calibration, world, at)


def _stranger(bound: Bound, holders: list[Holder], world: World, at: int) -> Verdict:
    """A call from another pod's address than its token's: a conflict, unless that pod may have been another."""
    pods = _pods(bound.cluster, (*bound.owners, *(one.life for one in holders)))
    reason = "address_elsewhere" if bound.owners else "address_other_account"
    doubts = _doubts(holders, world.histories[bound.cluster], at)
    if doubts:
        return Verdict(Grade.POSSIBLE, (reason, *doubts), candidates=pods)
    return Verdict(Grade.CONFLICT, (reason, "calibrated"), candidates=pods)


def _nobodys(bound: Bound, address: str, world: World, at: int) -> Verdict:
    """Attribute a call from an address that was no pod's then."""
    late = _doubts([], world.histories[bound.cluster], at)
    if not bound.owners:
        return Verdict(Grade.ACCOUNT, (*bound.reasons, "address_unknown", *late))
    if all(any(span.address == address for span in life.spans) for life in bound.owners):
        return Verdict(Grade.POSSIBLE, ("after_end",), candidates=_pods(bound.cluster, bound.owners))
    if not any(life.spans for life in bound.owners) and bound.proof.startswith("claim"):
        return _exact(bound, (bound.proof,))
    grade = Grade.POSSIBLE if late else Grade.CONFLICT
    return Verdict(
        grade, ("address_elsewhere", *(late or ("calibrated",))), candidates=_pods(bound.cluster, bound.owners)
    )


def _doubts(holders: list[Holder], history: History, at: int) -> tuple[str, ...]:
    """Return why the picture of an address may be another than it is."""
    unsure = () if all(one.sure for one in holders) else ("ended_unsure",)
    return (*unsure, *(("picture_late",) if at + SKEW > history.horizon else ()))


def _node(
    token: Token, bound: Bound, holders: list[Holder], calibration: Calibration, world: World, at: int
) -> Verdict:
    """Attribute a call from a node's address: the node's own network has it, and pods may hide behind it."""
    owners = {life.uid for life in bound.owners}
    fitting = [one for one in holders if one.life.uid in owners] if owners else same(holders, token)
    direct = all(one.life.node in calibration.direct for one in holders)
    if bound.proof.startswith("claim") and (fitting or not direct):
        return _exact(bound, (bound.proof,))
    if not direct:
        return Verdict(Grade.ACCOUNT, ("address_node",))
    if not fitting:
        return _stranger(bound, holders, world, at)
    if len(holders) == 1:
        return _named(bound.cluster, fitting, ("address_node_alone", "account"), calibration, world, at)
    found = _named(bound.cluster, fitting, ("address_node", "account"), calibration, world, at)
    return replace(found, grade=Grade.LIKELY) if found.grade == Grade.STRONG else found


def _without_cluster(token: Token, bound: Bound, address: str, at: int, world: World) -> Verdict:
    """Attribute a call whose token is of no cluster that we know: by its address alone nobody is named."""
    if token.account is not None and token.signed:
        return Verdict(Grade.ACCOUNT, bound.reasons)
    found: list[Pod] = []
    for cluster, history in world.histories.items():
        calibration = world.calibrations.get(cluster, Calibration())
        if calibration.usable and not says_nothing(address, calibration, world):
            found += _pods(cluster, (one.life for one in history.holders(address, at)))
    if found:
        return Verdict(Grade.POSSIBLE, ("address_only",), candidates=tuple(found))
    return Verdict(Grade.UNKNOWN, bound.reasons)


def _exact(bound: Bound, reasons: tuple[str, ...]) -> Verdict:
    return Verdict(Grade.EXACT, reasons, _pod(bound.cluster, bound.owners[0]))


def _named(
    cluster: str,
    fitting: list[Holder],
    reasons: tuple[str, ...],
    calibration: Calibration,
    world: World,
    at: int,
) -> Verdict:
    """Name the one pod that fits as far as the evidence goes; several, or one in doubt, are candidates."""
    history = world.histories[cluster]
    doubts = (*(("several",) if len(fitting) > 1 else ()), *_doubts(fitting, history, at))
    if world.proxies is None:
        reasons = (*reasons, "proxies_unknown")
        siblings = history.of_account(fitting[0].life.account, at)
        if len(siblings) > 1:
            pods = _pods(cluster, (*(one.life for one in fitting), *siblings))
            return Verdict(Grade.POSSIBLE, (*reasons, "several"), candidates=pods)
    if doubts:
        pods = _pods(cluster, (one.life for one in fitting))
        return Verdict(Grade.POSSIBLE, (*reasons, *doubts), candidates=pods)
    if not calibration.proven:
        reasons = (*reasons, "not_calibrated")
    grade = Grade.STRONG if world.proxies is not None and calibration.proven else Grade.LIKELY
    return Verdict(grade, reasons, _pod(cluster, fitting[0].life))


def _pod(cluster: str, life: Life) -> Pod:
    return Pod(cluster, life.uid, life.namespace, life.name)


def _pods(cluster: str, lives: Iterable[Life]) -> tuple[Pod, ...]:
    """Return each pod once, in the order given."""
    return tuple(dict.fromkeys(_pod(cluster, life) for life in lives))
