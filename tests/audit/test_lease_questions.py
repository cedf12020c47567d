"""Leases are found by pod, secret, holder and state, page by page however many there are, and only those in scope."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from accounts.scope import EVERYTHING, Area, Scope
from audit import lease_questions, leasing
from audit.lease_models import Lease
from audit.lease_questions import Wish
from audit.models import Principal, Secret
from inventory.leases import Holding, State

NOW = datetime(2026, 11, 21, 2, 54, 30, tzinfo=UTC)


@pytest.fixture
def recorded_past(past, recorded, tmp_path):
    """The recorded log, followed to its end."""
    (tmp_path / "audit.log").write_bytes(recorded("audit.log"))
    past.take(tmp_path / "audit.log")
    leasing.catch_up()
    return past


def found(wish=None, scope=EVERYTHING):
    return [one.lease_id for one in lease_questions.leases(wish or Wish(), scope=scope, now=NOW).order_by("pk")]


def test_leases_are_found_by_secret_holder_and_state(recorded_past, truth):
    leases = truth["leases"]
    secret = Secret.objects.get(name="database/creds/payments-rw")
    assert set(found(Wish(secret=secret.pk))) == {id for id, one in leases.items() if one["path"] == secret.name}
    holder = Principal.objects.get(name="payments/payments-api")
    assert set(found(Wish(principal=holder.pk))) == {
        id for id, one in leases.items() if one["holder"].startswith("payments/payments-api-")
    }
    asked = {id for id, one in leases.items() if one["ended_how"] and " by " in one["ended_how"]}
    assert set(found(Wish(state=State.ASKED))) == asked
    assert set(found(Wish(prefix="ssh/"))) == {id for id in leases if id.startswith("ssh/")}
    assert found(Wish(vault="another")) == []


def test_leases_of_a_pod_and_those_that_outlive_theirs(recorded_past, truth):
    gone = NOW - timedelta(seconds=5)
    rows = list(Lease.objects.filter(secret__name="database/creds/payments-ro").order_by("pk")[:2])
    pods = {
        rows[0].pk: Holding("payments/one", "uid-1", "exact", gone),
        rows[1].pk: Holding("payments/two", "uid-2", "likely"),
    }
    assert leasing.hold(pods, lambda some: {one.pk: pods[one.pk] for one in some}) == 2
    for pod in ("payments/one", "one", "uid-1"):
        assert found(Wish(pod=pod)) == [rows[0].lease_id]
    assert found(Wish(pod="payments/on")) == [] == found(Wish(pod="ne"))
    assert found(Wish(orphaned=True)) == [rows[0].lease_id]
    (row,) = lease_questions.shown(lease_questions.leases(Wish(orphaned=True), scope=EVERYTHING, now=NOW), NOW)
    assert (row.pod, row.grade, row.orphaned, row.exposed) == ("payments/one", "exact", True, timedelta(seconds=5))
    late = NOW + timedelta(days=2)  # its token has ended by then, and the lease with it
    assert list(lease_questions.leases(Wish(orphaned=True), scope=EVERYTHING, now=late)) == []


def test_a_limited_view_has_the_leases_of_secrets_in_scope_alone(recorded_past, truth):
    scope = Scope.of([Area(vault="demo", prefix="database/creds/payments-ro")])
    mine = {
        id
        for id, one in truth["leases"].items()
        if one["path"] == "database/creds/payments-ro" and not one["namespace"]
    }
    assert set(found(scope=scope)) == mine
    assert set(found(Wish(state=State.ASKED), scope=scope)) < mine
    other = Lease.objects.exclude(lease_id__in=mine).first()
    with pytest.raises(LookupError):
        lease_questions.lease(other.pk, scope=scope, now=NOW)
    assert lease_questions.lease(other.pk, scope=EVERYTHING, now=NOW).row.lease_id == other.lease_id
    assert found(scope=Scope.of([Area(vault="elsewhere")])) == []


def test_one_lease_is_told_with_everything_that_was_seen_of_it(recorded_past, truth):
    id, lease = next((id, one) for id, one in truth["leases"].items() if len(one["renewals"]) > 2 and one["ended_how"])
    told = lease_questions.lease(Lease.objects.get(lease_id=id).pk, scope=EVERYTHING, now=NOW)
    kinds = [fact.kind for fact in told.facts if fact.kind != "token_life"]
    assert kinds[0] == "issued" and kinds.count("renewed") == len(lease["renewals"]) and kinds[-1] == "forced"
    assert all(fact.event for fact in told.facts if fact.kind != "token_life")
    with pytest.raises(LookupError, match="no lease 0"):
        lease_questions.lease(0, scope=EVERYTHING, now=NOW)


def run(*words):
    said = io.StringIO()
    call_command("leases", *words, stdout=said)
    return said.getvalue()


def test_the_command_follows_the_record_and_prints_one_document(past, recorded, tmp_path, truth):
    (tmp_path / "audit.log").write_bytes(recorded("audit.log"))
    past.take(tmp_path / "audit.log")
    told = json.loads(run("--json"))["leases"]
    assert {one["lease_id"] for one in told} == truth["leases"].keys()
    assert told[0].keys() >= {"lease_id", "secret", "state", "holder", "grade", "pod", "issued", "expires"}
    assert {one["state"] for one in told} == {"unverified", "revoke_asked"}
    one = json.loads(run("--secret", "database/creds/payments-rw", "--state", "revoke_asked", "--json"))["leases"]
    assert {lease["secret"] for lease in one} == {"database/creds/payments-rw"} and len(one) == 10
    assert json.loads(run("--orphaned", "--json")) == {"leases": []} == json.loads(run("--pod", "nobody", "--json"))


def test_the_command_prints_a_table_for_people(recorded_past):
    lines = run("--secret", "database/creds/payments-ro").splitlines()
    assert lines[0].split()[:3] == ["lease", "state", "known"]
    assert lines[-1].endswith("0 outlive their pod.") and "unverified" in lines[2]


def test_the_command_names_a_secret_that_is_none(recorded_past, capsys):
    with pytest.raises(SystemExit) as left:
        run("--secret", "database/creds/payments-rx")
    assert left.value.code == 2
    assert "payments-rx" in capsys.readouterr().err
