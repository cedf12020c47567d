"""The glass is broken for revocations alone, within ceilings, with a reason, and somebody else looks afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotation.break_glass import Act, Ceilings, Glass, may_break, may_review, overdue, review_due, within
from tests.rotation.ballots import ANN, NOW, RULE, change, voter

REVOKE = Act("revoke", "lease database/creds/x/1")
HEAL = Act("restart", "deployment shop/web", heals=REVOKE.subject)
GLASS = Glass([REVOKE, HEAL], "The token of the build was on a public page.", "operator", NOW, 0)


def test_a_revocation_and_the_restart_that_heals_it_may_start_at_once():
    assert may_break(GLASS, NOW)


@pytest.mark.parametrize(
    ("other", "way"),
    [
        ({"acts": []}, "empty"),
        ({"acts": [REVOKE, Act("rotate", "secret/prod/x")]}, "rotation"),
        ({"acts": [Act("govern", "role of bob")]}, "rotation"),
        ({"acts": [Act("restart", "deployment shop/web")]}, "restart"),
        ({"acts": [REVOKE, Act("restart", "deployment shop/api", heals="lease of another")]}, "restart"),
        ({"reason": "urgent" + " " * 40}, "reason"),
        ({"role": "reader"}, "role"),
        ({"role": ""}, "role"),
        ({"proved_at": None}, "stale"),
        ({"proved_at": NOW - timedelta(minutes=6)}, "stale"),
        ({"acts": [Act("revoke", str(n)) for n in range(51)]}, "run_ceiling"),
        ({"last_hour": 199}, "hour_ceiling"),
    ],
)
def test_anything_else_is_refused_with_its_reason(other, way):
    refusal = may_break(replace(GLASS, **other), NOW)
    assert not refusal and refusal.way == way and refusal.sentence.endswith(".")


def test_ceilings_are_reached_exactly():
    assert within(Ceilings(), 50, 150) and not within(Ceilings(), 51, 0) and not within(Ceilings(), 50, 151)
    assert within(Ceilings(run=1_000, hour=1_000), 1_000, 0)


def test_another_person_reviews_within_a_day_however_long_ago_it_was_asked():
    old = change(open=False, asked=NOW - timedelta(days=3))
    assert may_review(old, voter(), RULE, NOW)
    assert may_review(old, voter(id=ANN, name="ann"), RULE, NOW).way == "own_account"
    assert review_due(NOW) == NOW + timedelta(hours=24)
    assert overdue(NOW, None, NOW + timedelta(hours=24)) and not overdue(NOW, None, NOW + timedelta(hours=23))
    assert not overdue(NOW, NOW, NOW + timedelta(days=9))
