"""Approvals are counted by the frozen rule: who may vote, for how long, by what proof; a rejection wins."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotation.ballot import Channel, Group, Means, Proof, Tie, Tied, Token, Verdict
from rotation.policy import counts, may_approve, may_reject, tally
from tests.rotation.ballots import ANN, BOB, EVE, NOW, RULE, change, days, vote, voter

often = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

TWO = replace(RULE, approvers=2)


@pytest.mark.parametrize(
    ("tie", "counts_as_one"),
    [(days(29.9), True), (days(30), False), (days(0), True)],
)
def test_what_was_done_to_an_account_ties_for_30_days(tie, counts_as_one):
    held = voter(ties=(Tie(ANN, "ann", Tied.MINTED, NOW - tie),))
    assert bool(may_approve(change(), held, RULE, NOW)) is not counts_as_one


def test_an_approver_who_had_the_askers_account_in_hand_is_refused_too():
    asked = change(ties=(Tie(BOB, "bob", Tied.LINKED, NOW - days(1)),))
    refusal = may_approve(asked, voter(), RULE, NOW)
    assert refusal.way == "tied_linked" and "bob made a link that enters as ann" in refusal.sentence
    assert may_approve(asked, voter(id=EVE, name="eve"), RULE, NOW)


@pytest.mark.parametrize(
    ("who", "rule", "way"),
    [
        (voter(active=False), RULE, "disabled"),
        (voter(role="operator"), RULE, "role"),
        (voter(role=""), RULE, "role"),
        (voter(), replace(RULE, people=frozenset({EVE})), "people"),
        (voter(), replace(RULE, groups=frozenset({Group("idp", "g")})), "group"),
        (voter(), replace(RULE, proof=Proof.PASSKEY), "proof"),
        (voter(means=Means(Channel.API, Proof.API_TOKEN)), RULE, "scope"),
        (voter(means=Means(Channel.API, Proof.API_TOKEN, token=Token(BOB, None, "", False))), RULE, "scope"),
        (voter(means=Means(Channel.PAGE, Proof.STEP_UP)), RULE, "stale"),
        (voter(means=Means(Channel.PAGE, Proof.STEP_UP, NOW - timedelta(minutes=5, seconds=1))), RULE, "stale"),
        (voter(means=Means(Channel.PAGE, Proof.STEP_UP, NOW + timedelta(seconds=1))), RULE, "stale"),
    ],
)
def test_whoever_the_rule_does_not_name_is_told_why(who, rule, way):
    for judge in (may_approve, may_reject):
        refusal = judge(change(rule), who, rule, NOW)
        assert not refusal and refusal.way == way and refusal.sentence.endswith(".")


def test_the_rule_names_people_and_proofs_that_count():
    rule = replace(RULE, people=frozenset({BOB}), proof=Proof.PASSKEY)
    assert may_approve(change(rule), voter(means=Means(Channel.PAGE, Proof.PASSKEY)), rule, NOW)


def test_nothing_is_decided_of_what_is_over_or_too_old():
    assert may_approve(change(open=False), voter(), RULE, NOW).way == "over"
    assert may_approve(change(asked=NOW - timedelta(hours=24)), voter(), RULE, NOW).way == "expired"
    assert may_approve(change(asked=NOW - timedelta(hours=23, minutes=59)), voter(), RULE, NOW)


def test_a_vote_from_another_time_does_not_count():
    assert counts(vote(at=NOW + timedelta(seconds=1)), change(), RULE, NOW).way == "time"
    assert counts(vote(at=NOW - timedelta(hours=2)), change(), RULE, NOW).way == "time"


def test_the_age_of_a_proof_is_judged_when_the_vote_was_given():
    earlier = NOW - timedelta(minutes=50)
    given_then = vote(voter(means=Means(Channel.PAGE, Proof.STEP_UP, earlier)), at=earlier)
    assert counts(given_then, change(), RULE, NOW)
    assert counts(vote(given_then.voter), change(), RULE, NOW).way == "stale"


def test_an_approver_who_lost_the_role_since_counts_no_more():
    assert tally([vote(voter(role="reader"))], change(), RULE, NOW).outcome == "needs"


def test_two_are_needed_and_two_suffice():
    eve = voter(id=EVE, name="eve", role="administrator")
    assert tally([], change(TWO), TWO, NOW).more == 2
    assert tally([vote(), vote(eve)], change(TWO), TWO, NOW).outcome == "approved"


def test_one_person_counts_once_with_two_accounts_or_two_votes():
    bob = vote(voter(ties=(Tie(EVE, "eve", Tied.CREATED, NOW - days(1)),)))
    eve = vote(voter(id=EVE, name="eve"))
    for pair, way in (((bob, eve), "one_person"), ((vote(), vote(mark="other")), "twice")):
        found = tally(pair, change(TWO), TWO, NOW)
        assert (found.outcome, found.more, found.void[0][1].way) == ("needs", 1, way)


def test_a_rejection_wins_whenever_it_came_and_even_of_one_who_is_tied_to_the_asker():
    no = vote(voter(id=EVE, name="eve", ties=(Tie(ANN, "ann", Tied.CREATED, NOW),)), verdict=Verdict.REJECT)
    for at in (NOW - timedelta(minutes=1), NOW):
        given_then = replace(no, at=at, voter=replace(no.voter, means=replace(no.voter.means, proved_at=at)))
        assert tally([vote(), given_then], change(), RULE, NOW).outcome == "rejected"


def test_a_rejection_by_one_who_may_not_vote_is_nothing():
    no = vote(voter(id=EVE, name="eve", role="reader"), verdict=Verdict.REJECT)
    assert tally([vote(), no], change(), RULE, NOW).outcome == "approved"


def test_somebody_who_approved_can_still_reject():
    assert tally([vote(), vote(mark="second", verdict=Verdict.REJECT)], change(), RULE, NOW).outcome == "rejected"


WHO = st.sampled_from(
    [
        voter(),
        voter(id=EVE, name="eve"),
        voter(id=ANN, name="ann"),
        voter(role="reader"),
        voter(ties=(Tie(ANN, "ann", Tied.RESET, NOW),)),
        voter(id=EVE, name="eve", ties=(Tie(BOB, "bob", Tied.CREATED, NOW),)),
    ]
)
VOTES = st.lists(
    st.builds(
        lambda who, verdict, plan, mark: vote(who, verdict=verdict, plan_hash=plan * 64, mark=mark),
        WHO, st.sampled_from(Verdict), st.sampled_from("ab"), st.sampled_from(["1", "2", "3"]),
    ),
    max_size=6,
)  # fmt: skip


@often
@given(VOTES, st.randoms(use_true_random=False))
def test_whatever_the_order_the_asker_is_never_counted_and_a_valid_rejection_always_wins(votes, random):
    found = tally(votes, change(TWO), TWO, NOW)
    assert len(found.counted) + len(found.void) == len(votes)
    if found.outcome == "approved":
        people = {one.voter.id for one in found.counted}
        assert ANN not in people and len(people) >= 2
        assert all(one.verdict == Verdict.APPROVE and one.plan_hash == "a" * 64 for one in found.counted)
    assert all(not one.voter.ties or one.verdict == Verdict.REJECT for one in found.counted if one.voter.id == BOB)
    if any(one.verdict == Verdict.REJECT for one in found.counted):
        assert found.outcome == "rejected"
    random.shuffle(votes)
    assert tally(votes, change(TWO), TWO, NOW).outcome == "rejected" or found.outcome != "rejected" or marks(votes)


def marks(votes) -> bool:
    """Return whether a mark came twice: then the first counts, and which is the first is a matter of order."""
    return len({one.mark for one in votes}) < len(votes)
