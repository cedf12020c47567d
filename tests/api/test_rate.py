"""A caller may ask so often a minute, counted for all web processes together, and hears when to come again."""

from __future__ import annotations

import pytest
from django.db import connection

from accounts import tokens
from accounts.models import ApiCount, Role, User
from accounts.token_wish import Wish
from tests.api.conftest import Collector


@pytest.fixture
def cat(db, settings) -> User:
    settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"api_per_minute": 3})
    with connection.cursor() as cursor:  # a minute that lasts as long as the test
        cursor.execute("SELECT pg_sleep(CASE WHEN extract(second FROM clock_timestamp()) > 50 THEN 10 ELSE 0 END)")
    return User.objects.create_user("cat", role=Role.READER)


def token(cat, name: str = "siem") -> Collector:
    return Collector(tokens.create(cat, Wish(name, ["events:read"]), actor=cat)[1])


def test_each_answer_says_how_much_is_left_of_the_minute(cat):
    siem = token(cat)
    left = [siem.ask("/events/types").headers["X-RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    told = siem.ask("/events/types").headers
    assert told["X-RateLimit-Limit"] == "3" and int(told["X-RateLimit-Reset"]) % 60 == 0


def test_one_request_too_many_is_refused_until_the_next_minute(cat):
    siem = token(cat)
    answers = [siem.ask("/events/types") for _ in range(4)]
    assert [one.status for one in answers] == [200, 200, 200, 429]
    assert answers[3].problem() == (429, "too-many-requests")
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
    ApiCount.objects.update(minute="2026-01-01T00:00Z")
    assert siem.ask("/events/types").status == 200


def test_each_token_has_its_own_count_and_nobody_without_one_is_counted(cat):
    one, other = token(cat), token(cat, "other")
    for _ in range(4):
        one.ask("/events/types")
        Collector().ask("/events/types")
    assert other.ask("/events/types").status == 200
    assert sorted(ApiCount.objects.values_list("requests", flat=True)) == [1, 4]


def test_what_can_t_be_counted_is_let_through_and_logged(cat, monkeypatch, caplog):
    siem = token(cat)
    monkeypatch.setattr("accounts.api_rate._COUNT", "SELECT 1 FROM no_such_table WHERE 'x' = %s")
    answer = siem.ask("/events/types")
    assert answer.status == 200 and "X-RateLimit-Limit" not in answer.headers
    assert "let through uncounted" in caplog.text
