"""What the map of pods by secrets shows: a row for each pod that holds something, under its workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import groupby
from operator import attrgetter

from audit import consuming, lease_questions, pod_map
from audit.lease_questions import Outlived
from audit.pod_map import Cell, Column, PodMap
from dashboard import lease_words
from dashboard.closing import Closing
from dashboard.lease_words import Left
from dashboard.pods_page import ClusterList
from dashboard.words import counted
from inventory.cluster_models import PodState
from inventory.cluster_questions import Listing
from inventory.verdict import Grade

SHOWN = 100
SOON = timedelta(minutes=5)
GRADES = [str(one) for one in Grade]


@dataclass(frozen=True, slots=True)
class MapCell:
    """One cell with its words; `cell` None where the pod holds nothing of the secret."""

    column: Column
    cell: Cell | None
    left: Left | None


@dataclass(frozen=True, slots=True)
class MapRow:
    """One pod with its cells, in the order of the columns."""

    pod: PodState
    cells: Sequence[MapCell]


@dataclass(frozen=True, slots=True)
class MapGroup:
    """The pods of one workload; `behind` of them hold an old version."""

    first: PodState
    rows: Sequence[MapRow]
    behind: int


@dataclass
class WorkloadMap(ClusterList):
    """What the pods hold that the address asks for."""

    name = "workload-map"
    noun = "pod"

    def _listing(self) -> Listing:
        return consuming.pods(self.wish, self.after, SHOWN, scope=self.scope)

    @cached_property
    def map(self) -> PodMap:
        """Return the facts of this page's pods."""
        return pod_map.pod_map(self.listing.rows, self.now, scope=self.scope)

    @cached_property
    def rows(self) -> list[MapRow]:
        """Return the pods that hold something."""
        return [self._row(one) for one in self.listing.rows if self.map.cells[one.cluster_id, one.uid]]

    def _row(self, pod: PodState) -> MapRow:
        cells = self.map.cells[pod.cluster_id, pod.uid]
        return MapRow(pod, [self._cell(column, cells.get(column)) for column in self.map.columns])

    def _cell(self, column: Column, cell: Cell | None) -> MapCell:
        return MapCell(column, cell, lease_words.left(cell.lease, self.now) if cell and cell.lease else None)

    @property
    def items(self) -> list[MapGroup]:
        """Return the same by workload."""
        key = attrgetter("pod.cluster_id", "pod.namespace", "pod.workload_kind", "pod.workload_name")
        groups = (list(some) for _, some in groupby(self.rows, key=key))
        return [MapGroup(some[0].pod, some, sum(map(_behind, some))) for some in groups]

    @property
    def behind(self) -> int:
        """Return how many pods hold an old version."""
        return sum(map(_behind, self.rows))

    @property
    def unknown(self) -> int:
        """Return of how many pods it is not known what they hold."""
        return sum(any(one.cell and not one.cell.known for one in row.cells) for row in self.rows)

    @property
    def soon(self) -> int:
        """Return how many leases end soon."""
        return sum(bool(one.left and one.left.ends and one.left.seconds < SOON.total_seconds()) for one in self._cells)

    @property
    def _cells(self) -> list[MapCell]:
        return [one for row in self.rows for one in row.cells]

    @property
    def leases(self) -> int:
        """Return how many leases are shown."""
        return sum(one.left is not None for one in self._cells)

    @property
    def secrets(self) -> int:
        """Return how many of the columns are no leases."""
        leased = {one.column for one in self._cells if one.left is not None}
        return len(self.map.columns) - len(leased)

    @cached_property
    def orphans(self) -> Outlived:
        """Return the leases of pods that are gone."""
        return lease_questions.outlived(scope=self.scope, now=self.now)

    @property
    def grades(self) -> list[str]:
        """Return the grades of proof, for the legend."""
        return GRADES

    @property
    def counts(self) -> str:
        """Return the count in front of the closing line."""
        return f"{counted(len(self.rows), 'pod')}, {counted(self.leases, 'lease')}."

    @property
    def closing(self) -> Closing:
        """Return the closing line: what is left out, and what is not known."""
        notes = [one.note for one in self.stale]
        nothing = len(self.listing.rows) - len(self.rows)
        if nothing:
            notes.append(f"{counted(nothing, 'pod')} of which nothing shows a secret {_is(nothing)} left out.")
        if self.map.more:
            notes.append(f"{counted(self.map.more, 'secret')} that fewer pods hold {_is(self.map.more)} left out.")
        if self.unknown:
            notes.append(f"Of {counted(self.unknown, 'pod')} it is not known what {_it(self.unknown)} of a secret.")
        told = "More follow." if self.more else "Not complete." if notes else "These are all."
        return Closing(not notes and not self.more and not self.first, told, notes)


def _behind(row: MapRow) -> bool:
    return any(one.cell is not None and one.cell.old for one in row.cells)


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _it(count: int) -> str:
    return "it holds" if count == 1 else "they hold"
