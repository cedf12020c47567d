"""What goes on in the company's cluster beside its pods' own calls: operators, restarts, rollouts, and three finds.

The finds are there as long as the demo runs: a lease that outlives its pod, a pod on an old version of a secret, a pod
whose agent is refused its log-in. Each is seen in OpenBao's audit log and in the cluster alike.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.bao_http import Answer, Bao
from sandbox.company import OLD, OLD_SERVICE, OPERATORS, ORPHAN, SERVICES, STUCK, Pod, Service
from sandbox.kube_client import MERGE
from sandbox.kube_delivery import CSI, ESO, RESTARTED, VSO, copy_of, mark, mount, short, synced, template
from sandbox.kube_store import now
from sandbox.speakers import Speakers

ROLLED = ("web", "checkout", "search", "exports")  # those without a lease of a database, so that none is orphaned
KNOCKS = 20.0  # seconds between two log-ins of the agent that is refused
SHOWN_FOR = 30.0  # seconds for which the job that leaves its lease behind is there to be seen
LOOKS = 900.0  # seconds between two looks whether that lease lives
RENEWS = 2_400.0  # seconds after which the operator takes another database log-in: two thirds of its hour
LEASES = "sys/leases/lookup/database/creds/payments-close/"


@dataclass
class Turn:
    """Something that is done again and again, `every` so many seconds."""

    act: Callable[[], None]
    every: float
    due: float = 0.0

    def perhaps(self) -> None:
        """Do it if it is time."""
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + self.every
            self.act()


class Upkeep:
    """The cluster's own life, in steps that the story takes between its acts."""

    def __init__(self, root: Bao, speakers: Speakers) -> None:
        """Work with a root client, and as the speakers' cluster lets its administrator."""
        self.root, self.speakers, self.cluster = root, speakers, speakers.cluster
        self._shown, self._taken = 0.0, -RENEWS
        self._dice = random.Random()  # noqa: S311 (a decoration)
        later = time.monotonic()
        self._turns = [
            Turn(self.knock, KNOCKS),
            Turn(self.close_the_month, SHOWN_FOR / 9),
            Turn(self.take_again, 60.0),
            Turn(self.restart_one, 90.0, later + 60.0),
            Turn(self.roll_one, 200.0, later + 120.0),
        ]

    def tick(self) -> None:
        """Do what is due."""
        for turn in self._turns:
            turn.perhaps()

    # The cluster ------------------------------------------------------------------------------------------------

    def _merge(self, path: str, patch: dict[str, Any]) -> None:
        self.cluster.must("PATCH", path, patch, MERGE)

    def _tell(self, about: dict[str, Any], reason: str, message: str) -> None:
        """Tell an event of an object, as its operator does."""
        meta, at = about["metadata"], now()
        known = {"kind": about["kind"], "apiVersion": about["apiVersion"], "uid": meta["uid"], "name": meta["name"]}
        event = {
            "metadata": {"name": f"{meta['name']}.{secrets.token_hex(8)}", "namespace": meta["namespace"]},
            "involvedObject": {**known, "namespace": meta["namespace"]},
            "reason": reason, "message": message, "type": "Normal", "count": 1,
            "firstTimestamp": at, "lastTimestamp": at, "source": {"component": about["kind"]},
        }  # fmt: skip
        self.cluster.must("POST", f"/api/v1/namespaces/{meta['namespace']}/events", event)

    # What operators do ------------------------------------------------------------------------------------------

    def follow(self, secret: str) -> None:
        """Let operators and drivers see that a secret has another value; `story` has already read it for them."""
        for service in SERVICES:
            if secret in service.secrets:
                self.renew(service, secret)

    def renew(self, service: Service, secret: str) -> None:
        """Let what delivers a secret to a service show that it has read another value."""
        ways = {"vso": self._by_vso, "eso": self._by_eso, "csi": self._by_csi}
        if service.delivery in ways:
            ways[service.delivery](service, secret)

    def _by_vso(self, service: Service, secret: str) -> None:
        path = f"/apis/{VSO}/namespaces/{service.namespace}/vaultstaticsecrets/{copy_of(service, secret)}"
        self._merge(f"{path}/status", {"status": {"secretMAC": mark(), "conditions": synced(now())}})
        self._tell(self.cluster.must("GET", path), "SecretRotated", "Secret synced")
        if service.name in RESTARTED:
            self._restart(service, "vso.secrets.hashicorp.com/restartedAt")

    def _by_eso(self, service: Service, secret: str) -> None:
        path = f"/apis/{ESO}/namespaces/{service.namespace}/externalsecrets/{service.name}"
        status = {"refreshTime": now(), "syncedResourceVersion": f"1-{mark()}"}
        self._merge(f"{path}/status", {"status": status})
        self._tell(self.cluster.must("GET", path), "Updated", "secret updated")

    def _by_csi(self, service: Service, secret: str) -> None:
        for pod in self.speakers.pods(service):
            name = mount(service, pod)["metadata"]["name"]
            path = f"/apis/{CSI}/namespaces/{service.namespace}/secretproviderclasspodstatuses/{name}"
            files = self.cluster.must("GET", path)["status"]["objects"]
            files = [{**one, "version": mark()} if one["id"] == short(secret) else one for one in files]
            self._merge(path, {"status": {"objects": files}})

    def take_again(self) -> None:
        """Let Vault Secrets Operator take a database log-in anew before the last one's time is over."""
        for service in SERVICES:
            if service.delivery == "vso" and time.monotonic() >= self._taken + RENEWS:
                for role in service.database:
                    self.take_for(service, role)

    def take_for(self, service: Service, role: str) -> Answer:
        """Take a database log-in as the operator and write its lease into the resource's status."""
        jwt = self.cluster.token_of(service.namespace, service.name)
        bao = self.speakers.account(service.name, jwt, self.speakers.operators_pod(OPERATORS["vso"]).address)
        answer = bao.call("GET", f"database/creds/{role}")
        if answer.status != 200:
            return answer
        self._taken = time.monotonic()
        lease = {"id": answer.body["lease_id"], "requestID": answer.body["request_id"], "renewable": True}
        lease["duration"] = answer.body["lease_duration"]
        path = f"/apis/{VSO}/namespaces/{service.namespace}/vaultdynamicsecrets/{copy_of(service, role)}"
        known = self.cluster.must("GET", path).get("status") or {}
        status = {"secretLease": lease, "lastRenewalTime": int(time.time()), "conditions": synced(now())}
        self._merge(f"{path}/status", {"status": {**status, "secretMAC": mark()}})
        why = "sync_reason=renew" if known.get("secretLease") else "sync_reason=initial"
        words = f"Secret synced, lease_id={answer.body['lease_id']}, {why}"
        self._tell(self.cluster.must("GET", path), "SecretRotated", words)
        return answer

    # Restarts and rollouts --------------------------------------------------------------------------------------

    def _restart(self, service: Service, annotation: str = "kubectl.kubernetes.io/restartedAt") -> None:
        path = f"/apis/apps/v1/namespaces/{service.namespace}/deployments/{service.name}"
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._merge(path, {"spec": {"template": {"metadata": {"annotations": {annotation: at}}}}})

    def roll_one(self) -> None:
        """Roll a deployment out anew: its pods get other names, uids and addresses."""
        name = self._dice.choice(ROLLED)
        self._restart(next(service for service in SERVICES if service.name == name))

    def restart_one(self) -> None:
        """Let a pod's first container end and start again; the pod stays."""
        service = self._dice.choice([one for one in SERVICES if one.account != OLD_SERVICE])
        pods = self.speakers.pods(service)
        if pods:
            path = f"/api/v1/namespaces/{service.namespace}/pods/{self._dice.choice(pods).name}"
            states = self.cluster.must("GET", path)["status"]["containerStatuses"]
            self._merge(f"{path}/status", {"status": {"containerStatuses": [_started_anew(states[0]), *states[1:]]}})

    # Three finds ------------------------------------------------------------------------------------------------

    def knock(self) -> None:
        """Let the agent of the stuck pod try to log in: the role takes another service account, so it is refused."""
        for pod in self.speakers.pods(STUCK, "Pending"):
            if pod.address:
                jwt = self.cluster.token_of(STUCK.namespace, STUCK.name, pod=(pod.name, pod.uid))
                agent = Bao(self.root.url, address=pod.address)
                agent.call("POST", "auth/kubernetes/login", {"role": STUCK.name, "jwt": jwt})

    def close_the_month(self) -> None:
        """See that one database log-in lives whose pod is gone: a job takes it for three days and ends."""
        live = bool(self.root.call("LIST", LEASES).data.get("keys"))
        pods = self.speakers.pods(ORPHAN)
        turn = next(one for one in self._turns if one.act == self.close_the_month)
        turn.every = SHOWN_FOR / 9 if pods or not live else LOOKS
        if pods and not live:
            self.take_for_month_end()
        elif pods:
            self._end_the_job(pods)
        elif not live:
            self._new_job_pod()

    def take_for_month_end(self) -> Answer | None:
        """Let the job's pod log in and take its database log-in; None when it does not run."""
        for pod in self.speakers.pods(ORPHAN)[:1]:
            jwt = self.cluster.token_of(ORPHAN.namespace, ORPHAN.name, pod=(pod.name, pod.uid))
            return self.speakers.account(ORPHAN.name, jwt, pod.address).call(
                "GET", f"database/creds/{ORPHAN.database[0]}"
            )
        return None

    def _end_the_job(self, pods: list[Pod]) -> None:
        self._shown = self._shown or time.monotonic() + SHOWN_FOR
        if time.monotonic() >= self._shown:
            self._shown = 0.0
            for pod in pods:
                self.cluster.must("DELETE", f"/api/v1/namespaces/{ORPHAN.namespace}/pods/{pod.name}")
            status = {"active": 0, "succeeded": 1, "completionTime": now()}
            self._merge(f"/apis/batch/v1/namespaces/{ORPHAN.namespace}/jobs/{ORPHAN.name}/status", {"status": status})

    def _new_job_pod(self) -> None:
        job = self.cluster.must("GET", f"/apis/batch/v1/namespaces/{ORPHAN.namespace}/jobs/{ORPHAN.name}")
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": ORPHAN.name, "uid": job["metadata"]["uid"]}
        pod = template(ORPHAN)
        pod["metadata"] |= {"generateName": f"{ORPHAN.name}-", "ownerReferences": [{**owner, "controller": True}]}
        self.cluster.must("POST", f"/api/v1/namespaces/{ORPHAN.namespace}/pods", pod)

    def needs_a_change(self) -> bool:
        """Tell whether the pods that shall hold an old version have started after the newest one was made."""
        mount_, _, rest = OLD.partition("/")
        changed = self.root.must("GET", f"{mount_}/metadata/{rest}").data
        namespace, name = OLD_SERVICE.split("/")
        path = f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{name}"
        starts = [pod["status"].get("startTime") or now() for pod in self.cluster.must("GET", path)["items"]]
        newest = datetime.fromisoformat(changed["updated_time"])
        return changed["current_version"] < 2 or any(datetime.fromisoformat(start) >= newest for start in starts)


def _started_anew(state: dict[str, Any]) -> dict[str, Any]:
    ended = {"exitCode": 1, "reason": "Error", "finishedAt": now()}
    began = (state.get("state") or {}).get("running", {}).get("startedAt")
    last = {"terminated": {**ended, **({"startedAt": began} if began else {})}}
    running = {"running": {"startedAt": now()}}
    return {**state, "restartCount": state.get("restartCount", 0) + 1, "state": running, "lastState": last}
