"""How long is waited: more after each failure in a row, never for ever, and from the beginning after a calm time."""

from __future__ import annotations

import pytest

from cluster.pace import Backoff, Pace, due


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_waits_double_up_to_the_most():
    back = Backoff(Pace(), Clock(), chance=lambda: 0.0)
    assert [round(back.wait(), 1) for _ in range(8)] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]


def test_chance_adds_up_to_the_whole_wait():
    assert Backoff(Pace(), Clock(), chance=lambda: 1.0).wait() == pytest.approx(1.6)


def test_after_a_calm_time_failures_are_forgotten():
    clock = Clock()
    back = Backoff(Pace(), clock, chance=lambda: 0.0)
    for _ in range(5):
        clock.now += back.wait()
    clock.now += 119
    assert back.wait() > 20
    clock.now += 30 + 121
    assert back.wait() == 0.8


@pytest.mark.parametrize("asked, waited", [(0, 0.8), (5, 5), (3600, 120)])
def test_a_server_is_left_alone_as_long_as_it_says_within_reason(asked, waited):
    assert Backoff(Pace(), Clock(), chance=lambda: 0.0).wait(asked) == waited


@pytest.mark.parametrize(
    "state, since, again",
    [
        ("watching", 0, True),
        ("away", 0, True),
        ("", 0, True),
        ("not_permitted", 59, False),
        ("not_permitted", 60, True),
        ("not_installed", 599, False),
        ("not_installed", 600, True),
    ],
)
def test_what_is_missing_is_looked_for_again_after_a_while(state, since, again):
    assert due(state, since) is again
