"""Each cause of a pod that is stuck before its start is told by its number, with its mend."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cluster import delivery
from tests.cluster.causes import because, causes, only, waiting
from tests.cluster.made import (
    MOUNTED,
    agent,
    agent_config,
    container,
    event,
    injected_pod,
    scene,
    status,
)


class TestStuckBeforeTheStart:
    @pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"])
    def test_an_image_that_cannot_be_pulled(self, reason):
        trouble = only(waiting(because(reason)))
        assert (trouble.symptom, trouble.cause, trouble.evidence) == ("I", 15, "m")

    def test_an_agent_that_runs_and_never_ends_cannot_log_in_or_reach_the_vault(self):
        trouble = only(waiting({}))
        assert (trouble.cause, trouble.sure, trouble.also) == (16, False, (19, 24))
        assert "audit log" in trouble.mend

    def test_an_address_at_which_nobody_reaches_a_vault_is_told(self):
        lost = waiting({}, config=agent_config("kv/data/a", vault={"address": "https://other:8200"}))
        well = injected_pod("kv/data/a", meta={"name": "well", "uid": "u2"})
        (trouble,) = delivery.troubles(scene(lost, well))
        assert (trouble.cause, trouble.sure, trouble.also) == (19, False, (16, 24))
        assert "https://other:8200" in trouble.says
        assert causes(waiting({}), well) == causes(lost) == {("I", 16)}

    def test_an_agent_that_has_just_begun_is_left_alone(self):
        begun = datetime(2026, 11, 21, 10, 0, 10, tzinfo=UTC)
        assert causes(waiting({}), at=begun) == set()
        assert causes(waiting({}), at=begun.replace(minute=5)) == {("I", 16)}

    def test_an_agent_that_ends_again_and_again_is_refused_its_path(self):
        end = {"terminated": {"exitCode": 1, "reason": "Error"}}
        trouble = only(waiting(because("CrashLoopBackOff", lastState=end, restartCount=3)))
        assert (trouble.cause, trouble.also) == (17, (18,))
        assert "kv/data/a" in trouble.mend

    def test_a_path_without_data_on_a_mount_of_version_2(self):
        crash = because("CrashLoopBackOff")
        odd = waiting(crash, config=agent_config("kv/web/a"))
        other = injected_pod("kv/data/b", meta={"name": "other", "uid": "u2", "ownerReferences": []})
        assert {each.cause for each in delivery.troubles(scene(odd, other))} == {18}
        assert causes(odd) == {("I", 17)}

    def test_an_init_container_that_is_killed_for_memory(self):
        end = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
        assert only(waiting(because("CrashLoopBackOff", lastState=end))).cause == 22

    def test_another_init_container_that_hangs_before_it(self):
        config = agent_config("kv/data/a")
        spec = {
            "initContainers": [container("wait-for-db"), agent("vault-agent-init", config)],
            "containers": [container(**MOUNTED)],
        }
        hangs = {
            "initContainerStatuses": [
                status("wait-for-db", ready=False),
                status("vault-agent-init", ready=False, **because("PodInitializing")),
            ]
        }
        trouble = only(waiting(None, spec=spec, status={**hangs, "phase": "Pending"}))
        assert (trouble.cause, "wait-for-db" in trouble.says) == (20, True)

    def test_an_init_container_that_has_ended_well_is_not_in_the_way(self):
        config = agent_config("kv/data/a")
        spec = {
            "initContainers": [container("migrate"), agent("vault-agent-init", config)],
            "containers": [container(**MOUNTED)],
        }
        done = status("migrate", state={"terminated": {"exitCode": 0}})
        both = [done, status("vault-agent-init", ready=False)]
        assert only(waiting(None, spec=spec, status={"phase": "Pending", "initContainerStatuses": both})).cause == 16
        assert causes(waiting(None, spec=spec, status={"phase": "Pending", "initContainerStatuses": []})) == set()

    def test_a_native_sidecar_before_it_is_not_waited_for(self):
        config = agent_config("kv/data/a")
        spec = {
            "initContainers": [container("mesh", restartPolicy="Always"), agent("vault-agent-init", config)],
            "containers": [container(**MOUNTED)],
        }
        both = [status("mesh"), status("vault-agent-init", ready=False)]
        assert only(waiting(None, spec=spec, status={"phase": "Pending", "initContainerStatuses": both})).cause == 16

    def test_a_pod_that_no_node_takes(self):
        condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
        trouble = only(waiting(None, status={"phase": "Pending", "conditions": [condition]}))
        assert (trouble.cause, trouble.evidence) == (21, "0/3 nodes are available")

    def test_something_that_the_agents_container_needs_is_missing(self):
        assert only(waiting(because("CreateContainerConfigError"))).cause == 21

    def test_a_volume_of_the_agent_that_cannot_be_mounted(self):
        stuck = waiting(because("PodInitializing"))
        told = event(stuck, "Pod", "FailedMount", 'configmap "web-agent" not found')
        assert only(stuck, told).cause == 21

    def test_a_pod_that_runs_has_none(self):
        assert causes(injected_pod("kv/data/a")) == set()
