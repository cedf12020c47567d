"""Each cause that the API shows is told by its number, with its mend; what is well or has just begun is left alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cluster import delivery
from cluster.doctor.denied import read_refusal
from cluster.scene import Scene
from tests.cluster.made import (
    MOUNTED,
    T0,
    agent,
    agent_config,
    container,
    event,
    injected_pod,
    made,
    owner,
    pod,
    scene,
    status,
)

PREFIX = "vault.hashicorp.com/"
ASKS = {f"{PREFIX}agent-inject": "true", f"{PREFIX}role": "web"}
LATER, BEFORE = "2026-11-21T12:00:00Z", "2026-11-21T09:00:00Z"


def hook(created=BEFORE, **parts):
    given = {
        "name": "vault.hashicorp.com",
        "clientConfig": {"caBundle": "Q0E=", "service": {"name": "vault-agent-injector-svc", "namespace": "vault"}},
        "failurePolicy": "Ignore",
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "resources": ["pods"]}],
        **parts,
    }
    return made("mutatingwebhookconfigurations", "cfg", "", meta={"creationTimestamp": created}, webhooks=[given])


def injector(available=1):
    return made("deployments", "vault-agent-injector", "vault", status={"availableReplicas": available})


def endpoints(*ready: bool):
    label = {"labels": {"kubernetes.io/service-name": "vault-agent-injector-svc"}}
    each = [{"addresses": ["10.0.0.9"], "conditions": {"ready": one}} for one in ready]
    return made("endpointslices", "injector-1", "vault", meta=label, endpoints=each)


def asking(**parts):
    meta = {"annotations": ASKS, **parts.pop("meta", {})}
    return pod(meta=meta, **parts)


def causes(*objects, at=None):
    return {(each.symptom, each.cause) for each in delivery.troubles(scene(*objects, at=at))}


def only(*objects, at=None):
    (trouble,) = delivery.troubles(scene(*objects, at=at))
    assert trouble.says.endswith((".", "s"))
    assert trouble.mend.endswith(".")
    return trouble


SHOP = made("namespaces", "shop", "", meta={"labels": {"team": "shop"}})


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


def refused(message, top="statefulsets", kind="StatefulSet", **spec):
    template = {"metadata": {"annotations": ASKS}}
    web = made(top, "web", spec={"template": template, **spec})
    return web, event(web, kind, "FailedCreate", message)


class TestDenied:
    DENIED = 'admission webhook "vault.hashicorp.com" denied the request: error validating agent configuration: '

    @pytest.mark.parametrize(
        ("sentence", "mend"),
        [
            ("no Vault role found", "vault.hashicorp.com/role"),
            ("no Vault Auth Path found", "auth-path"),
            ("no Vault address found", "service"),
            ("failed to find service account volume mount", "automountServiceAccountToken"),
            ('failed to find service account volume "x"', "projected volume"),
            ("cannot inject into system namespaces", "another namespace"),
            ("invalid default template type", "map or json"),
            ("error parsing JSON patch", "agent-json-patch"),
            ('strconv.ParseBool: parsing "yes"', "what the message names"),
        ],
    )
    def test_each_denial_of_the_injector_has_its_mend(self, sentence, mend):
        trouble = only(*refused(f"Error creating: {self.DENIED}{sentence}"))
        assert (trouble.symptom, trouble.cause) == ("D", 12)
        assert mend in trouble.mend
        assert sentence in trouble.evidence

    @pytest.mark.parametrize(
        ("text", "cause"),
        [
            ("dial tcp: connect: connection refused", 9),
            ('no endpoints available for service "vault-agent-injector-svc"', 9),
            ("context deadline exceeded", 9),
            ("x509: certificate signed by unknown authority", 11),
        ],
    )
    def test_a_webhook_that_fails_closed(self, text, cause):
        message = (
            f'Internal error occurred: failed calling webhook "vault.hashicorp.com": failed to call webhook: {text}'
        )
        assert only(*refused(message)).cause == cause

    def test_an_injector_that_is_up_and_is_not_reached_is_a_matter_of_the_network(self):
        message = 'failed calling webhook "vault.hashicorp.com": context deadline exceeded'
        trouble = only(*refused(message), hook(failurePolicy="Fail"), endpoints(True))
        assert (trouble.cause, trouble.also) == (10, (9,))

    @pytest.mark.parametrize(
        "text",
        [
            "exceeded quota: compute",
            'violates PodSecurity "restricted"',
            'admission webhook "kyverno" denied the request: x',
        ],
    )
    def test_a_policy_that_refuses_the_pod_as_the_injector_makes_it(self, text):
        assert only(*refused(f"pods is forbidden: {text}")).cause == 13

    def test_a_policy_that_refuses_somebody_elses_pod_is_not_ours(self):
        assert read_refusal(scene(), "exceeded quota", asks=False) is None

    def test_the_condition_of_a_deployment_is_enough(self):
        condition = {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": self.DENIED + "no Vault role found",
        }
        web = made("deployments", "web", status={"conditions": [condition]})
        assert (only(web).cause, only(web).workload.name) == (12, "web")

    def test_an_event_on_the_replica_set_is_told_of_its_deployment_and_once(self):
        condition = {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": self.DENIED + "no Vault role found",
        }
        web = made("deployments", "web", status={"conditions": [condition]})
        under = made("replicasets", "web-1", meta={"ownerReferences": [owner("Deployment", "web", web.metadata.uid)]})
        told = event(under, "ReplicaSet", "FailedCreate", condition["message"], count=14)
        assert only(web, under, told).workload.kind == "Deployment"

    def test_in_an_outage_that_refuses_all_the_sets_are_not_looked_through_for_each(self, monkeypatch):
        looked, every = [], Scene.all
        monkeypatch.setattr(Scene, "all", lambda self, kind: looked.append(kind) or every(self, kind))

        def looks_of(count):
            looked.clear()
            things = []
            for number in range(count):
                web = made("deployments", f"web-{number}", spec={"replicas": 1})
                of = [owner("Deployment", web.metadata.name, web.metadata.uid)]
                under = made("replicasets", f"web-{number}-1", meta={"ownerReferences": of})
                says = 'failed calling webhook "vault.hashicorp.com": refused'
                things += [web, under, event(under, "ReplicaSet", "FailedCreate", says)]
            assert len(list(delivery.troubles(scene(*things)))) == count
            return len(looked)

        assert looks_of(2) == looks_of(40)

    def test_an_event_on_a_replica_set_of_a_rollout_is_told_of_the_rollout(self):
        web = made("rollouts", "web", spec={"replicas": 1})
        under = made("replicasets", "web-1", meta={"ownerReferences": [owner("Rollout", "web", web.metadata.uid)]})
        assert (
            only(
                web, under, event(under, "ReplicaSet", "FailedCreate", self.DENIED + "no Vault role found")
            ).workload.kind
            == "Rollout"
        )

    def rolled(self, message, new=T0, old=BEFORE):
        """A rollout of two sets: the old one with its pod, and another whose pods are refused."""
        web = made("rollouts", "web", spec={"replicas": 1})
        owners = {"ownerReferences": [owner("Rollout", "web", web.metadata.uid)]}
        sets = [
            made("replicasets", name, meta={**owners, "creationTimestamp": at})
            for name, at in (("old", old), ("new", new))
        ]
        mine = pod(meta={"ownerReferences": [owner("ReplicaSet", "old", "replicasets-shop-old")]})
        return web, *sets, mine, event(sets[1], "ReplicaSet", "FailedCreate", message)

    def test_new_pods_that_are_refused_while_the_old_ones_stay(self):
        trouble = only(*self.rolled(self.DENIED + "no Vault role found"))
        assert (trouble.cause, trouble.workload.kind, trouble.object.name) == (12, "Rollout", "new")

    def test_an_old_set_that_was_refused_once_is_history(self):
        assert causes(*self.rolled(self.DENIED + "no Vault role found", new=BEFORE, old=T0)) == set()

    def test_a_set_whose_owner_cannot_be_seen_is_told_all_the_same(self):
        lonely = made("replicasets", "r", meta={"ownerReferences": [owner("Odd", "web", "u-odd")]})
        trouble = only(lonely, event(lonely, "ReplicaSet", "FailedCreate", self.DENIED + "x"))
        assert (trouble.workload.kind, trouble.cause) == ("Odd", 12)

    def test_a_job_of_a_cron_job_is_told_of_the_cron_job_while_it_lasts(self):
        cron = made("cronjobs", "load")
        owners = {"ownerReferences": [owner("CronJob", "load", cron.metadata.uid)]}
        job = made("jobs", "load-1", meta=owners)
        told = event(job, "Job", "FailedCreate", self.DENIED + "x")
        assert only(cron, job, told).workload.kind == "CronJob"
        done = made("jobs", "load-1", meta=owners, status={"completionTime": LATER})
        assert causes(cron, done, told) == set()

    def test_another_ones_quota_is_none_of_ours(self):
        web = made("statefulsets", "web")
        assert causes(web, event(web, "StatefulSet", "FailedCreate", "exceeded quota")) == set()
        cron = made("deployments", "gone", status={"conditions": []})
        assert causes(cron) == set()

    def test_what_has_been_mended_since_is_no_trouble(self):
        web, told = refused(self.DENIED + "no Vault role found")
        assert causes(web, told, event(web, "StatefulSet", "SuccessfulCreate", at=LATER)) == set()

    def test_a_workload_that_has_its_pods_has_no_trouble(self):
        web, told = refused(self.DENIED + "no Vault role found", replicas=1)
        assert causes(web, told, pod()) == set()
        assert causes(*refused(self.DENIED + "no Vault role found", replicas=0)) == set()

    def test_jobs_and_daemon_sets_lack_pods_in_their_own_way(self):
        job = made("jobs", "web")
        assert only(job, event(job, "Job", "FailedCreate", self.DENIED + "x")).cause == 12
        done = made("jobs", "web", status={"completionTime": LATER})
        assert causes(done, event(done, "Job", "FailedCreate", self.DENIED + "x")) == set()
        daemon = made("daemonsets", "web", status={"desiredNumberScheduled": 2})
        assert only(daemon, event(daemon, "DaemonSet", "FailedCreate", self.DENIED + "x")).cause == 12

    def test_an_event_about_something_that_is_gone_is_passed_over(self):
        _, told = refused(self.DENIED + "x")
        assert causes(told) == set()


def waiting(init, **parts):
    fares = {
        "phase": "Pending",
        "initContainerStatuses": [status("vault-agent-init", ready=False, **init)] if init is not None else [],
        "containerStatuses": [],
        **parts.pop("status", {}),
    }
    return injected_pod("kv/data/a", status=fares, **parts)


def because(reason, **more):
    return {"state": {"waiting": {"reason": reason, "message": "m"}}, **more}


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
