"""Each cause of a pod that the API server refused is told by its number, with its mend."""

from __future__ import annotations

import pytest

from cluster import delivery
from cluster.doctor.denied import read_refusal
from cluster.scene import Scene
from tests.cluster.causes import ASKS, BEFORE, LATER, causes, endpoints, hook, only
from tests.cluster.made import (
    T0,
    event,
    made,
    owner,
    pod,
    scene,
)


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
