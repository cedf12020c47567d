"""Which version of a secret a pod holds, as far as the API shows it: bounds from times, never a guess.

A container that got a secret at its start can't hold a version that was made later; one that started after a copy was
written holds at least what was written. Where both bounds meet the version is known; where the newest possible is older
than the current one the pod is on an old version, whichever it is. What an agent or a client reads while it runs the
vault's audit log alone tells: those stay open here unless the secret has not changed since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cluster.agents import INIT, SIDECAR, status_of
from cluster.consumption import KV, Consumer
from cluster.delivery import csi, eso, vso
from cluster.kinds.eso import ExternalSecret
from cluster.kinds.meta import moment
from cluster.kinds.platform import Secret
from cluster.kinds.pod import ContainerStatus, Pod
from cluster.kinds.store_csi import SecretProviderClass
from cluster.scene import Ref, Scene
from cluster.uses import ENV, ENV_FROM, SUB_PATH
from cluster.versions import History, Span, Version

SKEW = timedelta(seconds=2)
_SECOND = timedelta(seconds=1)
# How long a kubelet may take until a changed Secret is in the files of its pods: its period and its cache.
KUBELET = timedelta(minutes=2)
_RESTARTED = "vso.secrets.hashicorp.com/restartedAt"
Seen = Mapping[str, Sequence[datetime]]


@dataclass(frozen=True, slots=True)
class Held:
    """What one container can hold of one secret; `why` says on what the bounds stand."""

    pod: Ref
    container: str
    path: str
    oldest: int
    newest: int
    current: int
    why: str
    renewed: bool = False  # the CSI driver renews the file, so its status tells of the content

    @property
    def version(self) -> int | None:
        """The version, or None when the cluster alone can't tell it."""
        return self.oldest if self.oldest == self.newest else None

    @property
    def stale(self) -> bool | None:
        """Whether the pod is on an old version; None when the cluster alone can't tell it."""
        if self.newest < self.current:
            return True
        return False if self.oldest >= self.current else None


def held(
    scene: Scene,
    consumers: Iterable[Consumer],
    versions: Mapping[str, Sequence[Version]],
    seen: Seen | None = None,
    skew: timedelta = SKEW,
) -> list[Held]:
    """Return what each consumer of a versioned secret holds; containers that have not started hold nothing.

    `versions` is by path as consumers name it. `seen`: by the uid of a Secret or of a SecretProviderClassPodStatus, the
    times at which a watch saw its content change (for a Secret: the data, for a status: the versions).
    """
    found = []
    for each in consumers:
        known = versions.get(each.path)
        if known and not each.ended and each.source.credential in {KV, ""}:
            one = _held(_Question(scene, each, History(known), seen or {}, skew))
            if one is not None:
                found.append(one)
    return _same_content_same_version(scene, found)


@dataclass(frozen=True, slots=True)
class _Question:
    scene: Scene
    consumer: Consumer
    history: History
    seen: Seen
    skew: timedelta

    def between(self, earliest: datetime | None, latest: datetime | None) -> Span:
        return self.history.between(earliest, latest, self.skew)


def _held(asked: _Question) -> Held | None:
    each = asked.consumer
    pod = asked.scene.pod(each.pod.uid)
    started = started_at(status_of(pod, each.container)) if pod is not None else None
    if pod is None or started is None:
        return None
    if each.source.pinned:
        span, why = Span(each.source.pinned, each.source.pinned), "The source asks for this version."
    elif each.k8s_secret:
        span, why = _of_copy(asked, pod, started)
    elif each.method == "csi":
        span, why = _of_volume(asked, pod, started)
    elif each.method == "injector":
        span, why = _of_agent(asked, pod)
    else:
        return None
    renewed = each.method == "csi" and not each.k8s_secret and SUB_PATH not in each.uses
    return Held(each.pod, each.container, each.path, span.oldest, span.newest, asked.history.current, why, renewed)


def started_at(status: ContainerStatus | None) -> datetime | None:
    """Return when a container started last; None when it never has."""
    if status is None:
        return None
    states = (status.state.running, status.state.terminated, status.last_state.terminated)
    return next((found for each in states if each is not None and (found := moment(each.started_at))), None)


def _of_agent(asked: _Question, pod: Pod) -> tuple[Span, str]:
    init, sidecar = status_of(pod, INIT), status_of(pod, SIDECAR)
    first = started_at(init) or started_at(sidecar)
    if sidecar is not None:
        why = "An agent reads as long as the pod runs; which version it read last the vault's audit log tells."
        return asked.between(first, asked.scene.at), why
    ended = init.state.terminated if init is not None else None
    last = moment(ended.finished_at) if ended is not None else None
    return asked.between(first, last + _SECOND if last else None), "The agent read once, before the start."


def _of_volume(asked: _Question, pod: Pod, started: datetime) -> tuple[Span, str]:
    mounted = moment(pod.status.start_time) or moment(pod.metadata.creation_timestamp)
    on, _ = csi.rotation(asked.scene)
    if on is False or SUB_PATH in asked.consumer.uses:
        return asked.between(mounted, started + _SECOND), "The file was read when the pod started."
    made_by = asked.consumer.source.made_by
    status = csi.statuses(asked.scene).get((pod.metadata.uid, made_by.name if made_by else ""))
    changes = [*asked.seen.get(status.metadata.uid, ()), status.metadata.status_written()] if status is not None else []
    last = max((change for change in (*changes, mounted) if change is not None), default=None)
    return asked.between(last, asked.scene.at), "The driver renews the file; its last change was then."


def _of_copy(asked: _Question, pod: Pod, started: datetime) -> tuple[Span, str]:
    fixed = {ENV, ENV_FROM, SUB_PATH} & set(asked.consumer.uses)
    written = _written(asked)
    if fixed:
        span = asked.between(_content_at(written, started), started + _SECOND)
        return span, "The container got it at its start and keeps it."
    since = [_content_at(written, started), _by_restart(written, pod)]
    if asked.scene.at is not None:
        since.append(max((one for one in written if one <= asked.scene.at - KUBELET), default=None))
    last = max((one for one in since if one is not None), default=None)
    return asked.between(last, asked.scene.at), "The kubelet renews the file after the copy has changed."


def _content_at(written: list[datetime], started: datetime) -> datetime | None:
    """The last write that was surely before a start: times of whole seconds say only in which second it was.

    The first write is before every start: without the Secret there would be none.
    """
    sure = [one for one in written if one + _SECOND <= started]
    return sure[-1] if sure else next((one for one in written[:1] if one <= started + _SECOND), None)


def _by_restart(written: list[datetime], pod: Pod) -> datetime | None:
    # The operator restarts after it has written: a pod with its mark of that second or later has what was written.
    mark = moment(pod.metadata.annotations.get(_RESTARTED))
    return max((one for one in written if mark is not None and one <= mark + _SECOND), default=None)


def _written(asked: _Question) -> list[datetime]:
    """When the Kubernetes Secret was written, or found to be right, as far as anything says it; ascending."""
    scene, each = asked.scene, asked.consumer
    copy = scene.named(Secret, each.pod.namespace, each.k8s_secret)
    stamps: list[datetime | None] = []
    if copy is not None:
        stamps = [copy.metadata.data_written(), moment(copy.metadata.creation_timestamp)]
        stamps += asked.seen.get(copy.metadata.uid, ())
    maker = scene.by_uid(each.source.made_by.uid) if each.source.made_by is not None else None
    if isinstance(maker, ExternalSecret):
        stamps += eso.synced_at(scene, maker)
    elif each.method == "vso" and maker is not None:
        stamps += vso.synced_at(scene, maker.metadata.uid)
    return sorted({stamp for stamp in stamps if stamp is not None})


def _same_content_same_version(scene: Scene, found: list[Held]) -> list[Held]:
    """Narrow the bounds of files mounted by the CSI driver: the same HMAC of the same object is the same content."""
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index, each in enumerate(found):
        for mark in _marks(scene, each):
            groups[mark].append(index)
    narrowed = list(found)
    for indexes in groups.values():
        oldest = max(found[index].oldest for index in indexes)
        newest = min(found[index].newest for index in indexes)
        if oldest <= newest:  # else the same value was written twice, and the HMAC does not tell the versions apart
            for index in indexes:
                narrowed[index] = replace(found[index], oldest=oldest, newest=newest)
    return narrowed


def _marks(scene: Scene, each: Held) -> list[tuple[str, str, str]]:
    return scene.once(_all_marks).get((each.pod.uid, each.path), []) if each.renewed else []


def _all_marks(scene: Scene) -> dict[tuple[str, str], list[tuple[str, str, str]]]:
    found = defaultdict(list)
    for (pod, name), status in csi.statuses(scene).items():
        known = scene.named(SecretProviderClass, status.metadata.namespace, name)
        paths = (
            {each.object_name: each.secret_path.strip("/") for each in known.spec.parameters.listed} if known else {}
        )
        for file in status.status.objects:
            if file.version and file.id in paths and known is not None:
                found[pod, paths[file.id]].append((known.metadata.uid, file.id, file.version))
    return dict(found)
