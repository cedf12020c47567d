"""Which of a pod's log-ins a vault refused: by the recorded truth, and never by another pod's address or role."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit import attributing
from audit.refused import refused_logins
from dashboard import cluster_words
from inventory.cluster_models import PodState, SecretConsumer
from inventory.cluster_questions import PodView, pod
from inventory.models import PodAddress, PodLife
from tests.audit.pictured import recorded_cluster, replay, told_proxies
from tests.dashboard.pods_made import gets, stuck
from tests.inventory import recording

pytestmark = pytest.mark.usefixtures("no_pods")

SAID = "service account name not authorized"


@pytest.fixture
def keel(past, tmp_path):
    """The recorded pod whose agent is refused its login for ever, as its cluster shows it."""
    (tmp_path / "audit.log").write_bytes(recording.packed("audit.log"))
    told_proxies()
    east = recorded_cluster()
    replay(east)
    past.take(tmp_path / "audit.log")
    attributing.attribute()
    (told,) = [one for one in recording.truth()["stuck"] if one["cause"] == 16]
    life = PodLife.objects.get(uid=told["pods"][0])
    PodState.objects.create(
        cluster=east, digest=b"k" * 16, uid=life.uid, namespace=life.namespace, name=life.name, state="starting",
        service_account=life.service_account, workload_kind="Deployment", workload_name="keel", workload_uid="w",
    )  # fmt: skip
    state = PodState.objects.get(uid=life.uid)
    gets(state, "kv/data/live/keel/cache-auth", role="keel")
    stuck(state)
    return life


def view(life: PodLife) -> PodView:
    found = pod(life.cluster_id, life.uid)
    assert found is not None
    return found


def advice(life: PodLife):
    one = view(life)
    (trouble,) = one.troubles
    told = cluster_words.advice(trouble, life.started, life.seen_at)
    return cluster_words.by_the_log(told, refused_logins(one), f"{life.namespace}/{life.service_account}")


def test_the_recorded_stuck_pod_shows_its_refused_logins_and_its_cause_is_certain(keel):
    found = refused_logins(view(keel))
    assert len(found) == 20 and {one.error for one in found} == {SAID}
    assert all(one.proves and one.role == "keel" for one in found)
    told = advice(keel)
    assert (told.cause, told.sure, told.also) == (16, True, ())
    assert SAID in told.says
    assert told.mend == f"Bind the service account vehicles/{keel.service_account} to the role keel of auth/kubernetes."


def test_of_other_pods_nothing_is_said(keel):
    for life in PodLife.objects.exclude(pk=keel.pk):
        assert refused_logins(view(life)) == []


def test_an_address_that_another_pod_had_too_proves_nothing(keel):
    other = PodLife.objects.exclude(pk=keel.pk).first()
    mine = PodAddress.objects.get(life=keel)
    PodAddress.objects.create(life=other, address=mine.address, started=mine.started, ended=None)
    found = refused_logins(view(keel))
    assert found and not any(one.proves for one in found)
    assert not advice(keel).sure


def test_a_login_after_the_pods_time_is_not_its_own(keel):
    PodAddress.objects.filter(life=keel).update(ended=keel.started + timedelta(milliseconds=60))
    assert refused_logins(view(keel)) == []


@pytest.mark.parametrize(
    "more, sure",
    [({"auth_mount": "jwt-pods"}, False), ({"role": "walnut"}, False), ({"vault_namespace": "eu"}, False),
     ({"auth_mount": "auth/kubernetes/"}, True)],
)  # fmt: skip
def test_a_login_to_another_mount_or_with_another_role_proves_nothing(keel, more, sure):
    """Of `walnut` other log-ins show the hash, and it is not that of the refused ones."""
    SecretConsumer.objects.update(**more)
    assert advice(keel).sure is sure


def test_a_second_role_at_the_mount_leaves_it_open(keel):
    gets(PodState.objects.get(uid=keel.uid), "kv/data/live/keel/other", role="keel-2")
    assert {one.fits for one in refused_logins(view(keel))} == {None}
    assert not advice(keel).sure
