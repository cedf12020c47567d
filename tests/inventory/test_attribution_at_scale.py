"""Where addresses are honest no call is given to a wrong pod, however often addresses are reused."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.attribution import NAMING, Grade, judge, stretches
from tests.inventory.simulated import Fleet


def told(fleet: Fleet, world) -> tuple[Counter, list]:
    """How often each grade was given, and the calls that were given to a wrong pod."""
    grades: Counter = Counter()
    wrong = []
    for said in fleet.calls():
        verdict = judge(said.token, world)(said.address, said.at)
        grades[verdict.grade, said.caller is said.owner] += 1
        if verdict.pod is not None and verdict.pod.uid != said.caller.sight.uid:
            wrong.append((said, verdict))
        assert (verdict.pod is not None) == (verdict.grade in NAMING)
    return grades, wrong


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(10, 120), st.sampled_from([0, 2, 10]))
def test_no_call_from_an_honest_address_is_given_to_a_wrong_pod(seed, lives, cuts):
    fleet = Fleet(seed, lives, cuts=cuts)
    _, wrong = told(fleet, fleet.world())
    assert not wrong


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(10, 120))
def test_a_stolen_token_is_never_its_owners_call(seed, lives):
    fleet = Fleet(seed, lives)
    world = fleet.world()
    for said in fleet.calls(stolen=1.0):
        if said.caller is not said.owner:
            verdict = judge(said.token, world)(said.address, said.at)
            assert verdict.grade not in NAMING or verdict.pod.uid == said.caller.sight.uid


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32))
def test_nothing_is_above_likely_where_the_proxies_are_not_known(seed):
    fleet = Fleet(seed, 60)
    grades, wrong = told(fleet, fleet.world(proxies=None))
    assert not wrong
    assert not any(grade == Grade.STRONG for grade, _ in grades)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([None, frozenset()]), st.integers(0, 10_000))
def test_a_stretch_has_one_verdict_and_it_is_that_of_each_of_its_calls(seed, proxies, place):
    fleet = Fleet(seed, 60, cuts=6)
    world = fleet.world(proxies=proxies)
    calls = list(fleet.calls())
    said = calls[place % len(calls)]
    first, last = said.at - 700_000_000, said.at + 700_000_000
    told = stretches(said.token, said.address, first, last, world)
    assert (told[0][0], told[-1][1]) == (first, last + 1)
    assert all(one[1] == other[0] and one[2] != other[2] for one, other in pairwise(told))
    of_call = judge(said.token, world)
    for since, until, verdict in told:
        for at in (since, until - 1, (since + until) // 2, fleet.dice.randint(since, until - 1)):
            assert of_call(said.address, at) == verdict


def reused(lives: int) -> None:
    fleet = Fleet(7, lives, late=False)
    grades, wrong = told(fleet, fleet.world())
    honest = sum(count for (_, own), count in grades.items() if own)
    proven = grades[Grade.EXACT, True] + grades[Grade.STRONG, True]
    assert not wrong
    assert proven / honest > 0.6, grades  # half of the lives are of seconds: there clocks leave two
    assert grades[Grade.CONFLICT, True] / honest < 0.001, grades


def test_in_two_thousand_lives_with_reused_addresses_nobody_is_named_wrongly():
    reused(2_000)


@pytest.mark.long
def test_in_a_hundred_thousand_lives_with_reused_addresses_nobody_is_named_wrongly():
    reused(100_000)
