"""A pod's own read of a native Secret is attributed by what the API server itself checked, and no other way."""

from __future__ import annotations

import pytest

from audit import attributing
from tests.audit.pictured import recorded_cluster, replay
from tests.cluster.records import POD, record
from tests.inventory import recording

pytestmark = pytest.mark.usefixtures("no_pods")

SAID = """
    SELECT e.request_id::text, t.grade, t.pod_uid FROM audit_event e
    JOIN audit_tokenuse u ON u.token_id = e.token AND u.address_id = e.address
    JOIN audit_attribution t ON t.use_id = u.id AND t.since <= e.time AND e.time < t.until
    WHERE e.flags & 4 = 0
"""


def test_the_recorded_native_reads_of_pods_are_exact(past, tmp_path):
    file = tmp_path / "kube-audit.log"
    file.write_bytes(recording.packed("kube-audit.log"))
    replay(recorded_cluster())
    past.take(file, vault="prod")
    report = attributing.attribute()
    assert report is not None and report.drained
    told = {key: (grade, pod) for key, grade, pod in past.rows(SAID)}
    wanted = {one["audit_id"]: one["pod"] for one in recording.truth()["native_reads"]}
    assert {key: told.get(key, ("", ""))[1] for key in wanted} == wanted
    assert {grade for grade, _ in told.values()} == {"exact"}
    operators = past.rows(
        """SELECT DISTINCT p.name FROM audit_event e JOIN audit_principal p ON p.id = e.principal
           WHERE e.request_id = ANY(%s::uuid[])""",
        [key for key in told if key not in wanted],
    )
    namespaces = {name.partition("/")[0] for (name,) in operators}
    assert namespaces <= {"external-secrets", "vso", "vault", "csi"}  # whose pods write and watch Secrets, too


def test_who_acts_for_another_through_a_pod_is_no_pod(past, tmp_path):
    file = tmp_path / "kube-audit.log"
    caller = {"username": "system:serviceaccount:shop:app", "extra": POD}
    file.write_bytes(record(user=caller, impersonatedUser={"username": "chidi"}) + b"\n")
    replay(recorded_cluster())
    past.take(file, vault="prod")
    attributing.attribute()
    assert not [row for row in past.rows(SAID) if row[1] in ("exact", "strong")]
