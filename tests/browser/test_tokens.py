"""API tokens and areas in a real browser: made and shown once, revoked, and a person limited by an administrator."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_sign_in import _enter as enter
from tests.browser.test_sign_in import _look as look
from tests.browser.test_sign_in import _press as press
from tests.browser.test_sign_in import _set_up as set_up

TOKEN = re.compile(r"kbk_[A-Za-z0-9_-]{43}[0-9a-f]{8}")


@pytest.mark.parametrize("scheme, width, scripts", [("light", 1440, True), ("dark", 390, True), ("light", 1440, False)])
def test_a_person_makes_a_token_sees_it_once_and_revokes_it(window, site, scheme, width, scripts):
    visit = window(color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce")
    enter(visit, site, f"cat-{scheme}-{width}-{scripts}", "reader")
    if not scripts:
        kept = visit.context.storage_state()
        visit = window(java_script_enabled=False, storage_state=kept)
    page, wrong = visit.go("/account/"), []
    press(page, "API tokens", "link")
    press(page, "Make a token", "link")
    page.locator("#id_name").fill("siem collector in eu")
    page.get_by_label("events:read").check()
    page.get_by_label("secrets:read").check()
    expect(page.get_by_label("trail:read")).to_have_count(0)
    page.get_by_label("Vault").select_option("eu-prod")
    page.get_by_label("Paths").fill("secret/prod\ndatabase/creds")
    page.get_by_label("Networks").fill("10.0.0.1/8")
    wrong += look(page) if scripts else []
    press(page, "Make the token")
    expect(page.get_by_role("alert")).to_have_text(
        "“10.0.0.1/8” is an address within a network. Write the network as 10.0.0.0/8."
    )
    expect(page.get_by_label("Paths")).to_have_value("secret/prod\ndatabase/creds")
    visit.trouble.clear()  # the browser's own note of the refusal
    page.get_by_label("Networks").fill("10.0.0.0/8\n2001:db8::/32")
    wrong += look(page) if scripts else []
    press(page, "Make the token")
    token = page.locator("#token").inner_text()
    assert TOKEN.fullmatch(token)
    wrong += look(page) if scripts else []
    press(page, "To your tokens", "link")
    mine = page.get_by_role("region", name="Your tokens")
    expect(mine).to_contain_text("siem collector in eu")
    assert token not in page.content()
    wrong += look(page) if scripts else []
    press(page, "Revoke siem collector in eu")
    expect(mine).to_contain_text("revoked")
    wrong += look(page) if scripts else []
    assert wrong == []


@pytest.mark.parametrize("scheme, width", [("dark", 1440), ("light", 390)])
def test_an_administrator_limits_a_person_to_areas_and_revokes_their_token(window, site, scheme, width):
    visit = window(color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce")
    name = f"dan-{scheme}-{width}"
    site.manage("create_user", name, "--role", "operator")
    site.manage("create_token", "--user", name, "--scope", "events:read", "--name", "old script", "--days", "1")
    enter(visit, site, f"eve-areas-{scheme}", "administrator")
    set_up(visit.page)
    page, wrong = visit.go("/people/"), []
    press(page, name, "link")
    expect(page.get_by_role("region", name="What they see")).to_contain_text("Everything.")
    form = page.get_by_role("region", name="Limit them to an area")
    form.get_by_label("Vault").select_option("eu-prod")
    form.get_by_label("Path").fill("secret/prod/*")
    press(page, f"Limit {name} to this area")
    expect(page.get_by_role("alert")).to_contain_text("leave the star out")
    visit.trouble.clear()  # the browser's own note of the refusal
    page.get_by_label("Path").fill("secret/prod")
    press(page, f"Limit {name} to this area")
    sees = page.get_by_role("region", name="What they see")
    expect(sees).to_contain_text("secret/prod")
    wrong += look(page)
    page.get_by_label("Namespace").fill("team-a")
    press(page, "Add the area")
    expect(sees).to_contain_text("2 areas")
    wrong += look(page)
    page.get_by_role("button", name="Remove the area").first.click()
    expect(sees).to_contain_text("1 area.")
    press(page, "Revoke old script")
    expect(page.get_by_role("region", name="API tokens")).to_contain_text("revoked")
    visit.go("/trail/")
    for verb in ("accounts.areas.changed", "accounts.token.revoked", "accounts.token.made"):
        expect(page.get_by_text(verb).filter(visible=True).first).to_be_visible()
    assert wrong == []
