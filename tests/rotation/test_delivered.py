"""When a pod has a new version in use, by the way in which it gets it, and what falls short of proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest

from inventory.freshness import NEVER, STALE, Freshness
from inventory.sightings import VersionRead
from rotation.delivered import KUBELET, line
from rotation.outcomes import Done, Refused, Waiting
from rotation.present import Getting
from rotation.steps import verify_delivery

WROTE = datetime(2026, 3, 14, 9, tzinfo=UTC)
LATER = WROTE + timedelta(seconds=30)
POD = Getting(
    cluster="prod", namespace="payments", pod="ledger-1", pod_uid="u1", workload="Deployment ledger", method="injector",
    made_at=WROTE - timedelta(days=1), synced_at=None, copied_at=None, files=False, service_account="payments/ledger",
)  # fmt: skip
READ = VersionRead(
    kind="pod", cluster="prod", pod_uid="u1", namespace="payments", pod="ledger-1", grade="strong", delivered_by="",
    principal="payments/ledger", principal_kind="service_account", count=1, first=LATER, last=LATER, event=7,
)  # fmt: skip
OPERATOR = replace(READ, kind="operator", pod_uid="", delivered_by="vso")


def told(pod, *reads, now=LATER):
    found = line(pod, 8, WROTE, reads, now)
    return found.state, found.says


@pytest.mark.parametrize("method", ["injector", "direct"])
def test_a_pod_that_reads_for_itself_is_proven_by_its_own_sure_read(method):
    pod = replace(POD, method=method)
    found = line(pod, 8, WROTE, [READ], LATER)
    assert (found.state, found.holds, found.grade, found.event, found.at) == ("proven", "v8", "strong", 7, LATER)


def test_who_reads_a_version_that_was_written_after_ours_has_the_old_value_no_more():
    newer = replace(READ, version=9)
    found = line(POD, 8, WROTE, [newer], LATER)
    assert (found.state, found.says, found.holds) == ("proven", "read a newer one", "v9")
    operator = line(replace(POD, method="vso", copied_at=LATER, made_at=LATER), 8, WROTE,
                    [replace(OPERATOR, version=9)], LATER)  # fmt: skip
    assert (operator.state, operator.holds) == ("proven", "v9")


@pytest.mark.parametrize("reads, state, says", [
    ([], "waiting", "not read by this pod yet"),
    ([replace(READ, pod_uid="u2")], "waiting", "not read by this pod yet"),
    ([replace(READ, grade="likely")], "short", "a read fits this pod, but not surely"),
    ([replace(READ, kind="account", pod_uid="")], "short", "read by the service account"),
    ([replace(READ, kind="account", pod_uid="", principal="payments/payout")], "waiting", "not read by this pod yet"),
])  # fmt: skip
def test_what_is_short_of_the_pods_own_sure_read_is_no_proof(reads, state, says):
    assert told(POD, *reads) == (state, says)


@pytest.mark.parametrize(
    "method, who", [("vso", "the Vault Secrets Operator"), ("eso", "the External Secrets Operator")]
)
def test_an_operators_copy_is_proven_in_a_pod_that_started_after_it_changed_or_refreshes_its_files(method, who):
    pod = replace(POD, method=method)
    assert told(pod) == ("waiting", f"{who} has not read it yet")
    assert told(pod, OPERATOR) == ("waiting", f"read by {who}, its copy has not changed yet")
    stale = replace(pod, copied_at=WROTE - timedelta(days=1))
    assert told(stale, OPERATOR) == ("waiting", f"read by {who}, its copy has not changed yet")
    copied = replace(pod, copied_at=LATER)
    assert told(copied, OPERATOR) == ("waiting", "synced, not yet in this pod")
    assert told(replace(copied, made_at=LATER), OPERATOR) == ("proven", "started after the copy changed")
    files = replace(copied, files=True)
    assert told(files, OPERATOR) == ("waiting", "synced, not yet in this pod")
    assert told(files, OPERATOR, now=LATER + KUBELET) == ("proven", "its files are refreshed by now")


def test_what_the_csi_driver_mounted_is_proven_by_its_change_after_the_write_or_a_later_pod():
    pod = replace(POD, method="csi")
    assert told(pod) == ("waiting", "mounted version unchanged")
    assert told(replace(pod, copied_at=WROTE - timedelta(seconds=1))) == ("waiting", "mounted version unchanged")
    assert told(replace(pod, copied_at=LATER)) == ("proven", "the mounted version changed after the write")
    assert told(replace(pod, made_at=LATER)) == ("proven", "mounted after the write")


def test_a_native_secret_is_never_called_proven():
    assert told(replace(POD, method="native"), READ)[0] == "short"


STEP = verify_delivery.Args(SimpleNamespace(mount="secret", path="x", namespace="", name="secret/x"), "write_kv")
FIRST = msgspec.structs.replace(STEP, only="prod Deployment payments/ledger")
OLD = Freshness("prod", STALE, LATER, "pods: nobody answers")
OTHER = Freshness("far", NEVER, None, "nobody answers")


def looked(*behind, pods=(POD,), waited=timedelta(), args=STEP):
    """Return what the step says where each of the pods has read the version."""
    world = SimpleNamespace(
        vault="v", intent={"version": 8}, now=lambda: LATER, started=WROTE, waited=waited, behind=lambda: behind,
        present=lambda *_: pods, witness=SimpleNamespace(reads=lambda *_: [READ]),
    )  # fmt: skip
    return verify_delivery.done(args, world)


def test_nothing_is_proven_by_a_picture_that_is_not_current():
    assert isinstance(looked(), Done) and looked().says == "1 of 1 pods have version 8."
    waits = looked(OLD)
    dark = (
        "Cluster prod: stale since 2026-03-14 09:00:30 UTC: pods: nobody answers. Pods that came since are not known."
    )
    assert isinstance(waits, Waiting) and waits.says == f"1 of 1 pods have version 8. {dark}"
    late = looked(OLD, waited=timedelta(minutes=11))
    assert isinstance(late, Refused) and late.says == (
        f"Not proven: {waits.says} Have it watched again, then resume. The old version was not touched."
    )
    assert isinstance(looked(OLD, args=FIRST), Waiting) and isinstance(looked(OTHER, args=FIRST), Done)


def test_another_cluster_that_is_not_seen_holds_nothing_up_and_is_no_proof():
    for pods, subject in ((POD,), "1 other"), ((), "1 connected"):
        done = looked(OTHER, pods=pods)
        assert isinstance(done, Done)
        (row,) = [one for one in done.proofs if one.kind == "cluster"]
        assert (row.subject, row.state) == (subject, "short") and "far" not in row.says
    assert not looked(OTHER, args=FIRST).proofs
