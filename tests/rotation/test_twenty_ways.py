"""Twenty ways in which somebody might approve their own change: each is refused in a sentence of its own."""

from __future__ import annotations

from dataclasses import replace

from rotation.ballot import Channel, Group, Means, Membership, No, Proof, Tie, Tied, Token
from rotation.policy import counts, may_approve, tally
from tests.rotation.ballots import ANN, BOB, EVE, NOW, RULE, change, days, vote, voter

OWNERS = Group("https://idp.example", "g-17", "payments-owners")
GROUPED = replace(RULE, groups=frozenset({OWNERS}))
SAID: dict[str, str] = {}


def refused(answer, way: str, *words: str) -> str:
    """Check that it is a refusal of this kind with these words in its sentence, which no other way says."""
    assert isinstance(answer, No) and answer.way == way, answer
    for word in words:
        assert word in answer.sentence, answer.sentence
    assert answer.sentence.endswith(".")
    assert SAID.setdefault(answer.sentence, way) == way
    return answer.sentence


def token(owner: int = BOB, minted_by: int | None = None, name: str = "") -> Means:
    return Means(Channel.API, Proof.API_TOKEN, token=Token(owner, minted_by, name, may_approve=True))


def test_somebody_else_may_approve_by_page_and_by_token():
    assert may_approve(change(), voter(), RULE, NOW)
    assert may_approve(change(), voter(means=token()), RULE, NOW)


def test_own_account():
    refused(may_approve(change(), voter(id=ANN, name="ann"), RULE, NOW), "own_account", "ann asked", "another person")


def test_own_api_token():
    refused(may_approve(change(), voter(id=ANN, name="ann", means=token(ANN)), RULE, NOW), "own_token", "acts for ann")


def test_token_minted_by_the_asker():
    refused(may_approve(change(), voter(means=token(minted_by=ANN, name="ann")), RULE, NOW), "minted_token", "ann made")


def test_a_second_account_with_the_same_e_mail():
    tie = Tie(ANN, "ann", Tied.EMAIL)
    refused(may_approve(change(), voter(ties=(tie,)), RULE, NOW), "tied_email", "bob and ann", "e-mail")


def test_a_second_account_with_the_same_subject_at_the_provider():
    tie = Tie(ANN, "ann", Tied.SUBJECT)
    refused(may_approve(change(), voter(ties=(tie,)), RULE, NOW), "tied_subject", "bob and ann", "subject")


def test_a_renamed_account():
    refused(may_approve(change(), voter(id=ANN, name="anna"), RULE, NOW), "renamed", "anna was called ann")


def test_an_account_deleted_and_recreated():
    refused(may_approve(change(), voter(id=77, name="Ann"), RULE, NOW), "recreated", "called Ann", "nobody new")
    tie = Tie(ANN, "ann", Tied.NAME)  # under the name that the asker had once
    refused(may_approve(change(), voter(id=77, name="anne", ties=(tie,)), RULE, NOW), "tied_name", "same name")


def test_the_asker_made_the_approver():
    tie = Tie(ANN, "ann", Tied.CREATED, NOW - days(29))
    refused(may_approve(change(), voter(ties=(tie,)), RULE, NOW), "tied_created", "made the account bob on 2026-10-29")


def test_the_asker_granted_the_role():
    tie = Tie(ANN, "ann", Tied.GRANTED, NOW - days(3))
    refused(may_approve(change(), voter(ties=(tie,)), RULE, NOW), "tied_granted", "granted the role of bob")


def test_the_asker_reset_the_approvers_factor():
    tie = Tie(ANN, "ann", Tied.RESET, NOW - days(3))
    refused(may_approve(change(), voter(ties=(tie,)), RULE, NOW), "tied_reset", "second factor of bob")


def test_a_shared_group():
    member = voter(id=ANN, name="ann", memberships=(Membership(OWNERS),))
    refused(
        may_approve(change(GROUPED), member, GROUPED, NOW), "shared_group", "one of payments-owners", "Somebody else"
    )


def test_a_nested_group():
    member = voter(id=ANN, name="ann", memberships=(Membership(OWNERS, (Group(OWNERS.issuer, "g-18", "oncall"),)),))
    refused(may_approve(change(GROUPED), member, GROUPED, NOW), "nested_group", "through oncall", "Somebody else")


def test_a_same_named_group_elsewhere():
    other = voter(memberships=(Membership(Group("https://other.example", "g-17", "Payments-Owners")),))
    refused(may_approve(change(GROUPED), other, GROUPED, NOW), "same_named_group", "https://other.example", "another")
    oncall = Membership(Group(OWNERS.issuer, "g-18", "oncall"))
    same_issuer = voter(memberships=(oncall, Membership(Group(OWNERS.issuer, "g-99", "payments-owners"))))
    refused(may_approve(change(GROUPED), same_issuer, GROUPED, NOW), "same_named_group", OWNERS.issuer)
    assert may_approve(change(GROUPED), voter(memberships=(Membership(OWNERS),)), GROUPED, NOW)


def test_a_service_account_owned_by_the_asker():
    refused(may_approve(change(), voter(id=9, name="robot", owner=ANN), RULE, NOW), "service_account", "of ann")
    refused(may_approve(change(), voter(id=9, name="robot", owner=EVE), RULE, NOW), "no_person", "A person approves")


def test_impersonation():
    refused(may_approve(change(), voter(impersonator=ANN), RULE, NOW), "impersonation", "link that somebody else made")


def test_a_policy_edited_after_asking():
    edited = replace(RULE, roles=frozenset({"operator", "approver"}))
    refused(may_approve(change(), voter(role="operator"), edited, NOW), "policy_edited", "changed after C-215")


def test_a_lowered_threshold():
    two = replace(RULE, approvers=2)
    asked = change(two)
    refused(may_approve(asked, voter(), RULE, NOW), "threshold_lowered", "1 now", "2 when C-215")
    found = tally([vote()], asked, RULE, NOW)
    assert (found.outcome, found.counted) == ("needs", ())
    assert tally([vote()], asked, two, NOW).more == 1


def test_the_asker_edited_the_plan():
    edited = change(plan_hash="b" * 64)
    refused(counts(vote(), edited, RULE, NOW), "plan_edited", "changed after bob voted")
    drawn = change(editors=frozenset({BOB}))
    refused(may_approve(drawn, voter(), RULE, NOW), "editor", "bob drew the plan")


def test_approval_by_command():
    for means in (Means(Channel.COMMAND, Proof.STEP_UP, NOW), Means(Channel.API, None)):
        refused(may_approve(change(), voter(means=means), RULE, NOW), "command", "nobody in particular")


def test_a_replayed_approval():
    two = replace(RULE, approvers=2)
    again = vote(voter(id=EVE, name="eve"), mark=vote().mark)
    found = tally([vote(), again], change(two), two, NOW)
    assert (found.outcome, found.more) == ("needs", 1)
    refused(found.void[0][1], "replayed", "counted already")


def test_an_approval_moved_to_another_change():
    refused(counts(vote(change="C-9"), change(), RULE, NOW), "moved", "given for C-9, not for C-215")


def test_there_are_twenty_ways_and_each_says_something_else():
    others = ("test_there_are", "test_somebody_else")
    ways = [test for name, test in globals().items() if name.startswith("test_") and not name.startswith(others)]
    assert len(ways) == 21  # e-mail and subject are one way of the list
    for test in ways:
        test()
    assert len(set(SAID.values())) >= 21 <= len(SAID)
