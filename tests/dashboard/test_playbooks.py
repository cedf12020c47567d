"""The pages of playbooks: what fits opens filled in with its plan, and to run one is to ask for what was shown."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from accounts.models import Role, TrailEntry
from audit.models import Vault
from rotation import plan, playbooks
from rotation.models import Change
from tests.dashboard.change_windows import Page, Window, links, someone
from tests.rotation.test_playbook_target import ENROLLED, SECRET, Books
from tests.rotation.vaults import connected, enrol

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(monkeypatch):
    """A record that one pod, mallory and nobody else read the secret of a connected vault."""
    made = connected()
    for one in ENROLLED:
        enrol(made, *one)
    Vault.objects.create(name="demo")
    found = Books()
    monkeypatch.setattr("rotation.asking.books", lambda: found)
    monkeypatch.setattr(plan, "may_generate", lambda: ("demo:secret/*",))
    return found


@pytest.fixture
def anns():
    return Window(someone("ann", Role.OPERATOR))


GIVEN = {
    "secret": SECRET,
    "since": "7d",
    "way": "generated",
    "keys": "password",
    "reason": "It leaked.",
    "once": "k" * 20,
}
ONE = "/playbooks/leaked-static-secret/"


def values(page):
    return {own.get("name"): own.get("value") for tag, own in page.elements if tag == "input" and own.get("name")}


def test_the_list_tells_what_each_is_for_and_a_reader_runs_none(anns):
    page = anns.get("/playbooks/")
    assert "Leaked static secret" in page.text and "Compromised pod" in page.text
    assert ONE in links(page, "button")
    cats = Window(someone("cat", Role.READER))
    assert links(cats.get("/playbooks/"), "button") == []
    assert cats.client.get(ONE).status_code == 403


def test_responding_to_a_secret_opens_what_fits_filled_in_with_its_plan_and_who_had_it(anns, books):
    answer = anns.client.get(f"/playbooks/?secret={SECRET}&vault=demo&evidence=event:7")
    assert answer.status_code == 302 and answer["Location"].startswith(ONE)
    page = anns.get(answer["Location"])
    assert values(page)["secret"] == SECRET and values(page)["evidence"] == "event:7"
    for words in ("What would happen", f"Wait for a new version of {SECRET}", f"Who had {SECRET}", "mallory",
                  "Left to people"):  # fmt: skip
        assert words in page.text
    assert "somebody else writes it in Vault, and this waits for it (adopt)" in page.text, "as every form calls it"
    assert any("teeth" in (own.get("class") or "") for tag, own in page.elements if tag == "svg")
    assert "service account" in page.text and "service_account" not in page.text
    assert not Change.objects.exists()


def test_what_fits_several_playbooks_is_asked_for(anns, books):
    page = anns.get(f"/playbooks/?secret={SECRET}&principal=payments/ledger")
    assert page.text.count("fits what you came from") == 2


def test_a_plan_that_can_not_be_made_says_why_on_the_form(anns, books):
    page = anns.get(f"{ONE}?secret=nowhere/x")
    assert "No mount of a connected vault holds 'nowhere/x'" in page.text
    assert values(page)["secret"] == "nowhere/x"


def test_what_was_shown_is_asked_for_to_the_letter_and_once(anns, books):
    shown = Page.of(anns.send(ONE, 200, **GIVEN, action="preview"))
    sent = {**GIVEN, **{name: values(shown)[name] for name in ("plan_hash", "at", "sha256")}, "action": "ask"}
    first = anns.send(ONE, **sent)
    change = Change.objects.get()
    assert first["Location"] == f"/changes/{change.name}/" == anns.send(ONE, **sent)["Location"]
    assert (change.target, change.plan_hash, change.asked_by) == ("playbook", sent["plan_hash"], "page")
    page = anns.get(first["Location"])
    assert f"Who had {SECRET}" in page.text and "at whoever issued it" in page.text


def test_another_plan_than_was_shown_is_not_asked_for(anns, books):
    shown = Page.of(anns.send(ONE, 200, **GIVEN, action="preview"))
    sent = {**GIVEN, **{name: values(shown)[name] for name in ("plan_hash", "at", "sha256")}, "action": "ask"}
    page = Page.of(anns.send(ONE, 409, **{**sent, "keys": "pin"}))
    assert "another one than you looked at" in page.text and not Change.objects.exists()


@pytest.mark.parametrize("wrong, words", [
    ({"since": "soon"}, "is no time"), ({"keys": ""}, "needs the names of the keys"), ({"way": "x"}, "none of adopt"),
    ({"secret": ""}, "The secret that leaked is missing."), ({"secret": "database/creds/x"}, "credentials by lease"),
])  # fmt: skip
def test_bad_input_is_told_on_the_form_and_nothing_is_asked_for(anns, books, wrong, words):
    page = Page.of(anns.send(ONE, 400, **{**GIVEN, **wrong}, action="preview"))
    assert words in page.text and not Change.objects.exists()


def test_a_file_that_can_not_be_used_is_told_in_the_list_and_has_no_page(anns, monkeypatch, tmp_path):
    (tmp_path / "bad.yaml").write_text("title: Bad\n")
    monkeypatch.setattr(playbooks, "folder", lambda: tmp_path)
    assert "The playbook bad can't be used. form: this is missing." in anns.get("/playbooks/").text
    assert anns.client.get("/playbooks/bad/").status_code == 404


def test_the_report_is_taken_as_two_files_and_that_is_kept_in_the_trail(anns, books, monkeypatch):
    calls = SimpleNamespace(calls=lambda _change: [], reach=lambda *_: books.reach("", None))
    monkeypatch.setattr("dashboard.views.playbooks.witness", lambda: calls)
    shown = Page.of(anns.send(ONE, 200, **GIVEN, action="preview"))
    sent = {**GIVEN, **{name: values(shown)[name] for name in ("plan_hash", "at", "sha256")}, "action": "ask"}
    anns.send(ONE, **sent)
    change = Change.objects.get()
    text = anns.send(f"/changes/{change.name}/report/", 200, form="md")
    assert text["Content-Disposition"] == f'attachment; filename="{change.name}.md"'
    assert f"**Who had {SECRET} since " in text.content.decode()
    whole = json.loads(anns.send(f"/changes/{change.name}/report/", 200, form="json").content)
    assert whole["change"]["id"] == change.name and whole["trail"]["entries"][0]["did"] == "rotation.change.requested"
    taken = TrailEntry.objects.filter(verb="rotation.report.taken").order_by("pk").values_list("details", flat=True)
    assert [one["file"] for one in taken] == [f"{change.name}.md", f"{change.name}.json"]
    assert anns.client.post(f"/changes/{change.name}/report/", {"form": "pdf"}).status_code in (400, 403)
