"""The export button and its files: what the page counts is what comes, and no cell of it is a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from psycopg.errors import QueryCanceled

from accounts.models import TrailEntry, User
from accounts.scope import EVERYTHING
from audit import actions, callers, coverage, event_search, export, queries
from dashboard.calls import Calls
from dashboard.export_file import COLUMNS, About, Body, Csv, Hole, Ndjson, cell
from kit import tokens
from tests.audit.conftest import forget_everything
from tests.audit.lines import Call, log
from tests.browser.hostile import strings
from tests.dashboard.conftest import Browser, Page

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
MANY = 250
LIVE = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker, tmp_path_factory):
    """Import calls of two days once."""
    file = tmp_path_factory.mktemp("logs") / "audit.log"
    step = timedelta(days=2) / MANY
    file.write_bytes(log([Call(n, n % 3, f"prod/app/key-{n % 7}", NOW - step * n, "file") for n in range(MANY)]))
    with django_db_blocker.unblock():
        forget_everything()
        actions.import_files([str(file)], vault="demo", device="file")
        yield
        forget_everything()


@pytest.fixture
def store(db, filled):
    return filled


def form(page: Page) -> dict[str, str]:
    """Return what the page's export button sends."""
    names = {own["name"]: own["value"] for own in page.all("input", type="hidden") if own["name"] != "format"}
    return {name: value for name, value in names.items() if name != "csrfmiddlewaretoken"}


def take(client: Client, given: dict[str, str], kind: str = "ndjson") -> bytes:
    response = client.post("/events/export/", {**given, "format": kind})
    assert response.status_code == 200, response.content.decode()[:2000]
    return b"".join(response.streaming_content)


def listed(client: Client, address: str) -> list[int]:
    """Walk the page's list to its end by its own links."""
    seen = []
    while address:
        page = Page.of(client.get(address))
        rows = [own["id"][6:] for own in page.all("a", id="event-")]
        seen += [int(row) for row in rows if row.isdecimal()]
        older = page.by_id("older")
        address = f"/events/{older['href']}" if older else ""
    return seen


class Keeping(Browser):
    """A client that leaves a streamed answer open, to read it."""

    def generic(self, *args, **kwargs):
        return Client.generic(self, *args, **kwargs)


@pytest.fixture
def reader(db) -> Client:
    client = Keeping()
    client.force_login(User.objects.create_user("cat"))
    return client


@pytest.mark.parametrize(
    "query",
    ["range=7d", "range=24h", "range=7d&secret=secret/prod/app/key-1", "range=7d&principal=shop/app-1",
     "range=7d&not.secret=secret/prod/app/key-1&kind=service_account", "range=7d&q=path:secret/data/prod/app/key-2",
     "range=7d&q=(secret:secret/prod/app/key-1+OR+principal:shop/app-2)+-address:10.0.0.9",
     "range=7d&q=key-3+version>%3D1"],
)  # fmt: skip
def test_a_file_holds_what_its_page_lists_and_as_many_rows_as_its_button_says(store, reader, query):
    page = Page.of(reader.get(f"/events/?{query}"))
    said = int(re.search(r"Export ([\d,]+) rows?", page.text)[1].replace(",", ""))
    records = [json.loads(line) for line in take(reader, form(page)).splitlines()]
    ids = [one["id"] for one in records if one["type"] == "event"]
    assert ids == listed(reader, f"/events/?{query}")
    assert len(ids) == said == records[-1]["rows"] > 0
    assert records[0]["type"] == "export" and records[-1]["end"] is True
    rows = list(csv.DictReader(io.StringIO(take(reader, form(page), "csv").decode())))
    assert [int(row["id"]) for row in rows if row["type"] == "event"] == ids
    assert rows[-1]["type"] == "end" and rows[-1]["note"].startswith(f"{said} rows. ")


def test_both_files_say_what_was_asked_and_their_names_the_times(store, reader):
    page = Page.of(reader.get("/events/?range=24h&secret=secret/prod/app/key-1"))
    given = form(page)
    response = reader.post("/events/export/", {**given, "format": "csv"})
    since, until = (datetime.fromisoformat(given[name]) for name in ("since", "until"))
    name = f"keybook-events-{since:%Y%m%dT%H%M%SZ}-{until:%Y%m%dT%H%M%SZ}.csv"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    first = next(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert export.exact(since) in first["note"] and "secret:secret/prod/app/key-1" in first["note"]
    assert [entry.verb for entry in TrailEntry.objects.order_by("pk")] == ["audit.export.asked", "audit.export.ended"]
    assert TrailEntry.objects.last().details["whole"] is True
    assert TrailEntry.objects.first().subject_text == name


def test_a_download_that_is_broken_off_is_in_the_trail_as_not_whole(store, reader, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 10)
    response = reader.post("/events/export/", {**form(Page.of(reader.get("/events/?range=7d"))), "format": "csv"})
    stream = response._iterator  # closed as a server closes it whose reader is gone
    next(stream), next(stream)
    stream.close()
    assert TrailEntry.objects.last().details["whole"] is False


@pytest.mark.parametrize(
    "change, why",
    [({"format": "xlsx"}, "csv or ndjson"), ({"since": "", "until": ""}, "fixed times"),
     ({"since": "x"}, "fixed times"), ({"outcome": "denid"}, "outcome has no value")],
)  # fmt: skip
def test_what_no_page_would_send_is_refused_with_a_reason_and_leaves_no_entry(store, reader, change, why):
    given = {**form(Page.of(reader.get("/events/?range=7d"))), "format": "csv", **change}
    response = reader.post("/events/export/", given)
    assert response.status_code == 400 and why in Page.of(response).text
    assert not TrailEntry.objects.exists()


def test_a_third_export_at_once_is_refused_with_a_sentence(store, reader, monkeypatch):
    monkeypatch.setattr(export, "AT_ONCE", 0)
    response = reader.post("/events/export/", {**form(Page.of(reader.get("/events/?range=7d"))), "format": "csv"})
    assert response.status_code == 429 and "exports of yours are under way" in Page.of(response).text


def test_an_export_whose_completeness_is_not_found_out_in_time_is_not_begun(store, reader, monkeypatch):
    """Else it would hold one of two places for as long as its connection lives, and the trail would lack its end."""
    given = form(Page.of(reader.get("/events/?range=7d")))

    def gives_up(*args, **kwargs):
        raise OperationalError("canceling statement due to statement timeout") from QueryCanceled()

    monkeypatch.setattr(coverage, "vault_records", gives_up)
    assert reader.post("/events/export/", {**given, "format": "csv"}).status_code == 503
    assert not TrailEntry.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("before", [1, 480])
def test_a_token_that_was_pasted_into_the_query_is_not_kept_in_the_trail(store, reader, before):
    token = tokens.make("kbk_")
    given = {**form(Page.of(reader.get("/events/?range=7d"))), "q": f"{'x' * before} OR outcome:ok OR {token}"}
    take(reader, given)
    kept = TrailEntry.objects.first().details["query"]
    assert token[20:40] not in "".join(kept) and "<token, 55>" in "".join(kept)


def test_a_form_without_its_mark_begins_no_export(store, cat):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cat)
    assert client.post("/events/export/", {"format": "csv"}).status_code == 403


def test_a_page_that_lists_nothing_offers_no_export(store, reader):
    page = Page.of(reader.get("/events/?range=7d&principal=nobody"))
    assert "Export" not in page.text


# -- one secret, one principal ---------------------------------------------------------------------------------------


def _ids(file: bytes) -> list[int]:
    return [one["id"] for line in file.splitlines() if (one := json.loads(line))["type"] == "event"]


def _sent(client: Client, address: str, given: dict[str, str], kind: str = "ndjson") -> bytes:
    response = client.post(address, {**given, "format": kind})
    assert response.status_code == 200, response.content.decode()[:2000]
    return b"".join(response.streaming_content)


@pytest.mark.parametrize("query", ["", "q=outcome:ok", "q=principal:shop/app-1+OR+address:10.9.9.9", "principal={who}"])
def test_the_calls_of_a_secret_are_listed_and_exported_alike(store, reader, query):
    secret = queries.find_secret("secret/prod/app/key-1", scope=EVERYTHING)
    who = next(one for one in callers.callers("shop/app-1", scope=EVERYTHING)).id
    page = Page.of(reader.get(f"/secrets/{secret.id}/?range=7d&{query.format(who=who)}"))
    rows = [int(own["id"][6:]) for own in page.all("a", id="event-") if own["id"][6:].isdecimal()]
    file = _sent(reader, f"/secrets/{secret.id}/export/", form(page))
    assert _ids(file) == rows != []
    assert f"Export {len(rows)} rows" in page.text
    first = json.loads(file.splitlines()[0])
    assert first["question"].startswith(f"calls of secret {secret.id}, secret/prod/app/key-1 in demo")


@pytest.mark.parametrize("query", ["", "q=secret:secret/prod/app/key-1", "q=-secret:secret/prod/app/key-1+outcome:ok"])
def test_the_calls_of_a_principal_are_listed_and_exported_alike(store, reader, monkeypatch, query):
    monkeypatch.setattr(Calls, "size", 1_000)
    one = next(one for one in callers.callers("shop/app-1", scope=EVERYTHING))
    page = Page.of(reader.get(f"/principals/{one.id}/?range=7d&{query}"))
    rows = [int(own["id"][6:]) for own in page.all("a", id="event-") if own["id"][6:].isdecimal()]
    file = _sent(reader, f"/principals/{one.id}/export/", form(page))
    assert _ids(file) == rows != []
    assert f"Export {len(rows)} rows" in page.text
    assert {json.loads(line).get("principal") for line in file.splitlines()[1:-1]} == {"shop/app-1"}


def test_another_range_keeps_the_query_and_the_query_the_range(store, reader):
    one = next(one for one in callers.callers("shop/app-1", scope=EVERYTHING))
    secret = queries.find_secret("secret/prod/app/key-1", scope=EVERYTHING)
    for address in (f"/principals/{one.id}/", f"/secrets/{secret.id}/", "/events/"):
        page = Page.of(reader.get(f"{address}?range=7d&q=outcome:ok"))
        assert "q=outcome" in page.by_id("range-24h")["href"]
        assert any(own["value"] == "outcome:ok" for own in page.all("input", type="hidden", name="q"))
        assert any(own["value"] == "7d" for own in page.all("input", type="hidden", name="range"))


def test_a_query_that_is_not_understood_is_told_on_the_page_of_a_secret_and_exports_nothing(store, reader):
    secret = queries.find_secret("secret/prod/app/key-1", scope=EVERYTHING)
    page = Page.of(reader.get(f"/secrets/{secret.id}/?range=7d&q=outcme:ok"))
    assert "outcme" in page.text and page.by_id("query-error") and "Export" not in page.text
    given = {"since": (NOW - timedelta(days=1)).isoformat(), "until": NOW.isoformat(), "q": "outcme:ok"}
    assert reader.post(f"/secrets/{secret.id}/export/", {**given, "format": "csv"}).status_code == 400


# -- the bytes ---------------------------------------------------------------------------------------------------------

ABOUT = About("", NOW - timedelta(days=1), NOW, NOW, "cat", True, NOW, "Complete until 12:00:00.", [])


def _row(**changes: object):
    row = event_search.EventRow(
        id=1, time=NOW, outcome="ok", disclosed="", operation="read", path="a", principal_id=1, principal="b",
        kind="human", address="", version=None, request_id="c", devices=["file"], secret="", vault="demo",
    )  # fmt: skip
    return replace(row, **changes)


def _split(text: str) -> list[str]:
    """Cut a file into cells in every way that a spreadsheet might."""
    cells = [
        value for mark in ",;\t|" for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark) for value in row
    ]
    return [*cells, *re.split('[,;\t|\r\n"]', text)]


def _is_live(value: str) -> bool:
    value = re.sub("^(\r\n)+", "", value)  # the end of a record, where another mark splits it
    return value.strip(" \u00a0").startswith(LIVE)


HARD = [
    "=1+1", " =1+1", "\t=1+1", "\r=1", "\n@x", "a\n=1", "a;=1+1", 'a"=1', "a,-2+3", "a\t=cmd|' /C calc'!A0", "|=1",
    "\u00a0=1", "\uff1d1+1", "'=1", "-1", "+", "a; \u00a0@x", "\u2028=1", ";;==1", "=\u202e1",
]  # fmt: skip


def _live_cells(text: str) -> list[str]:
    """Return the cells that are formulas in a file that has a text in every place where one may stand."""
    layout = Csv()
    about = About(text, NOW, NOW, NOW, text, False, None, text, [Hole("", "", text)] * 2)
    row = _row(path=text, secret=text, principal=text, address=text, vault=text, devices=[text], request_id=text)
    file = layout.head(about, 1) + layout.events([row]) + layout.end(about, 1) + layout.broken(1, text)
    return [value for value in _split(file.decode()) if _is_live(value)]


@pytest.mark.parametrize("text", HARD, ids=ascii)
def test_no_name_becomes_a_formula_however_a_spreadsheet_splits_the_file(text):
    assert _live_cells(text) == []


def test_no_hostile_string_becomes_a_formula():
    assert len(strings()) >= 500
    assert {text: found for text in strings() if (found := _live_cells(text))} == {}


@given(st.text(st.sampled_from(" \t\r\n=+-@;,|\"'ab\u00a0\uff1d\u202e"), max_size=12))
def test_no_text_at_all_becomes_a_formula(text):
    assert [value for value in _split(Csv().events([_row(path=text)]).decode()) if _is_live(value)] == []


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_a_cell_gives_the_name_back_when_its_marks_are_taken_away(text):
    assert re.sub("(^|[,;\t|\"])(\\s*)'(?=[=+\\-@'\uff1d\uff0b\uff0d\uff20])", r"\1\2", str(cell(text))) == text


@given(st.text())
def test_a_program_reads_every_name_as_the_vault_wrote_it(text):
    text = text.encode("utf-8", "replace").decode()
    line = Ndjson().events([_row(path=text, devices=[text])])
    assert line.count(b"\n") == 1 == len(line.decode().splitlines())
    assert json.loads(line)["path"] == text and json.loads(line)["devices"] == [text]


def test_every_record_of_a_csv_has_every_column():
    file = Csv().head(ABOUT, 1) + Csv().events([_row()]) + Csv().end(ABOUT, 1) + Csv().broken(1, "x")
    rows = list(csv.reader(io.StringIO(file.decode(), newline="")))
    assert {len(row) for row in rows} == {len(COLUMNS)} and [row[0] for row in rows[1:]] == [
        "export", "event", "end", "broken",
    ]  # fmt: skip


class Giving:
    """An export of one page, after which the database gives up."""

    rows, until_id, whole = 0, 1, False

    def __iter__(self):
        self.rows = 1
        yield [_row()]
        raise OperationalError("canceling statement due to statement timeout")


@pytest.mark.parametrize("layout", [Csv(), Ndjson()])
def test_a_file_that_the_database_breaks_off_says_so_in_its_last_record_and_breaks_its_connection(layout):
    body, came = Body(Giving(), layout, ABOUT), []
    with pytest.raises(OperationalError):
        came.extend(body)
    for chunk in iter(body):
        came.append(chunk)
        if b"broken" in chunk:
            break
    assert b'"broken"' in came[-1] and (b"1 row" in came[-1] or b'"rows":1' in came[-1])
    assert not body.running.whole


def test_the_last_record_lists_what_is_not_known():
    holes = [Hole("2026-11-18T02:00:00Z", "2026-11-18T03:00:00Z", "No audit data for 1 h.")] * 2
    about = About("", NOW, NOW, NOW, "cat", False, None, "Not complete: 2 holes.", holes)
    last = json.loads(Ndjson().end(about, 5))
    assert last["complete"] is False and len(last["holes"]) == 2 and last["end"] is True
    assert "No audit data for 1 h." in Csv().end(about, 5).decode()


def test_a_file_says_nothing_in_the_zone_of_its_reader(store, reader):
    User.objects.update(time_zone="Asia/Kathmandu")
    page = Page.of(reader.get("/events/?range=7d"))
    assert "+05:45" in page.text
    for kind in ("csv", "ndjson"):
        assert b"+05:45" not in take(reader, form(page), kind)
