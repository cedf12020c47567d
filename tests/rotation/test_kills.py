"""R5: whatever moment a worker is killed at, each secret is rotated once, and each change ends in the truth."""

from __future__ import annotations

import json

import pytest


def killing(database, count, kills, way, seed="1"):
    done = database.run("-m", "tests.rotation.killing", str(count), str(kills), seed, way)
    return json.loads(done.stdout)


@pytest.mark.parametrize("count, kills, least", [(12, 60, 12), pytest.param(200, 800, 800, marks=pytest.mark.long)])
def test_no_kill_rotates_twice_or_leaves_an_untruthful_end(own_database, count, kills, least):
    told = killing(own_database, count, kills, "ours")
    print({name: told[name] for name in ("killed", "looks", "seconds")})
    assert told["killed"] >= least, told
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


CUTS = {"identity/entity/id": 1, "sys/leases/revoke": 1, "auth/token/revoke-accessor": 1}


@pytest.mark.parametrize("name, cuts, notes", [
    ("compromised-pod", CUTS, 1),
    pytest.param("leaked-static-secret", {"secret/data": 1}, 0, marks=pytest.mark.long),
    pytest.param("stolen-identity", CUTS, 0, marks=pytest.mark.long),
])  # fmt: skip
def test_a_playbook_whose_worker_is_killed_at_every_border_does_each_thing_once(own_database, name, cuts, notes):
    told = json.loads(own_database.run("-m", "tests.rotation.killing_playbook", name).stdout)
    assert told["state"] == "succeeded", told
    assert len(told["killed"]) >= 2 * told["steps"], told["killed"]
    assert told["effects"] == {**cuts, "secret/destroy": 1}
    assert told["versions"] == {"1": True, "2": False}
    assert (told["restarted"], told["notes"]) == (1, notes)
    assert told["held"] == ([True] * 3 if name == "leaked-static-secret" else [False] * 3)
