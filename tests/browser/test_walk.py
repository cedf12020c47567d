"""The whole way, by two people in two browsers: asked for, approved with a passkey, run, proven, and the old refused.

Everything is real but the cluster, which is simulated: Keybook's own processes, an OpenBao, a PostgreSQL.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Page, expect

from sandbox.bao_http import Bao
from sandbox.control import STATE
from sandbox.control import ask as control
from sandbox.kube_client import CLUSTER, MERGE, Kube, read_kubeconfig
from sandbox.kube_injector import ONCE
from tests.audit.conftest import TELL
from tests.browser.agents import READS, ROLE, Agents
from tests.browser.axe import faults
from tests.browser.conftest import PASSWORD, ROOT, Site, Visit, opened_at, opened_by
from tests.browser.playbook_walk import contain_the_pod, replace_the_leaked_secret

BANK = "secret/prod/ledger/bank-sftp"
REPORT = "database/static-creds/payments-report"
PATH = "secret/data/prod/ledger/bank-sftp"
RIGHTS = "database/creds/payments-rw"
PEOPLE = f"""
from accounts.models import User
for name, role in (("ann", "operator"), ("bob", "approver")):
    User.objects.create_user(name, password={PASSWORD!r}, role=role)
"""
PIN = """
from rotation import assertions
from rotation.models import ApproverKey, Change
made = Change.objects.filter(target="enrol_key").latest("pk")
key = {name: assertions.unpack(made.args[name]) for name in ("credential", "public_key")}
ApproverKey.objects.create(user_id=made.asker_id, user_name=made.asker_name, **key)
"""
LONG = 90_000  # ms: for what waits for other processes on a busy machine


@dataclass
class Yard:
    """A sandbox with all of Keybook, the company in its cluster and vault, and a third workload that gets BANK."""

    site: Site
    bao: Bao
    kube: Kube

    def control(self, verb: str, part: str) -> None:
        """Kill or start a part."""
        control(verb, part, Path(self.site.environment[STATE]))

    def one(self, query: str):
        """Ask Keybook's database for one value."""
        with psycopg.connect(self.site.environment["DATABASE_URL"]) as wire:
            return wire.execute(query).fetchone()[0]

    def do(self, statement: str) -> None:
        """Change a row of Keybook's database."""
        with psycopg.connect(self.site.environment["DATABASE_URL"]) as wire:
            wire.execute(statement)

    def until(self, query: str, wanted: object, patience: float = 90) -> None:
        """Wait until a query gives what is wanted."""
        end = time.monotonic() + patience
        while (found := self.one(query)) != wanted:
            assert time.monotonic() < end, f"{query} gives {found!r}, not {wanted!r}"
            time.sleep(0.2)

    @property
    def cluster(self) -> str:
        """Return the name of the only cluster."""
        return str(self.one("SELECT name FROM inventory_cluster"))

    def entity_of(self, account: str) -> dict:
        """Return the entity of a service account as the vault has it."""
        some = f"SELECT entity_id FROM audit_principal WHERE name = '{account}' AND entity_id <> '' ORDER BY id LIMIT 1"
        return self.bao.must("GET", f"identity/entity/id/{self.one(some)}").data

    def lets_in(self, username: str, password: str) -> bool:
        """Tell whether the application's database takes a log-in."""
        host = psycopg.conninfo.conninfo_to_dict(self.site.environment["DATABASE_URL"])["host"]
        try:
            psycopg.connect(host=host, dbname="payments", user=username, password=password).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    parts = ["--vault", "--cluster", "--web", "--named"]
    argv = [str(ROOT / "bin" / "sandbox"), *parts, sys.executable, "-c", TELL]
    given = {**os.environ, "KEYBOOK_REQUIRE_MFA": "false"}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=given, text=True) as process:
        try:
            told = {**json.loads(process.stdout.readline()), "DJANGO_SETTINGS_MODULE": "config.settings"}
            site = Site(told["KEYBOOK_URL"], told, {})
            bao, kube = Bao(told["VAULT_ADDR"], told["VAULT_TOKEN"]), read_kubeconfig(ROOT / told[CLUSTER])
            yield _settled(Yard(site, bao, kube))
        finally:
            process.terminate()
            process.wait(60)


def _settled(yard: Yard) -> Yard:
    """Let the company move in, and ann and bob."""
    story = [sys.executable, "-m", "sandbox.story", "--setup-only"]
    subprocess.run(story, cwd=ROOT, env=yard.site.environment, check=True)
    labels = {"app": "settlement"}
    for name in ("ledger", "payout"):  # nobody renews what their agents wrote, so that a new value needs new pods
        patch = {"spec": {"template": {"metadata": {"annotations": {ONCE: "true"}}}}}
        yard.kube.must("PATCH", f"/apis/apps/v1/namespaces/payments/deployments/{name}", patch, MERGE)
    notes = {ONCE: "true", "vault.hashicorp.com/agent-inject": "true", ROLE: "payout", f"{READS}bank": PATH}
    spec = {"serviceAccountName": "payout", "containers": [{"name": "app", "image": "registry.example/settlement:1"}]}
    template = {"metadata": {"labels": labels, "annotations": notes}, "spec": spec}
    wish = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "settlement"}, "spec": wish}
    yard.kube.must("POST", "/apis/apps/v1/namespaces/payments/deployments", body)
    yard.site.manage("set_up_approvals", "--proof", "passkey", "--json")
    yard.site.manage("shell", "-v", "0", "-c", PEOPLE)
    some = f"FROM inventory_secretconsumer WHERE path = '{PATH}' AND NOT ended"
    yard.until(f"SELECT count(DISTINCT workload_name) {some} AND needs_restart = 'always'", 3)
    yard.until(f"SELECT count(DISTINCT pod_uid) {some}", 7)
    return yard


@pytest.fixture
def person(yard, chromium):
    """Return a function that opens a browser in which somebody has just signed in; bob's has a passkey."""
    opened: list[Visit] = []

    def start(name: str) -> Visit:
        visit = opened_by(yard.site, chromium)
        visit.go("/sign-in/")
        visit.page.get_by_label("Name").fill(name)
        visit.page.get_by_label("Password").fill(PASSWORD)
        visit.page.get_by_role("button", name="Sign in").click()
        visit.page.wait_for_url(f"{yard.site.url}/")
        opened.append(visit)
        return visit

    yield start
    for visit in opened:
        visit.context.close()
    assert [trouble for visit in opened for trouble in visit.trouble] == []


def _register(visit: Visit, yard: Yard) -> None:
    """Give a browser an authenticator with a finger on it, register its passkey, and have it pinned."""
    wire = visit.context.new_cdp_session(visit.page)
    wire.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    wire.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page = visit.go("/account/passkeys/")
    page.get_by_label("Name").fill("bob's key")
    page.get_by_role("button", name="Register a passkey").click()
    page.wait_for_url(re.compile(r"/changes/C-\d+/$"))
    yard.site.manage("shell", "-v", "0", "-c", PIN)


def _ask(page: Page, reason: str) -> str:
    """Send a form that is filled in: see the plan, then ask; returns the change's name."""
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    page.get_by_role("button", name="Ask for it").click()
    page.wait_for_url(re.compile(r"/changes/C-\d+/$"))
    return page.url.rstrip("/").rpartition("/")[2]


def _approve(page: Page, name: str, typed: str) -> None:
    """Approve from the inbox once the worker has looked, with the passkey."""
    opened_at(page, page.url.partition("/changes")[0] + f"/changes/{name}/")
    expect(page.locator("#checked")).to_contain_text("it can be done", timeout=LONG)
    opened_at(page, page.url)
    page.get_by_role("link", name="Approve: ").click()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("The button asks for your passkey")
    question.get_by_label("Type the target").fill(typed)
    question.get_by_role("button").last.click()
    expect(page.locator(".lifecycle [aria-current]")).not_to_contain_text("Requested")


def test_a_secret_of_three_workloads_is_rotated_by_two_people_and_what_was_before_is_refused(yard, person):
    ann, bob = person("ann"), person("bob")
    _register(bob, yard)
    with Agents(yard.bao, yard.kube, "payments") as agents:
        before = yard.bao.must("GET", "secret/metadata/prod/ledger/bank-sftp").data["current_version"]
        _rotate_the_banks_login(yard, ann, bob, agents)
        _the_old_version_is_refused(yard, before)
        old = [one for one in agents.logins if one.pod.startswith("ledger")]
        assert len(old) >= 3 and all(yard.lets_in(one.username, one.password) for one in old)
        _revoke_its_logins(yard, ann, bob, old)
        for one in old:
            assert not yard.lets_in(one.username, one.password)
            assert yard.bao.call("PUT", "sys/leases/renew", {"lease_id": one.lease}).status == 400
        _rotate_the_reports_password(yard, ann, bob)
        assert agents.trouble == []


def _rotate_the_banks_login(yard: Yard, ann: Visit, bob: Visit, agents: Agents) -> None:
    page = ann.go(f"/changes/new/?target=kv&secret={BANK}&way=generated&keys=password&vault=sandbox")
    name = _ask(page, "The bank asks for a new password every 90 days.")
    expect(page.locator("main")).to_contain_text("Restart 1 of 3 first: Deployment payments/ledger")
    expect(page.locator("main")).to_contain_text("Then restart 2 more at once: Deployment payments/payout, Deployment")
    expect(page.locator("main")).to_contain_text("another person approves")
    agents.asleep.set()
    _approve(bob.page, name, "bank-sftp")
    expect(page.locator("#step-3")).to_contain_text("0 of 3 pods have version", timeout=LONG)
    yard.control("kill", "worker-operations")
    for app in ("payout", "settlement"):
        assert {new for _, new in agents.counts[app]} == {0}, "they wait until the first one has shown that it works"
    agents.asleep.clear()
    yard.control("start", "worker-operations")
    expect(page.locator("#step-4")).to_contain_text("2 of 2 workloads are restarted.", timeout=LONG)
    expect(page.locator("#step-5")).to_contain_text("7 of 7 pods have version", timeout=LONG)
    expect(page.locator(".lifecycle [aria-current]")).to_contain_text("Proven", timeout=LONG)
    expect(page.locator("main")).to_contain_text("Done and proven.")
    expect(page.locator(".proof-proven")).to_have_count(8)
    expect(page.locator("main")).to_contain_text("Every line is proven.")
    expect(page.locator("#step-1")).to_contain_text("seen in the audit log at", timeout=LONG)
    expect(page.locator("#step-6")).to_contain_text("seen in the audit log at", timeout=LONG)
    assert faults(page) == []
    for app, size in (("ledger", 3), ("payout", 2), ("settlement", 2)):
        seen = agents.counts[app]
        assert (0, size) in seen and min(map(sum, seen)) >= size - 1, f"{app} rolled as {sorted(seen)}"


def _the_old_version_is_refused(yard: Yard, before: int) -> None:
    answer = yard.bao.call("GET", f"{PATH}?version={before}")
    assert answer.status == 404 and answer.data["metadata"]["destroyed"] and answer.data["data"] is None
    assert yard.bao.must("GET", PATH).data["metadata"]["version"] == before + 1


def _revoke_its_logins(yard: Yard, ann: Visit, bob: Visit, old: list) -> None:
    known = ", ".join(f"'{one.lease}'" for one in old)
    yard.until(f"SELECT count(*) FROM audit_lease WHERE lease_id IN ({known}) AND state = 'live'", len(old))
    page = ann.go(f"/changes/new/?target=lease&role={RIGHTS}&vault=sandbox")
    name = _ask(page, "payments-rw leaked into a build log.")
    _approve(bob.page, name, RIGHTS.rpartition("/")[2])
    expect(page.locator("main")).to_contain_text("are gone: Vault's lookup says so.", timeout=LONG)


def _rotate_the_reports_password(yard: Yard, ann: Visit, bob: Visit) -> None:
    old = yard.bao.must("GET", REPORT).data
    assert yard.lets_in(old["username"], old["password"])
    page = ann.go(f"/changes/new/?target=database_role&secret={REPORT}&vault=sandbox")
    name = _ask(page, "The report's password is 30 days old.")
    _approve(bob.page, name, REPORT.rpartition("/")[2])
    expect(page.locator("#step-1")).to_contain_text("Vault has changed the password of", timeout=LONG)
    assert not yard.lets_in(old["username"], old["password"])
    new = yard.bao.must("GET", REPORT).data
    assert yard.lets_in(new["username"], new["password"])


@pytest.mark.long  # two minutes more; tests/rotation/test_playbook_runs.py runs one on a real OpenBao in seconds
def test_a_leaked_secret_and_a_compromised_pod_are_answered_from_their_pages_to_the_report(yard, person):
    ann, bob = person("ann"), person("bob")
    _register(bob, yard)
    with Agents(yard.bao, yard.kube, "payments") as agents:
        replace_the_leaked_secret(yard, ann, bob, agents, _approve)
        contain_the_pod(yard, ann, bob, agents, _approve)
        assert [one for one in agents.trouble if "403" not in one] == []
