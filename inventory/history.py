"""One cluster's pod lives, looked up by address, by uid, by name and by service account. Pure.

A moment of a vault's clock is a window of the cluster's: the two may differ by five seconds either way.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from inventory.lives import Life, Span

SKEW = 5_000_000  # µs by which two clocks may differ
FIRST = 1_000_000  # µs: moments of the API server have whole seconds
FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Holder:
    """A pod that had an address within a window; not `sure` where its end, or another pod, may have been missed."""

    life: Life
    span: Span
    sure: bool


class History:
    """The lives of one cluster; `horizon` is the moment until which they are known, but for the `gaps`."""

    def __init__(
        self, cluster: str, lives: Iterable[Life], horizon: int = FOREVER, gaps: Iterable[tuple[int, int]] = ()
    ) -> None:
        self.cluster, self.horizon, self.gaps = cluster, horizon, sorted(gaps)
        self.by_uid = {life.uid: life for life in lives}
        self._spans: dict[str, list[tuple[int, int, Span, Life]]] = defaultdict(list)
        self._named: dict[tuple[str, str], list[Life]] = defaultdict(list)
        self._of: dict[tuple[str, str], list[Life]] = defaultdict(list)
        for life in self.by_uid.values():
            self._named[life.namespace, life.name].append(life)
            self._of[life.account].append(life)
            for span in life.spans:
                self._spans[span.address].append((span.start, FOREVER if span.end is None else span.end, span, life))
        self._starts: dict[str, list[int]] = {}
        self._reach: dict[str, list[int]] = {}
        for address, spans in self._spans.items():
            spans.sort(key=lambda one: one[:2])
            self._starts[address] = [one[0] for one in spans]
            self._reach[address] = list(accumulate((one[1] for one in spans), max))

    def holders(self, address: str, at: int) -> list[Holder]:
        """Return every pod that may have had an address at a moment of the vault's clock."""
        low, high = at - SKEW, at + SKEW
        if address not in self._starts:
            return []
        spans, reach = self._spans[address], self._reach[address]
        gaps = [gap for gap in self.gaps if gap[0] <= high and gap[1] >= low]
        found: list[Holder] = []
        place = bisect_right(self._starts[address], high) - 1
        while place >= 0 and reach[place] >= low:
            _, end, span, life = spans[place]
            if end >= low:
                sure = (span.sure is None or high < span.sure) and all(_spans(span, gap, low, high) for gap in gaps)
                found.append(Holder(life, span, sure))
            place -= 1
        return found

    def edges(self, address: str) -> set[int]:
        """Return the moments of the vault's clock at which `holders` of this address may change."""
        edges: set[int] = set()
        for _, _, span, _ in self._spans.get(address, ()):
            for edge in (span.start, span.start + FIRST, span.end, span.sure):
                edges |= set() if edge is None else _around(edge - SKEW) | _around(edge + SKEW)
        for gap in self.gaps:
            edges |= _around(gap[0] - SKEW) | _around(gap[1] + SKEW)
        return edges

    def edges_of(self, account: tuple[str, str]) -> set[int]:
        """Return the moments of the vault's clock at which `of_account` may change."""
        edges: set[int] = set()
        for life in self._of.get(account, ()):
            edges |= _around(life.start - SKEW) | (set() if life.end is None else _around(life.end + SKEW))
        return edges

    def named(self, namespace: str, name: str, at: int) -> list[Life]:
        """Return the pods of this name that may have lived at a moment."""
        return [life for life in self._named.get((namespace, name), ()) if lived(life, at)]

    def of_account(self, account: tuple[str, str], at: int) -> list[Life]:
        """Return the pods of a service account that may have lived at a moment."""
        return [life for life in self._of.get(account, ()) if lived(life, at)]


def lived(life: Life, at: int, grace: int = 0) -> bool:
    """Whether a pod may have lived at a moment of the vault's clock, or ended no more than `grace` µs before."""
    return life.start - SKEW <= at and (life.end is None or at <= life.end + SKEW + grace)


def shared(holders: list[Holder]) -> bool:
    """Whether pods had an address together for longer than clocks and late news explain: then it is no pod's own."""
    for number, one in enumerate(holders):
        for other in holders[number + 1 :]:
            if min(_until(one.span), _until(other.span)) - max(one.span.start, other.span.start) > SKEW:
                return True
    return False


def _spans(span: Span, gap: tuple[int, int], low: int, high: int) -> bool:
    """Whether a span lasted through what of a gap lies in a window, so that nobody can have been missed there.

    Before the first list of all nobody watched: that is no doubt about pods which begin after it, as if none had ended
    in the seconds before it.
    """
    if gap[0] == 0 and span.start > gap[1] - FIRST:
        return True
    return span.start + FIRST <= max(low, gap[0]) and (span.end is None or span.end >= min(high, gap[1]))


def _around(edge: int) -> set[int]:
    return {edge, edge + 1}


def _until(span: Span) -> int:
    """Return until when a span certainly lasted."""
    if span.sure is not None:
        return span.sure
    return FOREVER if span.end is None else span.end
