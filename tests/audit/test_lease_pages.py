"""However many leases there are, a page of them reads about as many rows as it shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.db import connection

from accounts.scope import EVERYTHING, Area, Scope
from audit import lease_questions
from audit.lease_questions import Wish
from audit.models import Vault

MANY = 100_000


@pytest.fixture(scope="module")
def many(empty_past):
    """100,000 leases of 200 secrets and 500 holders; one in a thousand outlives its pod."""
    with empty_past() as past, connection.cursor() as cursor:
        Vault.objects.create(name="many")
        cursor.execute(
            """INSERT INTO audit_secret (vault_id, namespace, mount, mount_accessor, path, engine, name)
               SELECT 1, '', 'database/', 'a', 'creds/r' || n, 'database', 'database/creds/r' || n
               FROM generate_series(0, 199) n;
               INSERT INTO audit_principal (vault_id, kind, name, namespace, entity_id)
               SELECT 1, 'service_account', 'shop/app-' || n, '', n FROM generate_series(0, 499) n;
               INSERT INTO audit_leaseissue (vault_id, lease_id, event_id, time, secret_id, principal_id)
               SELECT 1, 'database/creds/r' || n % 200 || '/' || n, n, now(), 1 + n % 200, 1 + n % 500
               FROM generate_series(1, 100000) n;
               INSERT INTO audit_lease (id, vault_id, lease_id, namespace, secret_id, principal_id, event_id, issued,
                   state, how, since, renewals, verified, pod, pod_uid, grade, pod_gone, expires, look_at)
               SELECT id, 1, lease_id, '', secret_id, principal_id, event_id, time,
                   CASE WHEN id % 50 = 0 THEN 'live' WHEN id % 50 = 1 THEN 'revoke_asked' ELSE 'expired' END,
                   '', time, 0, '',
                   'shop/pod-' || id / 3, 'uid-' || id / 3, 'strong', CASE WHEN id % 1000 = 0 THEN now() END,
                   now() + interval '1 hour', CASE WHEN id % 50 < 2 THEN now() END FROM audit_leaseissue;
               ANALYZE audit_lease, audit_leaseissue, audit_secret, audit_principal"""
        )
        yield past


def read_rows(rows):
    """How many rows of the table of leases a question reads, and how many it gives."""
    plan = json.loads(rows.explain(format="json", analyze=True))[0]["Plan"]
    read = 0
    todo = [plan]
    while todo:
        node = todo.pop()
        todo += node.get("Plans", [])
        if node.get("Relation Name") == "audit_lease":
            read += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return read, plan["Actual Rows"]


@pytest.mark.parametrize(
    "wish",
    [Wish(), Wish(secret=7), Wish(principal=7), Wish(state="live"), Wish(state="expired"), Wish(orphaned=True),
     Wish(pod="shop/pod-33000"), Wish(secret=1, state="live")],
    ids=["all", "secret", "principal", "live", "expired", "orphaned", "pod", "secret and state"],
)  # fmt: skip
def test_a_page_of_100_reads_about_100_leases_wherever_it_lies(many, wish):
    for after in (0, MANY // 2, MANY - 200):
        rows = lease_questions.leases(wish, scope=EVERYTHING, now=datetime.now(UTC)).filter(pk__gt=after).order_by("pk")
        read, given = read_rows(rows[:101])
        assert read <= 520, (after, read, given)


def test_a_limited_view_s_page_is_flat_too(many):
    scope = Scope.of([Area(vault="many", prefix=f"database/creds/r{n}") for n in range(20, 120)])
    for after in (0, MANY - 500):
        rows = lease_questions.leases(Wish(), scope=scope, now=datetime.now(UTC)).filter(pk__gt=after).order_by("pk")
        read, given = read_rows(rows[:101])
        assert given == 101 and read <= 1_000
