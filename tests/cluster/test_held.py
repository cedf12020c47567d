"""What a pod can hold is bounded by times: never a wrong version, and an old one is called old only when it must be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster import delivery
from cluster.held import held
from cluster.versions import History, Span, Version
from tests.cluster import test_csi
from tests.cluster.made import T0, container, event, injected_pod, made, owner, pod, scene, status

START = datetime(2026, 11, 21, 10, tzinfo=UTC)
PATH = "kv/data/a"


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def text(minutes: float) -> str:
    return at(minutes).isoformat().replace("+00:00", "Z")


def holding(versions, *objects, now=60.0, seen=None):
    stage = scene(*objects, at=at(now) if now is not None else None)
    return held(stage, delivery.consumers(stage), {PATH: versions}, seen)


def one(versions, *objects, **more):
    (found,) = holding(versions, *objects, **more)
    return found.oldest, found.newest, found.stale


TWO = [Version(1), Version(2, at(30))]
SYNCED = {"mount": "kv", "path": "a", "type": "kv-v2", "destination": {"name": "db"}}


def copied(*minutes: float):
    """A resource of the operator and its Secret, with an event for each time at which it wrote."""
    known = made("vaultstaticsecrets", "db", spec=SYNCED)
    return [known, *(event(known, "VaultStaticSecret", "SecretRotated", at=text(each)) for each in minutes)]


def by_env(started: float, **parts):
    spec = {"containers": [container(envFrom=[{"secretRef": {"name": "db"}}])]}
    return pod(spec=spec, status={"containerStatuses": [status(started=text(started))]}, **parts)


def by_file(started: float, **parts):
    mounts = [{"name": "c", "mountPath": "/c"}]
    spec = {"containers": [container(volumeMounts=mounts)], "volumes": [{"name": "c", "secret": {"secretName": "db"}}]}
    return pod(spec=spec, status={"containerStatuses": [status(started=text(started))]}, **parts)


class TestCopies:
    def test_a_variable_from_before_the_current_version_is_old(self):
        assert one(TWO, by_env(10), *copied(0, 31)) == (1, 1, True)

    def test_a_variable_from_after_the_copy_was_written_is_current(self):
        assert one(TWO, by_env(40), *copied(0, 31)) == (2, 2, False)

    def test_between_the_new_version_and_its_copy_the_old_one_was_got_unless_nobody_saw_all_writes(self):
        assert one(TWO, by_env(35), *copied(0, 40)) == (1, 2, None)

    def test_without_any_trace_of_a_write_old_is_still_old(self):
        known = made("vaultstaticsecrets", "db", spec=SYNCED)
        assert one(TWO, by_env(10), known) == (1, 1, True)
        assert one([Version(3), Version(4, at(5)), Version(5, at(30))], by_env(10), known) == (3, 4, True)
        assert one(TWO, by_env(40), known) == (1, 2, None)

    def test_a_file_follows_the_copy(self):
        assert one(TWO, by_file(10), *copied(0, 31)) == (2, 2, False)

    def test_a_file_may_lag_behind_for_as_long_as_a_kubelet_takes(self):
        assert one(TWO, by_file(10), *copied(0, 31), now=32) == (1, 2, None)
        assert one(TWO, by_file(10), *copied(0, 31), now=33.5) == (2, 2, False)

    def test_a_pod_that_the_operator_restarted_after_its_write_has_what_was_written(self):
        mark = {"annotations": {"vso.secrets.hashicorp.com/restartedAt": text(31)}}
        mark["ownerReferences"] = [owner("StatefulSet", "web", "u")]
        assert one(TWO, by_file(31, meta=mark), *copied(0, 31), now=31.5) == (2, 2, False)

    @pytest.mark.parametrize("started", [30.0, 30.01, 29.99])
    def test_a_start_in_the_same_moment_as_a_change_stays_open(self, started):
        assert one(TWO, by_env(started), *copied(0, 31)) == (1, 2, None)

    def test_the_secrets_own_record_of_its_last_write_counts(self):
        fields = [{"manager": "vso", "time": text(31), "fieldsV1": {"f:data": {}}}]
        secret = made("secrets", "db", meta={"managedFields": fields})
        known = made("vaultstaticsecrets", "db", spec=SYNCED)
        assert one(TWO, by_env(40), known, secret) == (2, 2, False)

    def test_what_a_watch_saw_counts(self):
        secret, known = made("secrets", "db"), made("vaultstaticsecrets", "db", spec=SYNCED)
        assert one(TWO, by_env(40), known, secret, seen={secret.metadata.uid: [at(31)]}) == (2, 2, False)

    def test_a_refresh_of_external_secrets_counts(self):
        store = made("secretstores", "s", spec={"provider": {"vault": {"server": "https://v", "path": "kv"}}})
        spec = {"secretStoreRef": {"name": "s"}, "target": {"name": "db"}, "dataFrom": [{"extract": {"key": "a"}}]}
        ready = {"conditions": [{"type": "Ready", "status": "True"}], "refreshTime": text(35)}
        assert one(TWO, by_env(40), store, made("externalsecrets", "db", spec=spec, status=ready)) == (2, 2, False)
        failing = {"conditions": [{"type": "Ready", "status": "False"}], "refreshTime": text(35)}
        assert one(TWO, by_env(40), store, made("externalsecrets", "db", spec=spec, status=failing)) == (1, 2, None)

    def test_a_pinned_version_is_what_is_held(self):
        known = made("vaultstaticsecrets", "db", spec={**SYNCED, "version": 1})
        assert one(TWO, by_env(40), known) == (1, 1, True)

    def test_a_container_that_has_not_started_holds_nothing(self):
        waits = {"phase": "Pending", "containerStatuses": [status(state={"waiting": {"reason": "X"}})]}
        spec = {"containers": [container(envFrom=[{"secretRef": {"name": "db"}}])]}
        assert holding(TWO, pod(spec=spec, status=waits), *copied(0)) == []

    def test_a_pod_that_has_ended_holds_nothing(self):
        ended = {"phase": "Succeeded", "containerStatuses": [status(started=text(10))]}
        spec = {"containers": [container(envFrom=[{"secretRef": {"name": "db"}}])]}
        assert holding(TWO, pod(spec=spec, status=ended), *copied(0)) == []

    def test_a_container_that_was_restarted_got_it_anew(self):
        assert one(TWO, by_env(45), *copied(0, 31)) == (2, 2, False)


class TestAgents:
    def injected(self, started=10.0, **more):
        end = {"terminated": {"exitCode": 0, "startedAt": text(started), "finishedAt": text(started)}}
        return injected_pod(PATH, status={"initContainerStatuses": [status("vault-agent-init", state=end)]}, **more)

    def test_an_agent_that_ran_once_got_what_there_was(self):
        assert one(TWO, self.injected(10, sidecar=False)) == (1, 1, True)
        assert one(TWO, self.injected(40, sidecar=False)) == (2, 2, False)

    def test_what_an_agent_beside_the_application_read_last_stays_open(self):
        assert one(TWO, self.injected(10)) == (1, 2, None)

    def test_it_is_known_when_nothing_has_changed_since_its_start(self):
        assert one(TWO, self.injected(40)) == (2, 2, False)


class TestFilesOfTheDriver:
    def mounted(self, name="web-1", started=10.0):
        spec = {"containers": [container(volumeMounts=[{"name": "v", "mountPath": "/m"}])], "volumes": test_csi.VOLUMES}
        return pod(
            name, spec=spec, status={"startTime": text(started), "containerStatuses": [status(started=text(started))]}
        )

    def status_of(self, mounting, mark, written=None):
        fields = [{"manager": "csi", "time": text(written), "fieldsV1": {"f:status": {}}}] if written else []
        owners = [owner("Pod", mounting.metadata.name, mounting.metadata.uid, controller=False)]
        meta = {"ownerReferences": owners, "managedFields": fields}
        files = {"secretProviderClassName": "web", "objects": [{"id": "a", "version": mark}]}
        return made("secretproviderclasspodstatuses", f"{mounting.metadata.name}-shop-web", meta=meta, status=files)

    def test_without_rotation_they_stay_as_they_were(self):
        assert one(TWO, self.mounted(), test_csi.spc(), test_csi.driver()) == (1, 1, True)

    def test_with_rotation_they_stay_open(self):
        assert one(TWO, self.mounted(), test_csi.spc(), test_csi.driver(*test_csi.ROTATES)) == (1, 2, None)

    def test_the_last_change_of_the_status_tells(self):
        web = self.mounted()
        told = self.status_of(web, "H", written=31)
        assert one(TWO, web, told, test_csi.spc(), test_csi.driver(*test_csi.ROTATES)) == (2, 2, False)

    def test_a_change_that_a_watch_saw_tells_too(self):
        web = self.mounted()
        told = self.status_of(web, "H")
        seen = {told.metadata.uid: [at(31)]}
        assert one(TWO, web, told, test_csi.spc(), test_csi.driver(*test_csi.ROTATES), seen=seen) == (2, 2, False)

    def test_the_same_mark_is_the_same_content(self):
        old, new = self.mounted("web-1", 10), self.mounted("web-2", 40)
        told = [self.status_of(old, "H"), self.status_of(new, "H")]
        found = holding(TWO, old, new, *told, test_csi.spc(), test_csi.driver(*test_csi.ROTATES))
        assert {(each.pod.name, each.version) for each in found} == {("web-1", 2), ("web-2", 2)}

    def test_another_mark_tells_nothing(self):
        old, new = self.mounted("web-1", 10), self.mounted("web-2", 40)
        told = [self.status_of(old, "H"), self.status_of(new, "other")]
        found = holding(TWO, old, new, *told, test_csi.spc(), test_csi.driver(*test_csi.ROTATES))
        assert {(each.pod.name, each.version) for each in found} == {("web-1", None), ("web-2", 2)}


class TestHistory:
    def test_before_the_first_known_version_it_was_the_first(self):
        history = History([Version(5, at(10)), Version(4, at(0))])
        assert [history.at(at(minutes)) for minutes in (-5, 0, 9, 10, 11)] == [4, 4, 4, 5, 5]
        assert (history.first, history.current, history.at(None)) == (4, 5, 5)

    def test_a_read_is_between_what_there_was_before_and_after(self):
        history = History(TWO)
        assert history.between(at(29), at(31), timedelta(0)) == Span(1, 2)
        assert history.between(at(31), None, timedelta(0)) == Span(2, 2)
        assert history.between(None, at(5), timedelta(0)) == Span(1, 1)
        assert history.between(at(31), at(32), timedelta(minutes=5)) == Span(1, 2)


def test_a_secret_without_known_versions_and_a_direct_client_are_left_out():
    env = [{"name": "VAULT_ADDR", "value": "https://v"}]
    stage = scene(by_env(10), *copied(0), pod("d", spec={"containers": [container(env=env)]}))
    assert held(stage, delivery.consumers(stage), {}) == []
    assert len(held(stage, delivery.consumers(stage), {PATH: TWO})) == 1


@settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(st.integers(1, 3000), max_size=5, unique=True),
    syncs=st.lists(st.integers(1, 3000), min_size=1, max_size=6, unique=True),
    started=st.integers(1, 3600),
    env=st.booleans(),
)
def test_no_bound_leaves_out_what_a_pod_really_holds(changes, syncs, started, env):
    """A world in seconds: versions are made, an operator copies, a pod starts and keeps or follows the copy."""
    created = sorted(changes)
    versions = [Version(1), *(Version(n + 2, START + timedelta(seconds=second)) for n, second in enumerate(created))]
    writes = sorted({0, *syncs})
    content = {second: 1 + sum(one <= second for one in created) for second in writes}
    now = 3600
    moment_ = started if env else max(started, now - 90)
    real = content[max(second for second in writes if second <= moment_)]
    mine = (by_env if env else by_file)(started / 60)
    found = holding(versions, mine, *copied(*(second / 60 for second in writes)), now=now / 60)
    assert found[0].oldest <= real <= found[0].newest
    assert found[0].stale in {None, real < versions[-1].number}


def test_the_time_of_the_tests_is_the_time_of_the_objects():
    assert text(0) == T0
