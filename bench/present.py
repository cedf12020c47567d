"""How long the pages and lists of what is live take: 10,000 pods, 100,000 leases, over millions of attributed events.

No promise but P5's names them: a page's first byte, and an answer of the API, within 150 ms at p95. Every caller's
calls are attributed to ten pods in turn, a third of the leases has ended, one in a hundred outlives its pod.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import requests

from accounts import tokens
from accounts.models import User
from accounts.token_wish import Wish
from audit.ingest import connect
from bench import desk, filling, machine
from bench.pages import fetch, p95, served
from bench.people import IDENTITIES, SECRETS, skewed
from bench.report import Table

PODS, LEASES, WORKLOADS, TEAMS, ROLES = 10_000, 100_000, 1_000, 40, 40

_TOKENS = """
INSERT INTO audit_token (id, device_id, hmac, principal_id, accessor, first_time)
    SELECT n, 1, sha256(n::text::bytea), n, '', now() - interval '30 days' FROM generate_series(1, {callers}) n;
INSERT INTO audit_tokenuse (id, vault_id, token_id, address_id, first, last, stale, untold)
    SELECT n, 1, (n + 1) / 2, n, now() - interval '30 days', now(), false, false
    FROM generate_series(1, 2 * {callers}) n;
INSERT INTO audit_attribution (use_id, since, until, grade, cluster, pod_uid, pod_namespace, pod_name, delivered_by,
    evidence, rule, provisional)
    SELECT n, now() - (5 - k) * interval '6 days', now() - (4 - k) * interval '6 days',
    (ARRAY['exact','strong','likely'])[1 + n % 3], 'prod', 'pod-' || p, 'team-' || p / 10 % {teams}, 'pod-' || p, '',
    '{{}}', 2, false
    FROM generate_series(1, 2 * {callers}) n, generate_series(0, 4) k, LATERAL (SELECT (n * 5 + k) % {pods} AS p) x;
"""
_CLUSTER = """
INSERT INTO inventory_cluster (id, name, uid, change, known_until) VALUES (1, 'prod', 'prod', 1, now());
INSERT INTO inventory_podlife (cluster_id, uid, namespace, name, service_account, node, host_network, started, seen_at,
    ended_uncertain, labels, change)
    SELECT 1, 'pod-' || n, 'team-' || n / 10 % {teams}, 'pod-' || n, 'app', 'node-' || n % 200, false,
    now() - interval '9 days', now(), false, '{{}}', 1 FROM generate_series(0, {pods} - 1) n;
INSERT INTO inventory_podaddress (life_id, address, started)
    SELECT id, '10.1.' || id / 256 % 256 || '.' || id % 256, started FROM inventory_podlife;
INSERT INTO inventory_workload (cluster_id, digest, namespace, uid, kind, name, wanted, pods, ready, service_account,
    methods, secrets, troubles)
    SELECT 1, sha256(n::text::bytea), 'team-' || n % {teams}, 'workload-' || n, 'Deployment', 'service-' || n, 10, 10,
    10, 'app', ARRAY['injector'], 20, (n % 50 = 0)::int FROM generate_series(0, {workloads} - 1) n;
INSERT INTO inventory_podstate (cluster_id, digest, namespace, uid, name, state, reason, node, service_account,
    restarts, made_at, workload_kind, workload_name, workload_uid, methods, secrets, troubles)
    SELECT 1, sha256(n::text::bytea), 'team-' || n / 10 % {teams}, 'pod-' || n, 'pod-' || n, 'running', '',
    'node-' || n % 200, 'app', 0, now() - interval '9 days', 'Deployment', 'service-' || n / 10, 'workload-' || n / 10,
    ARRAY['injector'], 2, (n % 500 = 0)::int FROM generate_series(0, {pods} - 1) n;
INSERT INTO inventory_secretconsumer (cluster_id, digest, namespace, pod_uid, pod_name, container, workload_kind,
    workload_name, workload_uid, method, path, credential, address, vault_namespace, auth_mount, auth_method, role,
    service_account, fingerprint, pinned, lease_id, request_id, lease_seconds, made_by_kind, made_by_namespace,
    made_by_name, made_by_uid, k8s_secret, uses, needs_restart, why, restarted_by, ended)
    SELECT 1, sha256((n || ' ' || k)::bytea), 'team-' || n / 10 % {teams}, 'pod-' || n, 'pod-' || n, 'app',
    'Deployment', 'service-' || n / 10, 'workload-' || n / 10, 'injector', s.name, '', 'http://vault:8200', '',
    'kubernetes', 'kubernetes', 'app', 'app', '', 0, '', '', 0, '', '', '', '', '', ARRAY['file'], 'no', '', '', false
    FROM generate_series(0, {pods} - 1) n, generate_series(0, 1) k
    JOIN LATERAL (SELECT name FROM audit_secret WHERE id = 1 + (n / 10 * 7 + k * 13) % {secrets}) s ON true;
"""
_LEASES = """
INSERT INTO audit_secret (id, vault_id, namespace, mount, mount_accessor, path, engine, name)
    SELECT {secrets} + 1 + n, 1, '', 'database/', 'database_300fbeaa', 'creds/role-' || n, 'Database',
    'database/creds/role-' || n FROM generate_series(0, {roles} - 1) n;
INSERT INTO audit_leaseissue (id, vault_id, lease_id, event_id, time, secret_id, principal_id)
    SELECT 1 + n, 1, 'database/creds/role-' || n % {roles} || '/' || md5(n::text), 1 + n,
    now() - (n % 86400) * interval '1 second', {secrets} + 1 + n % {roles}, 1 + n % {callers}
    FROM generate_series(0, {leases} - 1) n;
INSERT INTO audit_lease (id, vault_id, lease_id, namespace, secret_id, principal_id, event_id, issued, state, how,
    since, renewals, expires, verified_at, verified, found_at, found_ends, look_at, pod, pod_uid, grade, pod_gone)
    SELECT id, 1, lease_id, '', secret_id, principal_id, event_id, time,
    CASE WHEN id % 3 = 0 THEN 'expired' ELSE 'live' END, CASE WHEN id % 3 = 0 THEN 'ttl' ELSE '' END, time, 0,
    now() + (id % 7200) * interval '1 second', now(), CASE WHEN id % 3 = 0 THEN 'gone' ELSE 'found' END, now(),
    now() + (id % 7200) * interval '1 second', CASE WHEN id % 3 = 0 THEN NULL ELSE now() + interval '15 minutes' END,
    'team-' || id % {pods} / 10 % {teams} || '/pod-' || id % {pods}, 'pod-' || id % {pods}, 'strong',
    CASE WHEN id % 100 = 1 THEN now() - interval '1 hour' END FROM audit_leaseissue;
"""

Ask = Callable[[random.Random], str]


def _secret(draw: random.Random) -> int:
    return 1 + (draw.randrange(WORKLOADS) * 7) % SECRETS


ASKED: dict[str, Ask] = {
    "home": lambda d: "/",
    "leases": lambda d: "/leases/",
    "leases of one role": lambda d: f"/leases/?secret=database/creds/role-{d.randrange(ROLES)}",
    "leases that outlive their pod": lambda d: "/leases/?orphaned=yes",
    "one lease": lambda d: f"/leases/{1 + d.randrange(LEASES)}/",
    "pods": lambda d: "/pods/",
    "pods in trouble": lambda d: "/pods/?troubled=yes",
    "pods of one namespace": lambda d: f"/pods/?namespace=team-{d.randrange(TEAMS)}",
    "one pod": lambda d: f"/pods/prod/pod-{d.randrange(PODS)}/",
    "workloads": lambda d: "/workloads/",
    "map of workloads": lambda d: "/workloads/map/",
    "map of one namespace": lambda d: f"/workloads/map/?namespace=team-{d.randrange(TEAMS)}",
    "one workload": lambda d: f"/workloads/prod/workload-{d.randrange(WORKLOADS)}/",
    "one secret with its consumers": lambda d: f"/secrets/{_secret(d)}/",
    "API: stream, 100 events": lambda d: "/api/v1/events?limit=100",
    "API: newest day, 100 events": lambda d: f"/api/v1/events?since={_ago(24)}&until={_ago(1)}&limit=100",
    "API: readers of a secret": lambda d: f"/api/v1/secrets/{1 + skewed(d, SECRETS)}/readers",
    "API: consumers of a secret": lambda d: f"/api/v1/secrets/{_secret(d)}/consumers",
    "API: leases": lambda d: "/api/v1/leases?limit=100",
    "API: pods": lambda d: "/api/v1/pods?limit=100",
    "API: workloads": lambda d: "/api/v1/workloads?limit=100",
}


def _ago(hours: int) -> str:
    return f"{datetime.now(UTC) - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def fill(events: int) -> None:
    """Fill an empty migrated database with events, whose pods are known, and with what is live."""
    sizes = {
        "callers": IDENTITIES, "secrets": SECRETS, "pods": PODS, "leases": LEASES, "workloads": WORKLOADS,
        "teams": TEAMS, "roles": ROLES,
    }  # fmt: skip
    with connect() as connection:
        filling.fill(connection, events, tokens=True)
        for some in (_TOKENS, _CLUSTER, _LEASES):
            connection.execute(some.format(**sizes).encode())
        connection.execute("VACUUM (ANALYZE)")


def measure(given: argparse.Namespace) -> None:
    """Fill a database, fetch each page and each answer as a reader, and print the table."""
    with desk.desk() as place:
        place.fresh()
        desk.header()
        fill(given.events)
        machine.wait_until_calm(given.patience)
        with served(place.url) as (address, session):
            found = {name: _p95(session, address, name, ask, given.times) for name, ask in ASKED.items()}
        print(f"Cores that others kept busy just after: {machine.cores_of_others():.2f}.", flush=True)
    table = Table(f"What is live: {PODS:,} pods, {LEASES:,} leases, {given.events:,} events")
    for name, took in found.items():
        table.atmost(f"{name}, first byte p95, ms", [took], 150, "{:.1f}")
    table.show()


def _p95(session: requests.Session, address: str, name: str, ask: Ask, times: int) -> float:
    draw = random.Random(7)
    session.headers["Authorization"] = f"Bearer {_token()}" if name.startswith("API") else ""
    took = p95(fetch(session, name, lambda: address + ask(draw), times))
    print(f"  {name}: p95 {took:.1f} ms", flush=True)
    return took


def _token() -> str:
    """Return a token of its own for each question, so that none meets the limit of calls of another."""
    reader = User.objects.get(username="bench")
    wish = Wish("bench", ["events:read", "secrets:read"])
    return tokens.create(reader, wish, actor=reader)[1]


def main() -> None:
    """Measure the pages and lists of what is live: `python -m bench.present`."""
    desk.in_sandbox("bench.present")
    parser = desk.options(main.__doc__ or "", events=10_000_000, rounds=1)
    parser.add_argument("--times", type=int, default=30, help="how often each is fetched (30)")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
