"""An operator reads anew, once for a change and killed anywhere, before a pod starts from its copy; what is planned."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from cluster.client import Client
from cluster.errors import NotRefreshable, Unknown
from cluster.operating import Operator
from cluster.place import Address
from inventory import cluster_rows
from inventory.cluster_models import SecretConsumer
from inventory.models import AuthRole, Connection, Policy
from inventory.sync_pods import remember_cluster
from rotation.estate import Estate
from rotation.outcomes import Done, NotDone, Refused, Waiting
from rotation.planning import Refused as NotPlanned
from rotation.planning import Wish
from rotation.steps import force_sync
from rotation.syncing import syncs
from rotation.targets import resync
from rotation.world import World
from sandbox.kube_resources import kind_of
from tests.cluster import made as m
from tests.cluster.conftest import kube
from vault.enrolment import enrolment

__all__ = ["kube"]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ARGS = force_sync.Args("prod", "ExternalSecret", "shop", "db")
GROUPS = {"ExternalSecret": ("externalsecrets", "external-secrets.io/v1")}


class Yard:
    """One operator's resource on a simulated API, and the world of the step that asks it."""

    def __init__(self, kube):
        self.kube, self.operator, self.now = kube, Operator(Client(Address(kube.url, kube.token))), NOW
        self.world = World(
            change="C-7", step=2, plan_hash="h", vault="demo", cluster="", intent={}, began=NOW, tried=NOW, started=NOW,
            doors=self, witness=None, now=lambda: self.now, present=lambda *_: [],
        )  # fmt: skip

    @contextmanager
    def cluster(self, name):
        assert name == "prod"
        yield self.operator

    def put(self, kind="ExternalSecret", spec=None, **status):
        group = GROUPS.get(kind, ("", "secrets.hashicorp.com/v1beta1"))[1]
        meta = {"name": "db", "namespace": "shop"}
        self.kube.store.put({"apiVersion": group, "kind": kind, "metadata": meta, "spec": spec or {}, "status": status})

    def read(self, kind="ExternalSecret", **status):
        """Let the operator read: its status changes."""
        plural, group = GROUPS.get(kind, (f"{kind.lower()}s", "secrets.hashicorp.com/v1beta1"))
        found = kind_of(plural, group.partition("/")[0])
        with self.kube.store.lock:
            self.kube.store.edit(found, "shop", "db", lambda one: one.update(status=status))

    def intend(self, args=ARGS):
        self.world = replace(self.world, intent=force_sync.intend(args, self.world))

    def patches(self):
        return len([one for one in self.kube.requests if one.verb == "patch"])


@pytest.fixture
def yard(kube):
    made = Yard(kube)
    made.put(refreshTime="2026-11-21T10:00:00Z", syncedResourceVersion="1-a")
    return made


def test_it_asks_waits_and_is_done_when_the_operator_says_that_it_has_read(yard):
    assert force_sync.check(ARGS, yard.world).lines == ("The API server would take the annotations.",)
    yard.intend()
    asked = force_sync.run(ARGS, yard.world)
    assert isinstance(asked, Waiting)
    assert asked.says == "The External Secrets Operator read it last at 10:00:00 UTC."
    yard.read(refreshTime="2026-11-21T12:00:03Z", syncedResourceVersion="1-b")
    assert force_sync.done(ARGS, yard.world).says == "The External Secrets Operator read it anew at 12:00:03 UTC."
    assert isinstance(force_sync.done(ARGS, yard.world), Done)


def test_killed_before_the_call_it_is_not_done_and_after_it_nothing_is_asked_twice(yard):
    yard.intend()
    assert isinstance(force_sync.done(ARGS, yard.world), NotDone)
    yard.kube.faults.cut(0, "patch")
    with pytest.raises(Unknown):
        force_sync.run(ARGS, yard.world)
    assert isinstance(force_sync.done(ARGS, yard.world), Waiting)
    assert isinstance(force_sync.run(ARGS, yard.world), Waiting)
    assert yard.patches() == 1


def test_an_operator_that_does_not_read_stops_the_change_with_its_own_words_and_a_resume_asks_anew(yard):
    yard.intend()
    force_sync.run(ARGS, yard.world)
    failing = {"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "permission denied"}
    yard.read(refreshTime="2026-11-21T10:00:00Z", conditions=[failing])
    assert "It is not Ready: permission denied." in force_sync.done(ARGS, yard.world).says
    yard.now = NOW + timedelta(minutes=6)
    assert isinstance(force_sync.done(ARGS, yard.world), Waiting), "nobody looked meanwhile"
    yard.world = replace(yard.world, waited=timedelta(minutes=6))
    late = force_sync.done(ARGS, yard.world)
    assert isinstance(late, Refused)
    assert late.says.endswith("Its Secret may hold what it held: see the log of the operator, then resume.")
    yard.world = replace(yard.world, tried=yard.now, waited=timedelta())
    yard.intend()
    assert isinstance(force_sync.run(ARGS, yard.world), Waiting)
    assert yard.patches() == 2


def test_of_a_dynamic_secret_the_lease_of_before_is_in_the_receipt(yard):
    kind = "VaultDynamicSecret"
    args = msgspec.structs.replace(ARGS, kind=kind)
    yard.put(kind, secretLease={"id": "database/creds/rw/1"})
    yard.intend(args)
    force_sync.run(args, yard.world)
    yard.read(kind, secretLease={"id": "database/creds/rw/2"})
    assert force_sync.done(args, yard.world).receipt == {"lease": "database/creds/rw/1"}
    assert "work until their lease is revoked" in force_sync.describe(args).after


def test_what_would_not_be_read_anew_is_refused_before_anybody_approves(yard):
    yard.put(spec={"refreshPolicy": "CreatedOnce"})
    with pytest.raises(NotRefreshable, match="never read again"):
        force_sync.check(ARGS, yard.world)


# Plans ------------------------------------------------------------------------------------------------------------


def consumer(cluster, kind="ExternalSecret", name="db", pod="web-1", **more):
    SecretConsumer.objects.create(**{
        "cluster": cluster, "digest": f"{kind}{name}{pod}".encode()[-16:], "namespace": "shop", "pod_uid": pod,
        "pod_name": pod, "container": "app", "workload_kind": "Deployment", "workload_name": "web",
        "workload_uid": "deployments-shop-web", "method": "eso", "path": "secret/data/db", "needs_restart": "always",
        "k8s_secret": "db", "made_by_kind": kind, "made_by_namespace": "shop", "made_by_name": name,
        "made_by_uid": f"{kind}-{name}", **more,
    })  # fmt: skip


@pytest.fixture
def prod(db):
    """A cluster whose picture has a deployment and the resources of two operators."""
    cluster = remember_cluster("prod", "uid-prod")
    found = [
        ("deployments", m.made("deployments", "web", spec={"replicas": 1})),
        ("externalsecrets", m.made("externalsecrets", "db", meta={"uid": "ExternalSecret-db"}, spec={})),
        (
            "externalsecrets",
            m.made("externalsecrets", "old", meta={"uid": "ExternalSecret-old"}, spec={"refreshPolicy": "CreatedOnce"}),
        ),
    ]
    cluster_rows.write([cluster_rows.row_of(cluster, name, one, cluster_rows.now()) for name, one in found])
    return cluster


class Books:
    def leases(self, **_):
        return []


def test_each_copy_is_read_anew_once_however_many_pods_get_it(prod):
    for pod in ("web-1", "web-2"):
        consumer(prod, pod=pod)
    consumer(prod, "SecretProviderClass", "spc")
    steps, needs, doubts = syncs(SecretConsumer.objects.select_related("cluster"))
    assert [(one.step, one.args["kind"], one.args["name"]) for one in steps] == [("force_sync", "ExternalSecret", "db")]
    assert [one.path for one in needs] == ["prod/shop/ExternalSecret/db"]
    assert doubts == []


def test_a_copy_that_is_never_read_again_is_doubted_and_not_asked(prod):
    consumer(prod, name="old")
    steps, _, doubts = syncs(SecretConsumer.objects.select_related("cluster"))
    assert steps == []
    assert doubts == [
        "ExternalSecret shop/old is not read anew: its refreshPolicy is CreatedOnce: it is never read again."
    ]


def test_a_resync_copies_first_and_restarts_then(prod):
    consumer(prod)
    drawn = resync.draw(resync.Args("prod", "ExternalSecret", "shop", "db"), Wish("resync"), Estate(Books(), NOW))
    assert [one.step for one in drawn.steps] == ["force_sync", "restart_rollout"]
    assert (drawn.verb, drawn.subject, drawn.cluster) == ("Copy anew", "shop/db", "prod")


def test_a_resync_of_a_dynamic_secret_ends_with_the_lease_that_it_leaves_alive(prod):
    made = Connection.objects.create(vault="demo", address="http://127.0.0.1:8200")
    one = enrolment("lease", "revoke", "database")
    times = {"seen_first": NOW, "changed_at": NOW}
    Policy.objects.create(connection=made, name=one.name, text=one.policy(), sha256="0" * 64, **times)
    AuthRole.objects.create(
        connection=made, method="auth/token/", type="token", name=one.name, policies=[one.name], **times
    )
    consumer(prod, "VaultDynamicSecret", lease_id="database/creds/rw/1", method="vso", needs_restart="never")
    drawn = resync.draw(resync.Args("prod", "VaultDynamicSecret", "shop", "db"), Wish("resync"), Estate(Books(), NOW))
    assert [step.step for step in drawn.steps] == ["force_sync", "revoke_leases", "verify_revoked"]
    assert drawn.steps[1].args["leases"] == ["database/creds/rw/1"]
    assert (drawn.vault, drawn.blast.leases) == ("demo", ("database/creds/rw/1",))


@pytest.mark.parametrize(
    ("name", "words"), [("none", "No live pod of prod gets anything"), ("old", "never read again")]
)
def test_a_resync_that_would_do_nothing_is_refused_with_why(prod, name, words):
    if name == "old":
        consumer(prod, name="old")
    with pytest.raises(NotPlanned, match=words):
        resync.draw(resync.Args("prod", "ExternalSecret", "shop", name), Wish("resync"), Estate(Books(), NOW))
