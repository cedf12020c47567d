"""Each cause of a pod without an agent, or beside a running one, is told by its number, with its mend."""

from __future__ import annotations

import pytest

from tests.cluster.causes import (
    ASKS,
    LATER,
    PREFIX,
    SHOP,
    asking,
    because,
    causes,
    endpoints,
    hook,
    injector,
    only,
    waiting,
)
from tests.cluster.made import (
    T0,
    container,
    event,
    injected_pod,
    made,
    owner,
    pod,
    status,
)


class TestNotInjected:
    def test_annotations_on_the_workload_instead_of_its_template(self):
        for plural in ("deployments", "statefulsets", "daemonsets", "rollouts", "jobs"):
            web = made(plural, "web", meta={"annotations": ASKS})
            mine = pod(meta={"ownerReferences": [owner("X", "web", web.metadata.uid)]})
            trouble = only(web, mine, hook(), SHOP)
            assert (trouble.symptom, trouble.cause, trouble.workload.name) == ("N", 1, "web")
            assert [each.name for each in trouble.pods] == ["web-1"]

    def test_annotations_on_both_are_well_placed(self):
        web = made(
            "deployments", "web", meta={"annotations": ASKS}, spec={"template": {"metadata": {"annotations": ASKS}}}
        )
        assert causes(web, hook()) == set()

    @pytest.mark.parametrize("text", ["yes", "treu", '"true"', ""])
    def test_a_switch_that_is_neither_true_nor_false(self, text):
        trouble = only(asking(meta={"annotations": {f"{PREFIX}agent-inject": text}}), hook(), SHOP)
        assert trouble.cause == 2

    def test_secrets_without_the_switch(self):
        note = {"annotations": {f"{PREFIX}agent-inject-secret-a": "kv/data/a"}}
        assert only(asking(meta=note), hook(), SHOP).cause == 2

    def test_a_switch_that_is_misspelt(self):
        note = {"annotations": {f"{PREFIX}agent-injct": "true", f"{PREFIX}role": "web"}}
        trouble = only(asking(meta=note), hook(), SHOP)
        assert (trouble.cause, "agent-injct" in trouble.says) == (2, True)

    @pytest.mark.parametrize("text", ["false", "0", "F"])
    def test_who_says_no_has_no_trouble(self, text):
        assert causes(asking(meta={"annotations": {f"{PREFIX}agent-inject": text}}), hook(), SHOP) == set()

    def test_a_copied_specification(self):
        copied = asking(meta={"annotations": {**ASKS, f"{PREFIX}agent-inject-status": "injected"}})
        assert only(copied, hook(), SHOP).cause == 3

    def test_a_pod_older_than_the_webhook(self):
        assert only(asking(), hook(created=LATER), SHOP).cause == 3

    @pytest.mark.parametrize(
        "selector",
        [
            {"matchLabels": {"vault": "on"}},
            {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]}]},
        ],
    )
    def test_a_namespace_that_is_left_out(self, selector):
        assert only(asking(), hook(namespaceSelector=selector), SHOP).cause == 4

    def test_the_name_of_a_namespace_counts_as_its_label_even_when_it_cannot_be_seen(self):
        selector = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop"]}]}
        assert only(asking(), hook(namespaceSelector=selector)).cause == 8

    def test_a_pod_that_is_left_out_by_its_labels(self):
        selector = {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}
        assert (
            only(
                asking(meta={"annotations": ASKS, "labels": {"app": "web"}}), hook(objectSelector=selector), SHOP
            ).cause
            == 5
        )

    @pytest.mark.parametrize(
        "rule",
        [
            {"operations": ["UPDATE"], "apiGroups": [""], "resources": ["pods"]},
            {"operations": ["CREATE"], "apiGroups": ["apps"], "resources": ["pods"]},
            {"operations": ["CREATE"], "apiGroups": [""], "resources": ["services"]},
        ],
    )
    def test_rules_that_do_not_name_new_pods(self, rule):
        assert only(asking(), hook(rules=[rule]), SHOP).cause == 6

    def test_conditions_may_be_the_cause_and_are_not_said_to_be(self):
        trouble = only(asking(), hook(matchConditions=[{"name": "x", "expression": "false"}]), injector(), SHOP)
        assert (trouble.cause, trouble.sure, trouble.also) == (6, False, (8,))

    def test_no_webhook_of_the_injector(self):
        other = made("mutatingwebhookconfigurations", "other", "", webhooks=[{"name": "sidecar.mesh.example"}])
        assert only(asking(), other, SHOP).cause == 7
        assert only(asking(), SHOP).cause == 7

    def test_without_the_right_to_see_webhooks_nothing_is_claimed(self):
        trouble = only(asking())
        assert (trouble.cause, trouble.sure) == (7, False)
        assert "mutatingwebhookconfigurations" in trouble.mend

    @pytest.mark.parametrize("down", [[injector(0)], [endpoints(False)], [endpoints(), injector(1)]])
    def test_an_injector_that_is_down(self, down):
        trouble = only(asking(), hook(), SHOP, *down)
        assert (trouble.cause, trouble.sure) == (8, True)

    def test_a_webhook_that_failed_open_is_what_is_left_and_not_sure(self):
        trouble = only(asking(), hook(), injector(), endpoints(True), SHOP)
        assert (trouble.cause, trouble.sure, trouble.also) == (8, False, (10, 11))

    def test_a_webhook_without_a_ca(self):
        assert only(asking(), hook(clientConfig={"url": "https://x"}), SHOP).cause == 11

    def test_pods_of_one_workload_are_one_trouble(self):
        other = asking(meta={"annotations": ASKS, "uid": "u2", "name": "web-2"})
        assert len(only(asking(), other, hook(), SHOP).pods) == 2

    def test_a_pod_on_its_way_out_has_none(self):
        assert causes(asking(meta={"annotations": ASKS, "deletionTimestamp": LATER}), hook(), SHOP) == set()


class TestBesideTheApplication:
    def failing(self, reason, code=1, ready=False, restarts=5, waits="CrashLoopBackOff"):
        end = {"terminated": {"exitCode": code, "reason": reason}}
        state = {"waiting": {"reason": waits}} if waits else {"running": {"startedAt": T0}}
        agent_status = status("vault-agent", ready=ready, restartCount=restarts, state=state, lastState=end)
        return injected_pod("kv/data/a", status={"containerStatuses": [status("app"), agent_status]})

    def test_an_agent_that_is_killed_for_memory(self):
        trouble = only(self.failing("OOMKilled", 137))
        assert (trouble.symptom, trouble.cause, trouble.sure) == ("R", 22, True)
        assert "agent-limits-mem" in trouble.mend

    def test_an_agent_that_ends_for_another_reason(self):
        trouble = only(self.failing("Error"))
        assert (trouble.cause, trouble.sure) == (22, False)

    def test_an_agent_that_ended_once_and_is_well_again_has_none(self):
        assert causes(self.failing("Error", ready=True, restarts=1, waits="")) == set()

    def test_an_image_that_cannot_be_pulled_again(self):
        assert causes(self.failing("Error", waits="ImagePullBackOff")) == {("R", 15)}

    def test_containers_that_are_named_and_not_there(self):
        trouble = only(injected_pod("kv/data/a", notes={"agent-inject-containers": "ap, app"}))
        assert (trouble.symptom, trouble.cause) == ("F", 23)
        assert "ap," in trouble.says

    def test_named_containers_that_are_there_are_well(self):
        assert causes(injected_pod("kv/data/a", notes={"agent-inject-containers": "app"})) == set()

    def test_a_job_whose_agent_never_ends(self):
        done = {"terminated": {"exitCode": 0, "reason": "Completed"}}
        job = injected_pod(
            "kv/data/a",
            meta={"ownerReferences": [owner("Job", "load", "u-job")]},
            status={"containerStatuses": [status("app", state=done), status("vault-agent")]},
        )
        trouble = only(job)
        assert (trouble.symptom, trouble.cause, trouble.workload.kind) == ("-", 25, "Job")


class TestWithoutAnAgent:
    def test_a_secret_that_is_not_there(self):
        bad = pod(
            status={"phase": "Pending", "containerStatuses": [status("app", **because("CreateContainerConfigError"))]}
        )
        assert (only(bad).symptom, only(bad).cause) == ("I", 21)

    def test_a_pod_that_no_node_takes(self):
        condition = {"type": "PodScheduled", "status": "False", "message": "no memory"}
        spec = {"containers": [container(envFrom=[{"secretRef": {"name": "s"}}])]}
        fares = {"phase": "Pending", "containerStatuses": [], "conditions": [condition]}
        assert (only(pod(spec=spec, status=fares)).cause, only(pod(spec=spec, status=fares)).evidence) == (
            21,
            "no memory",
        )
        assert causes(pod(status=fares)) == set()

    def test_a_volume_of_a_secret_that_is_not_there(self):
        bad = pod(status={"phase": "Pending", "containerStatuses": []})
        assert only(bad, event(bad, "Pod", "FailedMount", 'secret "x" not found')).cause == 21
        assert causes(bad, event(bad, "Pod", "FailedMount", "timed out waiting")) == set()

    def test_a_rollout_over_its_deadline_that_nothing_explains(self):
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "m"}
        web = made("deployments", "web", status={"conditions": [late]})
        mine = pod(meta={"ownerReferences": [owner("Deployment", "web", web.metadata.uid)]})
        trouble = only(web, mine)
        assert (trouble.symptom, trouble.cause, len(trouble.pods)) == ("-", 0, 1)

    def test_a_rollout_that_another_trouble_explains_is_not_told_twice(self):
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "m"}
        web = made("deployments", "web", status={"conditions": [late]})
        owners = {"ownerReferences": [owner("Deployment", "web", web.metadata.uid)]}
        assert causes(web, waiting(because("ErrImagePull"), meta={"annotations": {}, **owners})) == {("I", 15)}
