"""What a plan touches in clusters: the steps that restart workloads, and the figures, names and doubts of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cluster.blast import Blast as OfOne
from rotation.planning import Blast, Figure, StepSpec

PODS = "live pods"
BATCH = 3  # workloads that restart at once, after the first has shown that it works


@dataclass(slots=True)
class Touched:
    """Gathers workloads one by one; `leases` are those that end, `sure` those of them whose holder is proven."""

    steps: list[StepSpec] = field(default_factory=list)
    pods: list[str] = field(default_factory=list)
    workloads: list[str] = field(default_factory=list)
    budgets: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    leases: list[str] = field(default_factory=list)
    restarted: int = 0

    def restart(self, cluster: str, one: OfOne, fingerprint: str) -> None:
        """Add the restart of a workload of ours."""
        args = {
            "cluster": cluster, "kind": one.kind, "namespace": one.namespace, "name": one.name, "uid": one.uid,
            "fingerprint": fingerprint,
        }  # fmt: skip
        self.steps.append(StepSpec("restart_rollout", args))
        self.restarted += 1
        self.budgets += [f"{one.namespace}/{each.name} allows {each.allows}" for each in one.budgets]
        self.doubts += [f"{one.kind} {one.namespace}/{one.name}: {each}" for each in (one.says, *one.caveats)]

    def staged(self, prove: Callable[[str], StepSpec] | None = None) -> list[StepSpec]:
        """Return the restarts in their order: see `staged`."""
        return staged(self.steps, prove)

    def reach(self, kind: str, namespace: str, name: str, pods: Sequence[str]) -> None:
        """Add a workload whose pods get what changes."""
        self.workloads.append(f"{kind} {namespace}/{name}")
        self.pods += [f"{namespace}/{pod}" for pod in pods]

    def blast(self, *, leases_caveat: str = "") -> Blast:
        """Return it as a plan holds it."""
        figures = (
            Figure(len(self.leases), "leases", leases_caveat),
            Figure(len(self.pods), PODS, "none is known to get it" if not self.pods else ""),
            Figure(len(self.workloads), "workloads", _restarts(self.restarted)),
            Figure(len(self.budgets), "budgets touched", "no PodDisruptionBudget" if not self.budgets else ""),
        )
        return Blast(
            figures, tuple(self.pods), tuple(self.workloads), tuple(self.leases), tuple(self.budgets),
            tuple(self.doubts),
        )  # fmt: skip


def _restarts(many: int) -> str:
    return f"{many} restarted by this change" if many else "no restart follows"


def staged(restarts: Sequence[StepSpec], prove: Callable[[str], StepSpec] | None = None) -> list[StepSpec]:
    """Return restarts in their order: of several one first, with what proves it, then the others in batches.

    `prove` makes the step that proves the first one, of `cluster Deployment namespace/name`. Without it the rollout of
    the first is the proof. One that fails stops the change before the next is touched.
    """
    if len(restarts) < 2:
        return list(restarts)
    first, *others = restarts
    names = [_print(one) for one in others]
    begin = [StepSpec(first.step, {**first.args, "then": names})]
    if prove is not None:
        begin.append(prove(f"{first.args['cluster']} {_print(first)}"))
    return begin + [
        StepSpec(
            "restart_batch",
            {"workloads": [dict(one.args) for one in others[at : at + BATCH]], "then": names[at + BATCH :]},
        )
        for at in range(0, len(others), BATCH)
    ]


def alone(step: StepSpec) -> list[StepSpec]:
    """Return the restarts that a step of `staged` stands for, each by itself; none for the proof of the first one."""
    if step.step == "restart_batch":
        return [StepSpec("restart_rollout", one) for one in step.args["workloads"]]
    if step.step == "restart_rollout":
        return [StepSpec(step.step, {name: value for name, value in step.args.items() if name != "then"})]
    return [] if step.args.get("only") else [step]


def _print(one: StepSpec) -> str:
    return f"{one.args['kind']} {one.args['namespace']}/{one.args['name']}"
