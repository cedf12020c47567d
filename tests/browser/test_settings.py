"""Settings > Sources as an administrator meets it: what the last look said, and adding a vault, a log and a token."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_sign_in import _enter as enter
from tests.browser.test_sign_in import _look as look
from tests.browser.test_sign_in import _press as press
from tests.browser.test_sign_in import _set_up as set_up

LINES = """
from inventory import sync; from inventory.models import Connection; from kit.check import Check
one = Connection.objects.get(vault="eu-prod")
rule = 'Add to the policy:  path "sys/auth" { capabilities = ["read"] }'
sync.keep_lines(one, [Check("vault", True, "it answers"), Check("sys/auth (read)", False, "missing read", rule)])
"""


@pytest.mark.parametrize("scheme, width, scripts", [("dark", 390, True), ("light", 1440, False)])
def test_an_administrator_connects_a_vault_follows_a_log_and_makes_a_token(window, site, scheme, width, scripts):
    visit = window(color_scheme=scheme, viewport={"width": width, "height": 844}, reduced_motion="reduce")
    enter(visit, site, f"eve-settings-{scheme}-{width}-{scripts}", "administrator")
    set_up(visit.page)
    if not scripts:
        kept = visit.context.storage_state()
        visit = window(java_script_enabled=False, storage_state=kept)
    page, wrong = visit.go("/settings/sources/"), []
    form = page.get_by_role("region", name="Connect a vault")
    form.get_by_label("Name", exact=False).first.fill("eu-prod")
    form.get_by_label("Address").fill("https://vault.example:8200")
    press(page, "Connect the vault")
    expect(page.get_by_text("A look is wanted since")).to_be_visible()
    site.manage("shell", "-v", "0", "-c", LINES)
    page = visit.go("/settings/sources/")
    expect(page.get_by_text("1 thing to mend")).to_be_visible()
    expect(page.get_by_text('path "sys/auth"').first).to_be_visible()
    wrong += look(page) if scripts else []
    form = page.get_by_role("region", name="Follow an audit log")
    form.get_by_label("Vault").fill("eu-prod")
    form.get_by_label("Audit device").fill(f"file-{width}-{scripts}")
    log = f"{site.environment['KEYBOOK_LOG_ROOTS']}/new.log"
    form.get_by_label("Path").fill(log)
    press(page, "Follow the log")
    expect(page.get_by_role("region", name="Where lines come from")).to_contain_text(log)
    form = page.get_by_role("region", name="Receive lines over http")
    form.get_by_label("Vault").fill("eu-prod")
    form.get_by_label("Audit device").fill(f"http-{scheme}-{width}-{scripts}")
    press(page, "Make a receiver token")
    assert page.locator("#token").inner_text().startswith("kbr_")
    expect(page.get_by_text("Never make it the vault's only audit device")).to_be_visible()
    wrong += look(page) if scripts else []
    press(page, "To the sources", "link")
    page.get_by_role("button", name="Revoke token").first.click()
    expect(page.get_by_role("region", name="Receiver tokens")).to_contain_text("revoked")
    wrong += look(page) if scripts else []
    page.get_by_role("button", name="Stop following").first.click()
    expect(page.get_by_role("region", name="Where lines come from")).not_to_contain_text(log)
    assert wrong == []
