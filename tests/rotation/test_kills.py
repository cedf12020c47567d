"""R5: whatever moment a worker is killed at, each secret is rotated once, and each change ends in the truth."""

from __future__ import annotations

import json

import pytest


def killing(database, count, kills, way, seed="1"):
    done = database.run("-m", "tests.rotation.killing", str(count), str(kills), seed, way)
    return json.loads(done.stdout)


@pytest.mark.parametrize("count, kills", [(12, 60), pytest.param(200, 800, marks=pytest.mark.long)])
def test_no_kill_rotates_twice_or_leaves_an_untruthful_end(own_database, count, kills):
    told = killing(own_database, count, kills, "ours")
    print({name: told[name] for name in ("killed", "looks", "seconds")})
    assert told["killed"] >= count, told
    for one in told["secrets"]:
        assert one == {
            **one,
            "version": 2,
            "first_destroyed": True,
            "user": "app",
            "fresh": True,
            "state": "succeeded",
        }, one
    assert told["looks"], "no kill fell between intent and result"


@pytest.mark.long  # how often a kill doubles its writes hangs on the machine: it is given six rounds
def test_a_naive_runner_fails_the_same_test(own_database):
    rounds = (killing(own_database, 40, 120, "naive", seed) for seed in "123456")
    doubled = (one for told in rounds for one in told["secrets"] if one["version"] > 2)
    assert next(doubled, None), "the kills are too gentle to tell the two apart"
