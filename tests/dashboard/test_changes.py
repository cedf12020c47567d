"""The pages of changes as people read them: the inbox, the lists, one change in each of its states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import PersonArea
from rotation.models import Change, Freeze
from tests.dashboard.change_windows import SECRET, ann, anns, bob, bobs, links, running, toys
from tests.rotation.toy_targets import asked, looked

__all__ = ["ann", "anns", "bob", "bobs", "toys"]

# -- the inbox ---------------------------------------------------------------------------------------------------------


def test_the_inbox_says_who_has_to_decide_what_and_shows_the_first(anns, bobs, ann, bob):
    soon = asked(ann, expires_at=datetime.now(UTC) + timedelta(minutes=47, seconds=30))
    late, own = asked(ann, "secret/prod/other"), asked(bob, "secret/prod/bobs")
    asked(ann, "secret/prod/old", state="rejected", ended_at=datetime.now(UTC))
    page = bobs.get("/changes/")
    order = [href.rpartition("=")[2] for href in links(page, "inbox-item")]
    assert order[:3] == [soon.name, late.name, own.name]
    assert "Needs me 2" in page.text and "Waits for others 1" in page.text and "Decided" in page.text
    assert "47 min left" in page.text and "asked by me, 0 of 1" in page.text
    assert f"/changes/{soon.name}/approve/" in links(page, "primary")
    assert "5 pods" not in page.text and all(word in page.text for word in ("pods", "of 2 workloads", "sure holders"))
    assert "Needs me" not in anns.get("/changes/").text


def test_the_rail_counts_what_needs_the_person_who_reads(anns, bobs, ann):
    asked(ann)
    assert "Changes1" in bobs.get("/changes/").text.replace(" ", "")
    asked(ann, state="failed")
    assert [own["aria-label"] for own in anns.get("/").all("b", class_="rail-count")] == ["1 need you"]


def test_another_change_is_chosen_by_the_address_and_one_that_is_not_there_is_told(bobs, ann):
    first, second = asked(ann), asked(ann, "secret/prod/other")
    page = bobs.get(f"/changes/?change={second.name}")
    assert f"/changes/{second.name}/approve/" in links(page, "primary")
    assert [own["href"] for own in page.all("a", aria_current="true")] or page.all("a", class_="inbox-item")
    assert "There is no change C-999999" in bobs.get("/changes/?change=C-999999").text
    assert first.name in page.text


def test_without_any_change_the_inbox_says_what_one_is(bobs):
    assert "No change waits for anybody" in bobs.get("/changes/").text


def test_a_freeze_stands_over_the_lists(bobs, ann):
    Freeze.objects.create(scope="everything", reason="Black Friday", by_name="eve")
    assert "Everything is frozen by eve: Black Friday" in bobs.get("/changes/").text


def test_lists_show_what_runs_and_all_by_state_and_subject(bobs, ann):
    waits, runs = asked(ann), asked(ann, "secret/prod/other")
    running(runs)
    assert links(bobs.get("/changes/running/"), "row-link") == [f"/changes/{runs.name}/"]
    assert "1 of 2" in bobs.get("/changes/running/").text
    assert links(bobs.get("/changes/all/"), "row-link") == [f"/changes/{runs.name}/", f"/changes/{waits.name}/"]
    assert links(bobs.get(f"/changes/all/?subject={SECRET}"), "row-link") == [f"/changes/{waits.name}/"]
    assert links(bobs.get("/changes/all/?state=running"), "row-link") == [f"/changes/{runs.name}/"]
    assert "No change fits, and nothing is missing" in bobs.get("/changes/all/?state=expired").text
    assert "No change runs" not in bobs.get("/changes/running/").text


def test_pages_of_the_list_meet_without_a_double_or_a_loss(bobs, ann, monkeypatch):
    monkeypatch.setattr("dashboard.changes_page.SHOWN", 2)
    made = [asked(ann, f"secret/prod/{at}") for at in range(5)]
    found, address = [], "/changes/all/"
    while address:
        page = bobs.get(address)
        found += links(page, "row-link")
        older = page.by_id("older")
        address = f"/changes/all/{older['href']}" if older else ""
    assert found == [f"/changes/{one.name}/" for one in reversed(made)]


# -- one change --------------------------------------------------------------------------------------------------------


def test_the_plan_is_read_before_it_is_decided_on(bobs, ann):
    change = asked(ann, evidence="F-41")
    page = bobs.get(f"/changes/{change.name}/")
    for words in ("Write version 15", "version 14", "cannot be undone", "ann", "“Planned rotation, 90 days. SEC-1182.”",
                  "F-41", "1 approval needed", "ann cannot approve it", "2 holders are likely, not sure",
                  "it can be done", change.plan_hash[:6]):  # fmt: skip
        assert words in page.text, words
    assert "Approve: rotate bank-sftp…" in page.text and page.by_id("look-again")["hx-trigger"] == "every 3s"


def test_whoever_asked_reads_why_there_is_no_button(anns, ann):
    page = anns.get(f"/changes/{asked(ann).name}/")
    assert "You asked for this; another person approves." in page.text and links(page, "primary") == []
    assert "Cancel it…" in page.text


def test_what_keeps_it_from_being_done_stands_over_the_plan(bobs, ann):
    change = asked(ann)
    looked(change, "Vault does not let us patch here.")
    page = bobs.get(f"/changes/{change.name}/")
    assert "it could not be done now" in page.text and "Vault does not let us patch here." in page.text


def test_a_running_change_shows_each_attempt_and_what_is_short_of_proof(bobs, ann):
    change = asked(ann)
    running(change)
    page = bobs.get(f"/changes/{change.name}/")
    for words in ("step 2 of 2", "Version 15 is written.", "seen in the audit log at", "refused: the budget allows 0",
                  "under way on worker w-2", "1 of 4", "1 of 2 lines proven", "synced, not yet in this pod",
                  "Not proven yet: 1 line falls short.", "Cannot be undone."):  # fmt: skip
        assert words in page.text, words
    live = page.by_id("look-again")
    assert (live["hx-trigger"], live["hx-swap"]) == ("every 2s", "outerMorph")
    assert page.all("li", class_="mark-now") and "Cancel it…" in page.text


def test_the_live_part_comes_alone_and_asks_for_the_page_when_the_state_is_another(bobs, ann):
    change = asked(ann)
    running(change)
    asks = {"HX-Request": "true", "HX-Target": "div#live"}
    part = bobs.get(f"/changes/{change.name}/?seen=running", **asks)
    assert part.by_id("live") and not part.all("html")
    Change.objects.filter(pk=change.pk).update(state="succeeded")
    gone = bobs.client.get(f"/changes/{change.name}/?seen=running", headers=asks)
    assert (gone.headers["HX-Refresh"], gone.content) == ("true", b"")


@pytest.mark.parametrize(
    "state, mark, says",
    [("succeeded", "Done, short of proof", ""), ("failed", "Stopped", "Stopped at step 2 of 2."),
     ("rejected", "Rejected", ""), ("cancelled", "Cancelled", ""), ("expired", "Expired", "")],
)  # fmt: skip
def test_each_end_is_named_once_in_the_line_of_its_life(bobs, ann, state, mark, says):
    change = asked(ann)
    running(change)
    Change.objects.filter(pk=change.pk).update(state=state, ended_at=datetime.now(UTC), says=says)
    page = bobs.get(f"/changes/{change.name}/")
    assert mark in page.text and says in page.text and page.by_id("look-again") is None


@pytest.mark.parametrize("ago, seen, looks", [(5, False, True), (5, True, False), (600, False, False)])
def test_a_change_that_is_done_looks_on_until_vaults_log_has_shown_what_it_did(bobs, ann, ago, seen, looks):
    change = asked(ann)
    running(change)
    now = datetime.now(UTC)
    Change.objects.filter(pk=change.pk).update(state="succeeded", ended_at=now - timedelta(seconds=ago))
    change.steps.update(kind="write_kv", seen_at=now if seen else None)
    assert bool(bobs.get(f"/changes/{change.name}/").by_id("look-again")) is looks


def test_a_stopped_change_names_what_is_true_and_the_step_to_resume_from(anns, ann):
    change = asked(ann)
    running(change)
    Change.objects.filter(pk=change.pk).update(state="failed", says="Stopped at step 2 of 2. Nothing is half done.")
    page = anns.get(f"/changes/{change.name}/")
    assert "Stopped at step 2 of 2. Nothing is half done." in page.text
    assert "Resume from step 2…" in page.text and "Cancel the rest…" in page.text
    title = change.steps.get(number=2).title
    for verb, words in (("resume", "Goes on with"), ("cancel", "Left out")):
        asked_again = anns.get(f"/changes/{change.name}/{verb}/").text
        assert words in asked_again and f"2. {title} cannot be undone" in asked_again


def test_hostile_text_is_spelt_out_and_never_an_element(bobs, ann):
    evil = "<script>report('ran')</script>\u202egnp"
    change = asked(ann, reason=evil, evidence=evil)
    running(change)
    change.proofs.create(step=2, kind="pod", subject=evil, state="short", says=evil, holds=evil)
    Change.objects.filter(pk=change.pk).update(says=evil, subject=evil, verb=evil)
    html = bobs.client.get(f"/changes/{change.name}/").content.decode()
    assert "<script>report" not in html and "\u202e" not in html
    for address in ("/changes/", "/changes/all/", "/changes/running/", f"/changes/{change.name}/cancel/"):
        html = bobs.client.get(address).content.decode()
        assert "<script>report" not in html and "\u202e" not in html, address


def test_a_limited_person_meets_only_changes_of_their_areas(bobs, ann, bob):
    PersonArea.objects.create(user=bob, vault="demo", prefix="secret/prod/ledger")
    mine, other = asked(ann), asked(ann, "secret/prod/ledgers")
    assert links(bobs.get("/changes/all/"), "row-link") == [f"/changes/{mine.name}/"]
    assert other.name not in bobs.get("/changes/").text
    for address in ("", "approve/", "reject/", "cancel/", "resume/"):
        bobs.get(f"/changes/{other.name}/{address}", status=404)
    assert other.name not in bobs.get(f"/changes/?change={other.name}").text.replace("no change " + other.name, "")


# -- how often the database is asked -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address, most", [("/changes/", 18), ("/changes/all/", 12), ("/changes/running/", 12), ("one", 17)]
)
def test_a_page_asks_the_database_a_fixed_number_of_times(bobs, ann, address, most):
    def count() -> int:
        with CaptureQueriesContext(connection) as statements:
            bobs.get(f"/changes/{Change.objects.order_by('pk').first().name}/" if address == "one" else address)
        return len(statements)

    for at in range(3):
        running(asked(ann, f"secret/prod/{at}"))
        asked(ann, f"secret/prod/w{at}")
    bobs.get("/changes/")  # what is kept for a process is looked up once
    few = count()
    for at in range(3, 8):
        running(asked(ann, f"secret/prod/{at}"))
        asked(ann, f"secret/prod/w{at}")
    assert count() == few <= most + (address == "one")
