"""The two shipped playbooks on the whole product: from Respond on a page to the report, and what is then refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.agents import Agents
from tests.browser.axe import faults
from tests.browser.conftest import Visit, opened_at

BANK, LONG = "secret/prod/ledger/bank-sftp", 90_000
ACCOUNT = "payments/ledger"


def respond(visit: Visit, address: str, title: str) -> Page:
    """Begin on the page of what happened; the playbook that fits opens filled in, with its plan."""
    page = visit.go(address)
    page.get_by_role("link", name="Respond…").click()
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    assert faults(page) == []
    return page


def ask(page: Page, reason: str) -> str:
    """Ask for the plan as it was shown; returns the change's name."""
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Ask for it").click()
    page.wait_for_url(re.compile(r"/changes/C-\d+/$"))
    return page.url.rstrip("/").rpartition("/")[2]


def ends(page: Page, words: str) -> None:
    """Wait until a change's life comes to a word; where it doesn't, say where it stands."""
    try:
        expect(page.locator(".lifecycle [aria-current]")).to_contain_text(words, timeout=LONG)
    except AssertionError:
        raise AssertionError(page.locator("main").inner_text()) from None


def report(page: Page) -> tuple[str, dict[str, Any]]:
    """Take both files of the report from a change's page."""
    found = []
    for name in ("Markdown", "JSON"):
        with page.expect_download() as taken:
            page.get_by_role("button", name=name, exact=True).click()
        found.append(Path(taken.value.path()).read_text())
    return found[0], json.loads(found[1])


def replace_the_leaked_secret(yard: Any, ann: Visit, bob: Visit, agents: Agents, approve: Any) -> None:
    """A value leaked: who had it stands in the plan, all start with a new one, and the old one is gone."""
    number = yard.one(f"SELECT id FROM audit_secret WHERE name = '{BANK}'")
    read = f"SELECT count(*) >= 7 FROM audit_event WHERE secret = {number} AND time < now() - interval '4 s'"
    yard.until(read, True)  # a plan looks until the moment up to which the record is complete
    page = respond(ann, f"/secrets/{number}/", "Leaked static secret")
    expect(page.get_by_role("heading", name=f"Who had {BANK}")).to_be_visible()
    expect(page.locator(".answer")).to_contain_text(ACCOUNT)
    page.get_by_label("Who makes the new value").select_option("generated")
    page.get_by_label("Which keys get a new value").fill("password")
    page.get_by_role("button", name="Preview again").click()
    expect(page.locator(".preview")).to_contain_text("Write a new version of secret/prod/ledger/bank-sftp")
    name = ask(page, "It stands in a build log since this morning.")
    expect(page.locator(".to-people")).to_contain_text("at whoever issued it")
    before = yard.bao.must("GET", "secret/metadata/prod/ledger/bank-sftp").data["current_version"]
    approve(bob.page, name, "bank-sftp")
    opened_at(page, f"{yard.site.url}/changes/{name}/")
    ends(page, "Proven")
    gone = yard.bao.call("GET", f"secret/data/prod/ledger/bank-sftp?version={before}")
    assert gone.status == 404 and gone.data["metadata"]["destroyed"]
    yard.until(f"SELECT count(*) FROM rotation_step WHERE change_id = {name[2:]} AND kind = 'write_kv' "
               "AND seen_event IS NOT NULL", 1)  # fmt: skip
    text, whole = report(page)
    assert f"**Who had {BANK} since " in text and "approve by bob" in text and "Head of the trail" in text
    (write,) = [one for one in whole["calls"] if one["path"].startswith("secret/data/") and one["changes_something"]]
    assert write["event"] and write["outcome"] == "ok" and write["of_this_plan"]
    assert whole["disagreements"] == [] and whole["coverage"]["complete_until"]
    told = json.loads(yard.site.manage("playbook", "report", name, "--json"))
    assert told["question"] == whole["question"] and told["calls"] == whole["calls"]


def contain_the_pod(yard: Any, ann: Visit, bob: Visit, agents: Agents, approve: Any) -> None:
    """A pod is in other hands: it is cut off at once, and what it read is replaced for those that still may have it."""
    login = next(one for one in reversed(agents.logins) if one.pod.startswith("ledger"))
    uid = yard.one(f"SELECT uid FROM inventory_podstate WHERE name = '{login.pod}'")
    yard.until(f"SELECT count(*) FROM audit_lease WHERE lease_id = '{login.lease}' AND pod_uid = '{uid}'", 1)
    yard.until(f"SELECT count(*) > 0 FROM audit_attribution t JOIN audit_tokenuse u ON u.id = t.use_id "
               f"JOIN audit_event e ON e.token = u.token_id JOIN audit_secret s ON s.id = e.secret "
               f"WHERE t.pod_uid = '{uid}' AND s.name = '{BANK}'", True)  # fmt: skip
    entities = f"SELECT entity_id FROM audit_principal WHERE name = '{ACCOUNT}'"
    yard.do("UPDATE inventory_connection SET wanted_at = now()")  # else a new entity is learned of every 15 min
    yard.until(f"SELECT count(*) FROM inventory_entity WHERE entity_id IN ({entities}) AND gone_at IS NULL", 1)
    page = respond(ann, f"/pods/{yard.cluster}/{uid}/", "Compromised pod")
    for words in ("Disable the entity", "Revoke", "Tell the channels", f"Wait for a new version of {BANK}"):
        expect(page.locator(".preview")).to_contain_text(words)
    expect(page.locator(".doubts")).to_contain_text("Deployment payments/ledger is not restarted")
    expect(page.locator(".to-people")).to_contain_text("itself")
    name = ask(page, "Somebody opened a shell in it that nobody knows.")
    approve(bob.page, name, login.pod)
    opened_at(page, f"{yard.site.url}/changes/{name}/")
    expect(page.locator("main")).to_contain_text("Write the new value in Vault; this goes on by itself.", timeout=LONG)
    assert not yard.lets_in(login.username, login.password), "its login is gone before anything is rotated"
    assert yard.entity_of(ACCOUNT)["disabled"]
    for secret in ("bank-sftp", "signing", "audit-seal"):  # in any order: what comes early is not waited for twice
        yard.bao.must("POST", f"secret/data/prod/ledger/{secret}", {"data": {"password": "of its issuer"}})
    ends(page, "Done, short of proof")
    expect(page.locator("main")).to_contain_text("cordoned, as nothing is read before")
    text, whole = report(page)
    assert "What could the pod payments/" in text and "## Left to people" in text
    kinds = {one["step"]: one["state"] for one in whole["change"]["steps"]}
    assert set(kinds.values()) == {"done"} and {"disable_entity", "revoke_leases", "retire_version"} <= set(kinds)
    assert faults(page) == []
