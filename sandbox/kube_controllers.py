"""The controllers of the simulated cluster in one thread: workloads roll, pods start and end, orphans are collected."""

from __future__ import annotations

import threading
import traceback

from sandbox.kube_budgets import keep_budget
from sandbox.kube_kubelet import Kubelets
from sandbox.kube_resources import KINDS, kind_of
from sandbox.kube_rollouts import Deployments, keep_replica_set
from sandbox.kube_selectors import Object
from sandbox.kube_sets import keep_daemon_set, keep_stateful_set
from sandbox.kube_status import Refusal
from sandbox.kube_store import Change, Store
from sandbox.kube_workloads import Desk, name_of

NODES = ("node-1", "node-2", "node-3")
QUIET = 6  # turns without a change after which everything has come to rest; a pod starts or ends within three
REST = 0.25  # seconds between two turns then, unless something changes before


class Controllers:
    """Turns, `pace` seconds apart; in each everything takes one step, so that every state between can be seen."""

    def __init__(self, store: Store) -> None:
        """Stand still until `start`."""
        self.store = store
        self.pace = 0.02
        self.kubelets = Kubelets(store)
        self.denied: dict[str, str] = {}
        self._deployments = Deployments()
        self._gone: set[str] = set()
        self._orphans = False  # something has gone since the last look for orphans
        self._stop = threading.Event()
        self._moved = threading.Event()  # something changed since the last turn began
        self._thread: threading.Thread | None = None
        store.listeners.append(self._note)

    def _note(self, change: Change) -> None:
        self._moved.set()
        if change.gone and self._thread is not None:
            self._gone.add(change.after.object["metadata"]["uid"])
            self._orphans = True

    def start(self, *nodes: str) -> Controllers:
        """Run; the nodes are made unless there are some."""
        if not self.store.objects("nodes"):
            self.kubelets.nodes(*(nodes or NODES))
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stand still."""
        self._stop.set()
        self._moved.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        quiet = 0
        while not self._stop.wait(self.pace):
            if quiet >= QUIET:  # a turn looks at every object, and most of the time there is nothing to do
                self._moved.wait(REST)
            self._moved.clear()
            self.turn()
            quiet = 0 if self._moved.is_set() else quiet + 1

    def turn(self) -> None:
        """Let everything take one step."""
        with self.store.lock:
            if self._orphans:
                self._collect()
            for plural in ("deployments", "replicasets", "statefulsets", "daemonsets"):
                desk = Desk(self.store, self.denied)
                for found in self.store.objects(plural, "apps"):
                    if not found["metadata"].get("deletionTimestamp"):
                        self._keep(desk, plural, found)
            desk = Desk(self.store, self.denied)
            for found in self.store.objects("poddisruptionbudgets", "policy"):
                keep_budget(desk, found)
            self.kubelets.tick()

    def _keep(self, desk: Desk, plural: str, found: Object) -> None:
        """Bring one workload a step further; one that makes no sense stands still, and the log says why."""
        try:
            self._step(desk, plural, found)
        except (AttributeError, LookupError, Refusal, TypeError, ValueError):
            traceback.print_exc()

    def _step(self, desk: Desk, plural: str, found: Object) -> None:
        if plural == "deployments":
            self._deployments.keep(desk, found)
        elif plural == "replicasets":
            keep_replica_set(desk, found)
        elif plural == "statefulsets":
            keep_stateful_set(desk, found)
        else:
            keep_daemon_set(desk, found)

    def warn(self, found: Object, reason: str, message: str) -> None:
        """Tell a Warning event of an object."""
        with self.store.lock:
            Desk(self.store, self.denied).warn(found, reason, message)

    # What belonged to something that is gone --------------------------------------------------------------------

    def _collect(self) -> None:
        self._orphans = False
        desk = Desk(self.store, self.denied)
        for kind in KINDS:
            for stored in list(self.store.shelf(kind).ordered()):
                owners = stored.object["metadata"].get("ownerReferences") or ()
                if owners and all(owner["uid"] in self._gone for owner in owners):
                    self._end(desk, stored.object, kind is kind_of("pods"))

    def _end(self, desk: Desk, found: Object, is_pod: bool) -> None:
        if found["metadata"].get("deletionTimestamp"):
            return
        try:
            if is_pod:
                desk.end_pods([found])
            else:
                kind = next(k for k in KINDS if (k.api_version, k.name) == (found["apiVersion"], found["kind"]))
                desk.objects.end(self.store.get(kind, *name_of(found)))
        except Refusal:
            return  # it has gone by itself
