"""The pages of schedules: all, one with its secrets, the form, what is overdue; and a pause on a change's page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import PersonArea, Role
from rotation import repeating
from rotation.models import Change
from rotation.schedule_models import Age, Schedule
from tests.dashboard.change_windows import Window, links, running, someone
from tests.rotation import toy_targets
from tests.rotation.schedules import Almanac
from tests.rotation.toy_targets import asked

SECRET = "secret/prod/ledger/bank-sftp"
DAY = timedelta(days=1)
FORM = {
    "target": "kv", "name": "bank", "pattern": SECRET, "days": "90", "lead_hours": "12", "reason": "PCI 8.6.3",
    "way": "generated", "keys": "password", "enabled": "yes", "day": ["sat", "sun"], "begins": "22:00",
    "ends": "04:00", "zone": "Europe/Vienna",
}  # fmt: skip


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    toy_targets.use(monkeypatch)


@pytest.fixture
def ann(db):
    return someone("ann", Role.OPERATOR)


@pytest.fixture
def anns(ann) -> Window:
    return Window(ann)


def made(anns, **more) -> Schedule:
    anns.send("/changes/schedules/new/", **{**FORM, **more})
    row = Schedule.objects.get(name=more.get("name", "bank"))
    Schedule.objects.filter(pk=row.pk).update(made_at=datetime.now(UTC) - 400 * DAY)
    return row


def test_without_any_schedule_the_pages_say_what_one_is(anns):
    assert "It only asks: another person approves each one." in anns.get("/changes/schedules/").text
    assert "No schedule says how old a secret may be" in anns.get("/changes/overdue/").text


def test_a_form_makes_a_schedule_and_its_page_tells_it(anns):
    row = made(anns)
    assert (row.window, row.args, row.vault, row.owner_name) == (
        "sat,sun 22:00-04:00 Europe/Vienna", {"way": "generated", "keys": ["password"]}, "demo", "ann",
    )  # fmt: skip
    text = anns.get(f"/changes/schedules/{row.pk}/").text
    assert "every 90 days" in text and "sat,sun 22:00-04:00 Europe/Vienna" in text
    assert "never seen to change, and no log shows it" in text
    assert "No worker has looked at it yet" in text
    assert links(anns.get("/changes/schedules/"), "row-link") == [f"/changes/schedules/{row.pk}/"]


def test_the_form_begins_with_what_is_rotated_and_goes_on_with_an_empty_one(anns):
    page = anns.get("/changes/schedules/new/")
    assert "?target=kv" in [one["href"] for one in page.all("a") if one["href"].startswith("?")]
    fields = {one["name"] for one in anns.get("/changes/schedules/new/?target=kv").all("input")}
    assert {"name", "pattern", "days", "zone", "lead_hours"} <= fields


def test_what_is_wrong_stands_over_the_form_which_keeps_what_was_given(anns):
    page = anns.client.post("/changes/schedules/new/", {**FORM, "zone": "Europe/Wien"})
    text = page.content.decode()
    assert page.status_code == 400 and "“Europe/Wien” is no time zone" in text and 'value="bank"' in text
    assert not Schedule.objects.exists()
    for wrong, why in (({"day": []}, "is no window"), ({"days": "many"}, "-1 days can’t be".replace("’", "&#x27;"))):
        assert why in anns.client.post("/changes/schedules/new/", {**FORM, **wrong}).content.decode()


def test_the_form_of_a_schedule_shows_it_as_it_is_and_changes_it_once(anns, ann):
    row = made(anns)
    page = anns.get(f"/changes/schedules/{row.pk}/change/")
    given = {one["name"]: one.get("value", "") for one in page.all("input") if one.get("type") != "checkbox"}
    assert (given["name"], given["days"], given["begins"], given["zone"]) == ("bank", "90", "22:00", "Europe/Vienna")
    checked = {one["id"] for one in page.all("input", type="checkbox") if "checked" in one}
    assert checked >= {"day-sat", "day-sun", "enabled"}
    anns.send(f"/changes/schedules/{row.pk}/change/", **{**FORM, "days": "30", "edition": "1"})
    row.refresh_from_db()
    assert (row.days, row.edition) == (30, 2)
    anns.send(f"/changes/schedules/{row.pk}/change/", 409, **{**FORM, "days": "20", "edition": "1"})


def test_a_schedule_ends_after_a_question(anns):
    row = made(anns)
    assert "End bank?" in anns.get(f"/changes/schedules/{row.pk}/end/").text
    anns.send(f"/changes/schedules/{row.pk}/end/")
    assert "Ended" in anns.get(f"/changes/schedules/{row.pk}/").text
    anns.send(f"/changes/schedules/{row.pk}/end/", 409)


def test_what_is_overdue_is_listed_with_what_is_known_of_its_age_and_its_change(anns):
    made(anns, pattern="secret/prod/*", day=[], begins="", ends="")
    now = datetime.now(UTC)
    ages = {"old": now - 120 * DAY, "new": now - 10 * DAY, "unknown": None}
    for name, rotated in ages.items():
        Age.objects.create(
            target="kv", vault="demo", subject=f"secret/prod/{name}", seen=now - 200 * DAY, rotated=rotated,
            version=3 if rotated else 0, by="human/dora" if rotated else "",
        )  # fmt: skip
    repeating.look(Schedule.objects.get().pk, Almanac())
    with CaptureQueriesContext(connection) as asked_of_it:
        text = anns.get("/changes/overdue/").text
    assert not [one for one in asked_of_it if '"plan"' in one["sql"]], "plans are large, and the list shows none"
    assert "2 secrets are older than their schedule wants; for 1 of them a change is on its way" in text
    assert "never seen to change, in 200 d of log" in text and "120 d old" in text and "30 d overdue" in text
    assert "secret/prod/new" not in text


def test_a_schedule_that_is_kept_back_says_by_what_and_goes_on_when_somebody_lets_it(anns):
    row = made(anns, pattern="secret/prod/*", day=[], begins="", ends="")
    repeating.look(row.pk, Almanac("secret/prod/a", "secret/prod/b"))
    change = Change.objects.get()
    Change.objects.filter(pk=change.pk).update(state="rejected")
    repeating.look(row.pk, Almanac("secret/prod/a", "secret/prod/b"))
    page = anns.get(f"/changes/schedules/{row.pk}/")
    assert f"{change.name} of secret/prod/a was rejected, so nothing more is asked for" in page.text
    assert f"Go on after {change.name}" in page.text and "asks nothing" in anns.get("/changes/schedules/").text
    anns.send(f"/changes/schedules/{row.pk}/go-on/", change=change.pk)
    assert "gone on by ann" in anns.get(f"/changes/schedules/{row.pk}/").text
    anns.send(f"/changes/schedules/{row.pk}/go-on/", 409, change=change.pk)
    anns.send(f"/changes/schedules/{row.pk}/go-on/", 404, change=999)


def test_a_reader_makes_none_and_a_limited_view_shows_its_own(anns, ann):
    row = made(anns)
    cat = someone("cat", Role.READER)
    PersonArea.objects.create(user=cat, vault="demo", prefix="secret/test")
    limited = Window(cat)
    assert "Nothing is rotated on a schedule" in limited.get("/changes/schedules/").text
    limited.get(f"/changes/schedules/{row.pk}/", 404)
    PersonArea.objects.update(prefix="secret/prod")
    page = limited.get(f"/changes/schedules/{row.pk}/")
    assert "bank" in page.text and "Change…" not in page.text


def test_a_running_change_can_be_paused_before_a_step_that_has_not_begun(anns, ann):
    change = asked(ann)
    running(change)
    change.steps.filter(number=2).update(state="planned", started_at=None)
    assert f"/changes/{change.name}/pause/" in [one["href"] for one in anns.get(f"/changes/{change.name}/").all("a")]
    assert "step 2: Destroy version 14" in anns.get(f"/changes/{change.name}/pause/").text
    anns.send(f"/changes/{change.name}/pause/", 409, before="1")
    anns.send(f"/changes/{change.name}/pause/", before="2")
    page = anns.get(f"/changes/{change.name}/")
    assert "Paused before step 2." in page.text and "Resume at step 2…" in page.text
    anns.send(f"/changes/{change.name}/resume/")
    assert Change.objects.get(pk=change.pk).pause_before is None


def test_a_change_of_a_schedule_says_in_which_window_it_starts(anns):
    row = made(anns)
    repeating.look(row.pk, Almanac(SECRET), datetime(2026, 11, 28, 20, tzinfo=UTC))
    change = Change.objects.get()
    text = anns.get(f"/changes/{change.name}/").text
    assert "It starts in its window alone: sat,sun 22:00-04:00 Europe/Vienna" in text and "by schedule" in text


def test_a_secret_that_is_not_due_is_asked_for_from_the_schedule_s_page_and_why_not_stands_there(anns):
    row = made(anns, pattern="secret/prod/*", day=[], begins="", ends="")
    almanac = Almanac("secret/prod/a", a=datetime.now(UTC))
    repeating.look(row.pk, almanac)
    address = f"/changes/schedules/{row.pk}/"
    page = anns.get(address)
    labels = [one.get("aria-label", "") for one in page.all("button")]
    assert [one for one in labels if one.startswith("Ask")] == ["Ask now for secret/prod/a"]
    assert "another person approves it as ever" in page.text and "starts in its window" not in page.text
    anns.send(f"{address}ask/", vault="demo", secret="secret/prod/a")
    assert Change.objects.get().asker_name == "ann"
    page = anns.get(address)
    assert "Ask now for" not in str(page.all("button")) and "Ask now asks" not in page.text
    assert "is requested" in anns.send(f"{address}ask/", 409, vault="demo", secret="secret/prod/a").content.decode()
    Change.objects.update(state="rejected")
    assert "Nobody can have it ask now while a change keeps it back." in anns.get(address).text
    Schedule.objects.update(enabled=False)
    assert "It is off, so nobody can have it ask now" in anns.get(address).text
    cats = Window(someone("cat", Role.READER))
    assert "your role may not" in cats.get(address).text
