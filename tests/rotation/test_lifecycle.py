"""Every verb in every state: where it leads, or that it is refused with what is possible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rotation import lifecycle, turns
from rotation.models import Change

LEADS = {
    ("requested", "approve"): "approved",
    ("requested", "reject"): "rejected",
    ("requested", "cancel"): "cancelled",
    ("requested", "expire"): "expired",
    ("approved", "reject"): "rejected",
    ("approved", "start"): "running",
    ("approved", "void"): "requested",
    ("approved", "cancel"): "cancelled",
    ("approved", "expire"): "expired",
    ("running", "succeed"): "succeeded",
    ("running", "fail"): "failed",
    ("running", "stop"): "cancelled",
    ("failed", "resume"): "running",
    ("failed", "cancel"): "cancelled",
}


@pytest.mark.parametrize("state", lifecycle.STATES)
@pytest.mark.parametrize("verb", lifecycle.MOVES)
def test_a_verb_leads_where_the_table_says_or_nowhere(state, verb):
    if (state, verb) in LEADS:
        assert lifecycle.after(verb, state) == LEADS[state, verb]
        assert verb in lifecycle.verbs(state)
    else:
        with pytest.raises(lifecycle.Forbidden, match=f"The change is {state}, so it can't be"):
            lifecycle.after(verb, state)
        assert verb not in lifecycle.verbs(state)


@pytest.mark.parametrize("state", sorted(lifecycle.OVER))
def test_nothing_leads_out_of_an_end(state):
    assert lifecycle.verbs(state) == ()
    with pytest.raises(lifecycle.Forbidden, match="It is over: ask for a new one"):
        lifecycle.after("resume", state)


def test_a_refusal_names_what_is_still_possible():
    with pytest.raises(lifecycle.Forbidden, match="It can still be resumed or cancelled"):
        lifecycle.after("approve", "failed")


def test_a_verb_that_is_not_in_the_table_is_a_defect_of_the_caller():
    with pytest.raises(LookupError, match="No verb is called aprove"):
        lifecycle.after("aprove", "requested")


@pytest.mark.parametrize(
    "waited, ok, seconds",
    [(0, True, 20), (600, True, 20), (3_600, True, 120), (86_400, True, 300), (86_400, False, 20)],
)
def test_what_can_be_done_and_waits_for_long_is_looked_at_less_and_less_often(waited, ok, seconds):
    now = datetime(2026, 3, 14, 9, tzinfo=UTC)
    change = Change(asked_at=now - timedelta(seconds=waited), found={"ok": ok})
    assert turns.look_after(change, now) == seconds
