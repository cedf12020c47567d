"""What an operator reads is told as delivered to the copies and pods that it was for, and to none that it was not."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import transaction

from accounts.scope import EVERYTHING
from audit import api_lists, attributing, pods, queries
from cluster import delivery
from cluster.deliveries import Delivery as Asked
from cluster.deliveries import deliveries as deliveries_of
from inventory import deliveries
from inventory.cluster_models import Reckoning
from inventory.delivery_models import Delivery, DeliveryAccount
from inventory.lives import moment
from inventory.moments import time_of
from tests.audit.pictured import recorded_cluster, replay, told_proxies
from tests.cluster import recorded
from tests.inventory import recording

pytestmark = pytest.mark.usefixtures("no_pods")

BEGAN = time_of(moment("2026-11-21T04:00:00Z"))
DELIVERED = [one for one in recording.truth()["reads"] if one["kind"] in ("operator", "provider")]


def asked() -> list[Asked]:
    scene = recorded.scene()
    return deliveries_of(scene, delivery.consumers(scene))


def ended():
    return time_of(moment(recording.truth()["meta"]["ended"])) + timedelta(minutes=2)


def reckoned(cluster, found, *, since=BEGAN, at=None) -> None:
    """What the cluster's worker writes when it has worked everything out."""
    at = at or ended()
    with transaction.atomic():
        deliveries.keep(cluster, recorded.scene(), found, at)
        Reckoning.objects.update_or_create(cluster=cluster, defaults={"at": at, "whole_since": since})


def drained() -> None:
    assert attributing.attribute().drained


def proofs(past) -> list[tuple[dict, pods.Proof]]:
    numbers = dict(past.rows("SELECT request_id::text, id FROM audit_event WHERE flags & 4 = 0"))
    return [(one, pods.proof_of(numbers[one["request_id"]], scope=EVERYTHING)) for one in DELIVERED]


def is_for(one: dict, target: deliveries.Target) -> bool:
    whom = one["delivers"]
    return (target.kind, target.namespace, target.name) == (whom["kind"], whom["namespace"], whom["name"])


def users() -> dict[tuple[str, str], set[str]]:
    """{(namespace, Kubernetes Secret): workloads that use it} as the drivers know it."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in recording.truth()["consumers"]:
        found.setdefault((one["namespace"], one["k8s_secret"]), set()).add(one["name"])
    return found


def is_the_recorded_truth(told) -> None:
    by_uid = recording.truth()["pods"]
    for one, proof in told:
        assert proof.pod_uid == one["pod"], one
        right = [target for target in proof.delivered.targets if is_for(one, target)]
        assert len(right) == 1, (one, proof.delivered)
        if proof.delivered.grade == "exact":
            assert proof.delivered.targets == tuple(right)
        uids = {uid for uid, _, _ in right[0].pods}
        if one["kind"] == "provider":
            assert one["delivers"]["pod"] in uids
            assert proof.delivered.grade == "likely" or uids == {one["delivers"]["pod"]}
        else:
            assert right[0].k8s_secret == one["delivers"]["k8s_secret"]
            names = users().get((right[0].namespace, right[0].k8s_secret), set())
            assert {by_uid[uid]["name"].rsplit("-", 2)[0] for uid in uids} <= names


def test_each_recorded_read_of_an_operator_is_for_the_copies_and_pods_of_the_truth(past, audit_log):
    told_proxies()
    cluster = recorded_cluster()
    replay(cluster)
    reckoned(cluster, asked())
    past.take(audit_log)
    drained()
    told = proofs(past)
    is_the_recorded_truth(told)
    grades = Counter((one["kind"], proof.delivered.grade) for one, proof in told)
    assert grades["operator", "exact"] == sum(one["kind"] == "operator" for one in DELIVERED)
    assert grades["provider", "exact"] > 0
    assert any(target.pods for one, proof in told if one["kind"] == "operator" for target in proof.delivered.targets)


def test_the_api_names_the_operators_pod_and_for_others(past, audit_log):
    told_proxies()
    cluster = recorded_cluster()
    replay(cluster)
    past.take(audit_log)
    drained()
    one = next(one for one in DELIVERED if one["kind"] == "operator")
    key = past.one("SELECT secret FROM audit_event WHERE request_id = %s", one["request_id"])
    found = [api_lists._reader(reader) for reader in queries.who_read_and_from_where(
        queries.secret(key, scope=EVERYTHING), None, None).readers]  # fmt: skip
    mine = [reader for reader in found if reader["pod_uid"] == one["pod"]]
    assert len(mine) == 1 and mine[0]["cluster"] == "east" and mine[0]["delivered_by"]


def test_before_the_picture_was_whole_only_what_the_operator_wrote_down_is_exact(past, audit_log):
    told_proxies()
    cluster = recorded_cluster()
    replay(cluster)
    reckoned(cluster, asked(), since=ended())
    past.take(audit_log)
    drained()
    told = proofs(past)
    is_the_recorded_truth(told)
    exact = [proof.delivered.why for _, proof in told if proof.delivered.grade == "exact"]
    assert set(exact) <= {deliveries.WHY["written"]}
    assert any(proof.delivered.grade == "likely" for _, proof in told)


@pytest.mark.parametrize("by", ["request", "lease"])
def test_a_read_that_the_operator_wrote_down_is_exact_though_others_fit_and_it_is_gone(past, audit_log, by):
    told_proxies()
    cluster = recorded_cluster()
    replay(cluster)
    reckoned(cluster, asked())
    past.take(audit_log)
    drained()
    one, proof = next((one, proof) for one, proof in proofs(past) if one["kind"] == "operator" and one["lease_id"])
    rows = Delivery.objects.filter(made_by_name=one["delivers"]["name"], namespace=one["delivers"]["namespace"])
    assert rows
    number = {"request": {"request_id": one["request_id"], "lease_id": ""},
              "lease": {"request_id": "", "lease_id": one["lease_id"]}}[by]  # fmt: skip
    rows.update(**number, gone_at=BEGAN)
    row = rows.first()
    row.pk, row.digest, row.made_by_uid, row.made_by_name, row.gone_at = None, b"0" * 16, "another", "another", None
    row.request_id = row.lease_id = ""
    row.save()
    proof = next(proof for read, proof in proofs(past) if read is one)
    assert (proof.delivered.grade, proof.delivered.why) == ("exact", deliveries.WHY["written"])
    assert [target.name for target in proof.delivered.targets] == [one["delivers"]["name"]]
    rows.update(request_id="", lease_id="", gone_at=None)
    proof = next(proof for read, proof in proofs(past) if read is one)
    assert proof.delivered.grade == "likely" and len(proof.delivered.targets) == 2


def test_an_operator_that_nobody_asked_is_a_conflict_until_somebody_is_seen_to_ask(past, audit_log):
    told_proxies()
    cluster = recorded_cluster()
    replay(cluster)
    Reckoning.objects.create(cluster=cluster, at=ended() + timedelta(hours=1), whole_since=BEGAN)
    past.take(audit_log)
    drained()
    delivering = ("operator", "provider")
    reads = [one["request_id"] for one in recording.truth()["reads"] if one["kind"] in delivering]
    grades = "SELECT DISTINCT t.grade FROM audit_event e JOIN audit_tokenuse u ON u.token_id = e.token AND " \
        "u.address_id = e.address JOIN audit_attribution t ON t.use_id = u.id AND t.since <= e.time AND " \
        "t.until > e.time WHERE e.request_id = ANY(%s::uuid[])"  # fmt: skip
    assert past.rows(grades, reads) == [("conflict",)]
    reckoned(cluster, asked())
    drained()
    assert past.rows(grades, reads) == [("strong",)]
    is_the_recorded_truth(proofs(past))


def test_what_is_asked_for_no_more_is_kept_for_a_while_and_its_account_for_ever(past):
    cluster = recorded_cluster()
    reckoned(cluster, asked())
    count, accounts = Delivery.objects.count(), DeliveryAccount.objects.count()
    assert count and accounts
    reckoned(cluster, asked(), at=ended() + timedelta(minutes=1))
    assert (Delivery.objects.count(), Delivery.objects.exclude(gone_at=None).count()) == (count, 0)
    reckoned(cluster, [], at=ended() + timedelta(minutes=2))
    assert Delivery.objects.exclude(gone_at=None).count() == count
    reckoned(cluster, asked(), at=ended() + timedelta(minutes=3))
    assert (Delivery.objects.count(), Delivery.objects.exclude(gone_at=None).count()) == (count, 0)
    reckoned(cluster, [], at=ended() + timedelta(minutes=4))
    deliveries.forget(ended() + timedelta(days=1), timedelta(days=400))
    assert Delivery.objects.count() == count
    deliveries.forget(ended() + timedelta(days=31), timedelta(days=400))
    assert Delivery.objects.count() == 0 and DeliveryAccount.objects.count() == accounts
