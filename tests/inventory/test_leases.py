"""What is told of a lease: what the log shows, what a lookup proves, and never more than that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inventory.leases import (
    FRESH,
    Fact,
    How,
    Kind,
    Standing,
    State,
    exposure,
    is_orphan,
    is_overdue,
    life,
    standing,
)

BEGIN = datetime(2026, 11, 21, 3, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


def fact(kind: Kind, minutes: float, *, ends: float | None = None, ok: bool = True, event: int = 0) -> Fact:
    return Fact(kind, at(minutes), ok, None if ends is None else at(ends), event or int(minutes * 60))


ISSUED = fact(Kind.ISSUED, 0)
ASKS = [
    (Kind.REVOKED, How.ID),
    (Kind.PREFIX, How.PREFIX),
    (Kind.FORCED, How.FORCE),
    (Kind.TOKEN, How.TOKEN),
]


def test_of_an_issue_alone_nothing_is_known_but_that():
    told = life([ISSUED])
    assert (told.state, told.since, told.verified) == (State.UNVERIFIED, at(0), None)


@pytest.mark.parametrize(("kind", "how"), ASKS)
def test_a_revocation_that_was_answered_is_asked_for_and_not_yet_proven(kind, how):
    told = life([ISSUED, fact(kind, 5)])
    assert (told.state, told.how, told.since) == (State.ASKED, how, at(5))


@pytest.mark.parametrize(("kind", "how"), ASKS)
def test_a_revocation_is_proven_when_a_later_lookup_finds_nothing(kind, how):
    told = life([ISSUED, fact(kind, 5), fact(Kind.GONE, 6)])
    assert (told.state, told.how, told.since, told.verified) == (State.REVOKED, how, at(5), at(6))


@pytest.mark.parametrize(("kind", "how"), ASKS)
def test_a_revocation_after_which_the_lease_was_found_did_not_end_it(kind, how):
    facts = [ISSUED, fact(kind, 5), fact(Kind.FOUND, 6, ends=60)]
    assert life(facts).state is State.LIVE
    assert life([*facts, fact(Kind.GONE, 61)]).how is How.TTL


@pytest.mark.parametrize(("kind", "how"), ASKS)
def test_a_lease_past_its_end_that_is_still_listed_waits_for_its_revocation(kind, how):
    told = life([ISSUED, fact(kind, 5), fact(Kind.FOUND, 6, ends=5.5)])
    assert (told.state, told.how) == (State.QUEUED, how)
    assert life([ISSUED, fact(kind, 5), fact(Kind.FOUND, 6, ends=5.5), fact(Kind.GONE, 9)]).how is how


@pytest.mark.parametrize("kind", [kind for kind, _ in ASKS])
def test_a_revocation_that_failed_ends_nothing(kind):
    told = life([ISSUED, fact(kind, 5, ok=False)])
    assert (told.state, told.how, told.asked) == (State.UNVERIFIED, How.NOTHING, None)


def test_a_revocation_by_prefix_that_failed_may_have_reached_the_lease_before_it_did():
    told = life([ISSUED, fact(Kind.PREFIX, 5, ok=False), fact(Kind.GONE, 6)])
    assert (told.state, told.how) == (State.REVOKED, How.PREFIX_PART)


def test_a_renewal_shows_that_what_was_asked_before_it_did_not_end_the_lease():
    told = life([ISSUED, fact(Kind.TOKEN, 5), fact(Kind.RENEWED, 6)])
    assert (told.state, told.renewals, told.renewed) == (State.UNVERIFIED, 1, at(6))


def test_one_renewal_that_two_devices_show_is_one():
    assert life([ISSUED, fact(Kind.RENEWED, 6, event=9), fact(Kind.RENEWED, 6, event=9)]).renewals == 1


def test_a_disabled_entity_ends_no_lease():
    assert life([ISSUED, fact(Kind.DISABLED, 5)]).state is State.UNVERIFIED
    assert life([ISSUED, fact(Kind.DISABLED, 5), fact(Kind.FOUND, 6, ends=60)]).state is State.LIVE


def test_a_lease_that_is_gone_before_anybody_asked_ran_out():
    told = life([ISSUED, fact(Kind.FOUND, 1, ends=4), fact(Kind.GONE, 6)])
    assert (told.state, told.how, told.since) == (State.EXPIRED, How.TTL, at(4))


def test_a_revocation_of_what_had_run_out_before_changes_nothing():
    told = life([ISSUED, fact(Kind.FOUND, 1, ends=4), fact(Kind.FORCED, 5), fact(Kind.GONE, 6)])
    assert (told.state, told.how) == (State.EXPIRED, How.TTL)


def test_a_renewal_moves_an_end_that_was_found_before_it():
    told = life([ISSUED, fact(Kind.FOUND, 1, ends=4), fact(Kind.RENEWED, 3)])
    assert told.expires is None
    assert life([ISSUED, fact(Kind.RENEWED, 3), fact(Kind.FOUND, 4, ends=9)]).expires == at(9)


def test_a_lease_ends_with_its_token_whose_life_a_renewal_lengthens():
    born = fact(Kind.TOKEN_LIFE, 0, ends=10)
    ended = life([ISSUED, born, fact(Kind.GONE, 12)])
    assert (ended.state, ended.how, ended.since) == (State.EXPIRED, How.TOKEN_TTL, at(10))
    longer = life([ISSUED, born, fact(Kind.TOKEN_LIFE, 8, ends=18)])
    assert longer.token_ends == at(18)


def test_a_token_without_an_end_ends_no_lease():
    assert life([ISSUED, fact(Kind.TOKEN_LIFE, 0)]).token_ends is None


def test_gone_without_a_reason_in_sight_is_told_so_where_the_record_has_a_hole():
    facts = [ISSUED, fact(Kind.GONE, 6)]
    assert life(facts, blind=True).state is State.GONE
    assert (life(facts).state, life(facts).how) == (State.EXPIRED, How.TTL)


def test_what_the_vault_gave_up_on_is_irrevocable():
    assert life([ISSUED, fact(Kind.TOKEN, 5), fact(Kind.IRREVOCABLE, 30)]).state is State.IRREVOCABLE


def test_the_order_in_which_facts_come_does_not_matter():
    facts = [ISSUED, fact(Kind.RENEWED, 2), fact(Kind.FOUND, 3, ends=9), fact(Kind.TOKEN, 5), fact(Kind.GONE, 6)]
    assert life(facts) == life(reversed(facts))


def test_of_nothing_nothing_is_told():
    with pytest.raises(ValueError, match="nothing is known"):
        life([])


def test_a_state_is_verified_while_the_lookup_is_young_and_then_not_since():
    seen = at(6)
    assert standing(State.LIVE, None, None, at(7)) is Standing.UNVERIFIED
    assert standing(State.LIVE, seen, None, seen + FRESH) is Standing.VERIFIED
    assert standing(State.LIVE, seen, None, seen + FRESH + timedelta(seconds=1)) is Standing.STALE
    assert standing(State.ASKED, seen, at(7), at(7)) is Standing.STALE
    assert standing(State.REVOKED, seen, at(5), at(10_000)) is Standing.VERIFIED


def test_a_lease_that_must_have_ended_is_overdue_until_somebody_looks():
    assert is_overdue(State.LIVE, at(4), None, at(4))
    assert is_overdue(State.UNVERIFIED, None, at(4), at(5))
    assert not is_overdue(State.UNVERIFIED, None, None, at(5_000))
    assert not is_overdue(State.QUEUED, at(4), None, at(5))


@pytest.mark.parametrize(
    ("state", "orphan"),
    [
        (State.UNVERIFIED, True),
        (State.LIVE, True),
        (State.QUEUED, True),
        (State.IRREVOCABLE, True),
        (State.ASKED, False),
        (State.REVOKED, False),
        (State.EXPIRED, False),
        (State.GONE, False),
    ],
)
def test_an_orphan_is_what_outlives_its_pod_and_nobody_took_back(state, orphan):
    assert is_orphan(state, at(3)) is orphan
    assert not is_orphan(state, None)
    assert not is_orphan(state, at(3), overdue=True)


def test_the_exposure_is_how_long_a_lease_outlives_its_pod():
    ends = (at(60), None)
    assert exposure(State.LIVE, at(6), at(4), at(10), ends) == timedelta(minutes=6)
    assert exposure(State.LIVE, at(6), at(4), at(100), ends) == timedelta(minutes=56)  # it must have ended by then
    assert exposure(State.QUEUED, at(6), at(4), at(100), ends) == timedelta(minutes=96)  # and this one has not
    assert exposure(State.LIVE, at(6), None, at(10), ends) is None
    assert exposure(State.REVOKED, at(7), at(4), at(100)) == timedelta(minutes=3)
    assert exposure(State.REVOKED, at(7), at(9), at(100)) is None
