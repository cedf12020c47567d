"""Leases and the present of one secret, as a browser shows them: wide and narrow, light and dark, without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screens import SCREENS, wrong

HOSTILE = "<script>report('ran')</script>\u202egnp" + "w" * 80
# What a look at the cluster and lookups at the vault would have left: pods, ends, an orphan, a hostile holder.
MAKE = f"""
from datetime import datetime, timedelta, UTC
from audit.lease_models import Lease
from audit.models import Principal
from inventory.cluster_models import ClusterLink, PodState, SecretConsumer, Watch
from inventory.models import AuthRole, Cluster, Connection, Policy
now, minute = datetime.now(UTC), timedelta(minutes=1)
rows = list(Lease.objects.order_by("-pk")[:12])
for place, one in enumerate(rows):
    one.issued, one.pod = now - 50 * minute, f"payments/payments-api-5d8f7b6c4-2knv{{place}}"
    one.pod_uid, one.token_ends = f"u-{{place}}", None
    one.grade = ["exact", "strong", "likely", "possible", "conflict"][place % 5]
    one.state, one.verified_at, one.verified = "live", now - minute, "found"
    one.expires, one.renewals, one.asked, one.how = now + (70 - 6 * place) * minute, place % 3, None, ""
rows[0].pod_gone = now - 42 * minute
rows[1].verified_at = now - 40 * minute
rows[2].state, rows[3].state, rows[4].state = "irrevocable", "revocation_failing", "revoked"
rows[5].expires, rows[5].state, rows[5].verified_at = None, "unverified", None
rows[6].pod, rows[6].lease_id = "x/{{0}}".format({HOSTILE!r}), {HOSTILE!r} + "/" + {HOSTILE!r}
rows[6].principal = Principal.objects.create(vault=rows[6].vault, kind="human", name={HOSTILE!r})
for one in rows:
    one.save()
way = Connection.objects.create(vault="eu-prod", address="https://vault.example", access_at=now)
about = dict(connection=way, seen_first=now, changed_at=now)
rule = 'path "secret/data/prod/*" {{ capabilities = ["read"] }}'
Policy.objects.create(name="prod-read", text=rule, sha256="0" * 64, **about)
Policy.objects.create(name="torn", unreadable="line 1, column 3: raed: no such capability", sha256="0" * 64, **about)
for name in ("mira.holt", {HOSTILE!r}):
    AuthRole.objects.create(method="auth/userpass/", type="userpass", name=name, policies=["prod-read"], **about)
cluster = Cluster.objects.create(name="prod", uid="c-1")
ClusterLink.objects.create(cluster=cluster, connected_at=now)
for name in ("pods", "namespaces", "serviceaccounts"):
    Watch.objects.create(cluster=cluster, resource=name, state="watching", since=now, heard_at=now - 60 * minute)
for place, name in enumerate(("ledger-66c9f7d5b-7gxsl", {HOSTILE!r})):
    SecretConsumer.objects.create(
        cluster=cluster, digest=bytes([place] * 16), namespace="payments", workload_kind="Deployment",
        workload_name="ledger", workload_uid="w", pod_uid=name, pod_name=name, container="main", method="csi",
        path="secret/data/prod/ledger/bank-sftp", needs_restart="always", refresh_seconds=120, uses=["file"])
"""


@pytest.fixture(scope="module")
def leases(site, pages) -> dict[str, str]:
    """Follow the leases of the recorded logs once, and return the addresses to look at."""
    site.manage("leases")
    site.manage("shell", "-v", "0", "-c", MAKE)
    asks = "from audit.lease_models import Lease; print(Lease.objects.exclude(pod_gone=None).get().pk)"
    one = site.manage("shell", "-v", "0", "-c", asks)
    busy = pages["busy"]
    return {"list": "/leases/", "orphaned": "/leases/?orphaned=yes", "one": f"/leases/{one}/",
            "nothing": "/leases/?pod=nobody", "present": f"{busy}{'&' if '?' in busy else '?'}present=now"}  # fmt: skip


@pytest.mark.parametrize("screens", SCREENS)
def test_nothing_is_cut_over_the_edge_too_pale_or_too_small(leases, window, screens):
    assert wrong(window(signed_in=True), leases, screens) == {}


def test_an_orphaned_lease_is_found_from_home_in_two_clicks_and_its_time_runs(leases, cat):
    page = cat.go("/")
    page.locator(".trouble", has_text="outlives its pod").get_by_role("link", name="Open").click()
    page.wait_for_url(re.compile(r"/leases/\?orphaned=yes"))
    page.locator(".leases .row-link").first.click()
    page.wait_for_url(re.compile(r"/leases/\d+/"))
    expect(page.locator(".sentence")).to_contain_text(re.compile(r"It outlives its pod by 4\d min"))
    clock = page.locator("[data-left]")
    before = clock.inner_text()
    expect(clock).not_to_have_text(before, timeout=4_000)


def test_keys_go_to_leases_and_walk_them(leases, cat):
    page = cat.go("/secrets/")
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.wait_for_url(re.compile(r"/leases/$"))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/leases/\d+/"))


def test_without_scripts_the_form_filters_and_the_present_is_a_link(leases, window, pages):
    visit = window(signed_in=True, java_script_enabled=False)
    page = visit.go("/leases/")
    page.get_by_label("State").select_option("irrevocable")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".leases tbody tr")).to_have_count(1)
    visit.go(pages["busy"])
    page.get_by_role("link", name="Who may read it, and who has it mounted").click()
    expect(page.locator("#present")).to_contain_text("mira.holt")
    expect(page.locator("#present")).to_contain_text("stale since")


def test_with_scripts_the_present_comes_by_itself_and_leaves_the_drawer_open(leases, cat, pages):
    event = re.search(r"event=(\d+)", pages["drawer"])
    page = cat.go(pages["drawer"])
    expect(page.locator("#present")).to_contain_text("prod-read")
    expect(page.locator("#drawer")).not_to_be_empty()
    assert event is not None
