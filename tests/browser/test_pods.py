"""Workloads and pods in a real browser: a stuck pod from Home in three clicks, wide and narrow, light and dark."""

from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.sync_api import expect

from tests.browser.screens import SCREENS, wrong

PODS = """
from datetime import timedelta
from tests.dashboard.pods_made import cluster, gets, pod, stuck, workload
evil = "<img src=x onerror=report('ran')>" + chr(0x202e) + "gnp"
cluster(heard=timedelta(hours=-1)), cluster("lab", heard=timedelta(hours=1), trouble="nobody answers at https://kube")
workload(), workload(evil, "payments", uid="w-evil")
one = pod()
gets(one), gets(one, "database/creds/payments-rw", method="vso", needs_restart="always", why="it is a variable")
stuck(pod("ledger-7c9d8b6f5-b8kzn"))
gets(pod(evil, uid="evil", workload_name=evil, node=evil), "secret/data/" + evil, container=evil, k8s_secret=evil)
"""
FORGET = "from inventory.models import Cluster; Cluster.objects.all().delete()"
ADDRESSES = (
    "/workloads/", "/workloads/map/", "/pods/", "/pods/?troubled=yes", "/pods/prod/u-payments-ledger-7c9d8b6f5-x2lqp/",
    "/pods/prod/u-payments-ledger-7c9d8b6f5-b8kzn/", "/pods/prod/evil/", "/workloads/prod/w-ledger/",
)  # fmt: skip


@pytest.fixture(scope="module")
def filled(site):
    """A current cluster with a stuck pod and a hostile one, and a stale cluster."""
    site.manage("shell", "-v", "0", "-c", PODS)
    yield site
    site.manage("shell", "-v", "0", "-c", FORGET)


def test_a_stuck_pod_is_found_from_home_in_three_clicks(filled, cat):
    page = cat.go("/")
    page.locator(".trouble", has_text="does not get its secrets").get_by_role("link", name="Open").click()
    page.locator("#rows .row-link").first.click()
    expect(page.locator("#doctor")).to_contain_text("cause 16")
    expect(page.locator("#doctor")).to_contain_text("Do: Bind the service account to the role ledger.")


def test_keys_lead_to_workloads_and_from_row_to_row(filled, cat):
    page = cat.go("/")
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.wait_for_url("**/workloads/")
    page.keyboard.press("j")
    expect(page.locator("#rows .row-link").first).to_be_focused()


@pytest.mark.parametrize("screens", SCREENS)
def test_no_page_is_cut_or_scrolls_sideways_and_all_text_can_be_read(filled, window, screens):
    assert wrong(window(signed_in=True), dict(zip(ADDRESSES, ADDRESSES, strict=True)), screens, axe=False) == {}


def test_a_stale_cluster_is_told_without_scripts(filled, window):
    page = window(signed_in=True, java_script_enabled=False).go("/pods/")
    expect(page.get_by_text("The picture of lab is stale since").first).to_be_visible()
    expect(page.locator("#strip .bad", has_text="Cluster lab")).to_be_visible()


def test_on_a_phone_no_row_of_the_map_and_no_field_lies_on_another(filled, window):
    page = window(signed_in=True, viewport={"width": 390, "height": 844}).go("/workloads/map/")
    for of in (".map tbody tr", ".lease-fields > *"):
        boxes = [one.bounding_box() for one in page.locator(of).all()]
        assert len(boxes) > 3 and not [one for one in pairwise(boxes) if _overlap(*one)], of


def _overlap(a, b):
    side, down = (min(a[x] + a[w], b[x] + b[w]) - max(a[x], b[x]) for x, w in (("x", "width"), ("y", "height")))
    return side > 1 and down > 1
