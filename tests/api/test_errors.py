"""What is wrong with a question is told as problem+json: what, to what, and what to do next."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from psycopg.errors import QueryCanceled

from accounts import tokens
from accounts.models import Role, User
from accounts.scope import Area, Scope
from accounts.token_wish import SCOPES, Wish
from audit import pull
from kit.cursor import LENGTH
from kit.problem import KINDS
from tests.api.conftest import Collector
from tests.audit.conftest import ROOT


@pytest.mark.parametrize(
    "query, kind, words",
    [
        ({"limit": "0"}, "limit-out-of-range", "from 1 to 10,000"),
        ({"limit": "10001"}, "limit-out-of-range", "from 1 to 10,000"),
        ({"limit": "-5"}, "limit-out-of-range", '"-5"'),
        ({"limit": "ten"}, "limit-out-of-range", '"ten"'),
        ({"limit": "9" * 400}, "limit-out-of-range", "..."),
        ({"limits": "10"}, "unknown-parameter", "Did you mean limit?"),
        ({"since": "2026-03-15"}, "bad-parameter", "until is missing"),
        ({"until": "2026-03-15"}, "bad-parameter", "since is missing"),
        ({"since": "yesterday", "until": "2026-03-15"}, "bad-parameter", 'since="yesterday" is no time'),
        ({"since": "0001-01-01", "until": "9999-12-31"}, "bad-parameter", "is no time"),
        ({"since": "2026-03-16", "until": "2026-03-15"}, "times-reversed", "Exchange since and until"),
        ({"cursor": "tail"}, "cursor-malformed", "Take next_cursor as it stood"),
        ({"cursor": ""}, "cursor-malformed", "Take next_cursor as it stood"),
        ({"cursor": "A" * LENGTH}, "cursor-malformed", "Take next_cursor as it stood"),
        ({"cursor": "☃"}, "cursor-malformed", "Take next_cursor as it stood"),
        ({"format": "xml"}, "bad-parameter", "It can be native"),
        ({"q": "a\0b"}, "bad-parameter", "NUL"),
    ],
)
def test_a_wrong_parameter_is_told_with_its_mend(past, siem, query, kind, words):
    answer = siem.events(**query)
    assert answer.problem() == (400, kind)
    assert words in answer.json["detail"]


def test_a_parameter_that_stands_there_twice_is_refused(past, siem):
    assert siem.ask("/events?limit=1&limit=2").problem() == (400, "bad-parameter")


def test_a_parameter_that_does_not_exist_is_told_with_the_nearest(past, siem):
    told = siem.ask("/events?curser=head").json
    assert (told["parameter"], told["nearest"]) == ("curser", "cursor")


def test_a_cursor_of_another_server_is_told_from_one_that_is_none(past, siem, settings):
    cursor = siem.events().json["next_cursor"]
    settings.SECRET_KEY = "another server's"
    answer = siem.events(cursor=cursor)
    assert answer.problem() == (400, "cursor-foreign") and "Begin anew" in answer.json["detail"]


def test_a_cursor_is_good_for_its_own_list_alone(past, siem):
    cursor = siem.events().json["next_cursor"]
    answer = siem.events(cursor=cursor, since="2026-03-14", until="2026-03-15")
    assert answer.problem() == (400, "cursor-of-another-list")


def test_a_cursor_is_good_for_its_own_view_alone(past, siem, let_in):
    cursor = siem.events().json["next_cursor"]
    limited = let_in(scope=Scope.of([Area(vault="demo")]))
    assert limited.events(cursor=cursor).problem()[1] in ("cursor-of-another-scope", "forbidden")


def test_a_changed_cursor_is_refused(past, siem):
    cursor = siem.events().json["next_cursor"]
    for at in range(len(cursor)):
        other = cursor[:at] + ("B" if cursor[at] == "A" else "A") + cursor[at + 1 :]
        assert siem.events(cursor=other).problem()[1] in ("cursor-foreign", "cursor-malformed")


@pytest.mark.parametrize("path", ["/events", "/events/head", "/events/types", "/events/1", "/auth/introspect"])
def test_nobody_gets_nothing_and_hears_how_to_come_in(db, path):
    answer = Collector().ask(path)
    assert answer.problem() == (401, "not-signed-in")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer") and "kbk_" in answer.json["detail"]


@pytest.mark.parametrize(
    "header, reason",
    [
        ("Bearer kbk_wrong", "malformed"),
        ("Bearer", "malformed"),
        ("Basic dTpw", "malformed"),
        ("Bearer a b", "malformed"),
        ("Bearer " + "x" * 5_000, "malformed"),
        ("Bearer \xff", "malformed"),
    ],
)
def test_a_wrong_token_is_refused_and_nobody_else_is_tried(client, db, header, reason):
    client.force_login(User.objects.create_user("cat"))
    answer = Collector(client=client).ask("/events", headers={"Authorization": header})
    assert answer.problem() == (401, "token-refused") and answer.json["reason"] == reason


def test_a_token_without_the_scope_hears_which_it_lacks(past, let_in):
    answer = let_in(scopes=["sources:read"]).events()
    assert answer.problem() == (403, "scope-missing")
    assert answer.json["scope"] == "events:read" and "siem has sources:read" in answer.json["detail"]


def test_a_real_token_opens_its_scopes_in_both_spellings_until_it_is_revoked(db):
    cat = User.objects.create_user("cat", role=Role.READER)
    row, text = tokens.create(cat, Wish("siem", ["events:read"]), actor=cat)
    collector = Collector(text)
    told = collector.ask("/auth/introspect").json
    assert (told["kind"], told["name"], told["owner"], told["scopes"]) == ("token", "siem", "cat", ["events:read"])
    assert Collector().ask("/auth/introspect", headers={"Authorization": f"token {text}"}).status == 200
    tokens.revoke(cat, row.pk, actor=cat)
    assert collector.ask("/auth/introspect").problem() == (401, "token-refused")


def test_a_session_of_the_pages_may_read_too(client, db):
    client.force_login(User.objects.create_user("cat", role=Role.READER))
    told = Collector(client=client).ask("/auth/introspect").json
    beyond = {"trail:read", "changes:ask", "changes:approve", "changes:break-glass"}
    assert (told["kind"], told["name"], told["scopes"]) == ("session", "cat", sorted(set(SCOPES) - beyond))


def test_a_session_that_lacks_its_second_factor_hears_so_instead_of_being_sent_away(client, db, settings):
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"require_mfa": True})
    client.force_login(User.objects.create_user("eve", role=Role.ADMINISTRATOR))
    answer = Collector(client=client).ask("/auth/introspect")
    assert answer.problem() == (403, "second-factor-missing")


def test_an_answer_to_a_browser_is_not_packed(client, past, let_in, monkeypatch):
    siem = let_in()
    monkeypatch.setattr("accounts.api_door._PACK_LEAST", 0)
    assert "Content-Encoding" in siem.ask("/events/types", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("path", ["/api/", "/api/v1", "/api/v1/", "/api/v2/events", "/api/v1/events/0", "/api/v1/x"])
def test_an_address_at_which_nothing_is_says_where_the_list_is(db, path):
    answer = Collector().ask(path)
    assert answer.problem() == (404, "not-found") and "/api/v1/schema/" in answer.json["detail"]


def test_an_address_that_is_nearly_right_is_told_the_right_one(db):
    assert Collector().ask("/events/").json["nearest"] == "/api/v1/events"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_what_is_only_read_can_be_changed_by_no_method(past, siem, method):
    answer = siem.ask("/events", method=method)
    assert answer.problem() == (405, "method-not-allowed") and answer.headers["Allow"] == "GET, HEAD"


def test_a_format_that_is_not_ours_is_told(past, siem):
    assert siem.ask("/events", headers={"Accept": "application/xml"}).problem() == (406, "not-acceptable")


def test_an_error_that_nobody_expected_is_told_and_logged(past, siem, monkeypatch, caplog):
    def break_(*_):
        raise ZeroDivisionError("hush")

    monkeypatch.setattr(pull, "stream", break_)
    answer = siem.events()
    assert answer.problem() == (500, "internal")
    assert "hush" not in answer.body.decode() and "ZeroDivisionError" in caplog.text


def test_a_question_that_takes_too_long_is_told(past, siem, monkeypatch):
    def slow(*_):
        raise OperationalError("canceling statement") from QueryCanceled()

    monkeypatch.setattr(pull, "stream", slow)
    assert siem.events().problem() == (503, "too-slow")


def test_a_database_that_is_away_is_told_with_when_to_come_back(past, siem, monkeypatch, caplog):
    def away(*_):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(pull, "stream", away)
    answer = siem.events()
    assert answer.problem() == (503, "database-away") and answer.headers["Retry-After"] == "5"


def test_a_host_that_is_not_ours_gets_a_problem_too(db):
    assert Collector().ask("/events", headers={"Host": "evil.example"}).problem() == (400, "bad-request")


def test_every_kind_of_problem_has_a_row_in_the_documents():
    page = (ROOT / "docs" / "api.md").read_text()
    assert [kind for kind in KINDS if f"| `{kind}` |" not in page] == []
