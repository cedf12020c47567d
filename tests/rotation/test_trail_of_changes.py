"""R10 over changes: whatever is changed in the trail that a change left - who, what, which plan - is found."""

from __future__ import annotations

import json
import random

import pytest

from accounts import trail_verify
from accounts.trail_proof import Head, verify
from accounts.trail_verify import verify_trail
from rotation import actions, handed, handing, runner
from rotation.approving import approve, reject
from rotation.models import Change
from rotation.outcomes import Refused
from tests.accounts.tampering import HASH, KINDS, NAMES, Case, by_position, changed_row, rehashed
from tests.accounts.test_trail_tampering import right
from tests.rotation.asked import ask, fresh, person, toys
from tests.rotation.toys import hands

DETAILS = NAMES.index("details")


@pytest.fixture
def trail(transactional_db, monkeypatch, tmp_path):
    """The rows of a trail in which changes were asked for, decided in every way, run, stopped and resumed."""
    toy = toys(monkeypatch)
    people = {name: person(name) for name in ("ann", "bob", "eve")}
    changes = [ask(people["ann"], label=name) for name in ("done", "stopped", "refused", "left")]
    for change in changes[:2]:
        approve(change, people["bob"], change.plan_hash, fresh())
    reject(changes[2], people["bob"], changes[2].plan_hash, fresh(), "not today")
    actions.cancel(changes[3], people["ann"])
    runner.turn(changes[0].pk, hands())
    toy.script["run"] = [Refused("Vault said no.")]
    runner.turn(changes[1].pk, hands())
    stopped = Change.objects.get(pk=changes[1].pk)
    actions.resume(stopped, people["ann"])
    handed.publish(str(tmp_path / "seal.key"))
    stopped.plan["steps"][0]["step"] = handing.STEP
    handing.hand_over(stopped, people["ann"], "hvs.a-wrapping-token-of-a-test")
    assert verify_trail().ok
    return list(trail_verify.rows())


def test_the_trail_holds_every_verb_with_the_plan_that_it_was_about(trail):
    verbs = [row[NAMES.index("verb")].removeprefix("rotation.change.") for row in trail]
    wanted = {
        "requested",
        "approved",
        "rejected",
        "cancelled",
        "started",
        "succeeded",
        "failed",
        "resumed",
        "handed_over",
    }
    assert wanted <= set(verbs)
    plans = {row[DETAILS] for row in trail if "approved" in row[NAMES.index("verb")]}
    assert all(len(json.loads(one)["plan"]) == 64 for one in plans)
    assert "hvs." not in str(trail)


def test_a_thousand_tamperings_with_the_trail_of_changes_are_found_with_its_anchor(trail):
    heads = [Head(place, str(trail[place - 1][HASH]), place, "2026-11-18T02:00:00Z") for place in (3, len(trail))]
    wrong = {}
    for seed in range(1_000):
        kind = list(KINDS)[seed % len(KINDS)]
        rng = random.Random(f"{seed} {kind}")
        rows = by_position(KINDS[kind](rng, trail))
        if rows != trail:
            one = Case(kind, trail, heads, rows)
            found = verify(one.rows, heads)
            if not right(one, found):
                wrong[seed, kind] = (one.agreed, one.first, found)
    assert wrong == {}


def test_each_detail_of_each_entry_is_bound_whether_its_hash_was_made_to_fit_or_not(trail):
    heads = [Head(len(trail), str(trail[-1][HASH]), len(trail), "2026-11-18T02:00:00Z")]
    tried = 0
    for at, row in enumerate(trail):
        for name in json.loads(row[DETAILS]):
            other = json.dumps({**json.loads(row[DETAILS]), name: "another"}, sort_keys=True)
            for make in (changed_row, rehashed):
                found = verify([*trail[:at], make(row, details=other), *trail[at + 1 :]], heads)
                assert not found.ok and found.first_bad <= at + 2, (at, name)  # of the last, the anchor alone tells
                tried += 1
    assert tried > 40
