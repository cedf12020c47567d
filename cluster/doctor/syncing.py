"""An operator that can't keep a Kubernetes Secret as the vault has the secret: its own condition and events say so."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from cluster.consumption import Trouble
from cluster.copies import users_of
from cluster.scene import Scene, ref


def not_synced(
    scene: Scene, each: Any, secret: str, condition: str, failures: Collection[str], missing: str
) -> Iterator[Trouble]:
    """Give the trouble of one custom resource, if its condition is False or something that it names is missing."""
    failing = next((one for one in each.status.conditions if one.type == condition and one.status == "False"), None)
    if failing is None and not missing:
        return
    events = [one for one in scene.events_of(each.metadata.uid) if one.reason in failures]
    evidence = events[-1].message if events else failing.message if failing is not None else ""
    reason = f" ({failing.reason})" if failing is not None and failing.reason else ""
    me, pods = ref(each), tuple(ref(pod) for pod, _ in users_of(scene, each.metadata.namespace, secret))
    says = f"{me} is not synced{reason}: the Secret {secret or '(without a name)'} is missing or old."
    mend = missing or "See what the operator says, then the role, the policy and the path."
    yield Trouble("-", 0, me, me, says, mend, tuple(sorted(set(pods))), evidence=evidence)
