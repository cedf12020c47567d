"""Any change of any field of a plan voids what was approved: field by field, and for generated plans too."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotation import assertions
from rotation.assertions import AssertionRefused, challenge
from rotation.planning import Blast, Drawn, Figure, Need, StepSpec, digest, document
from rotation.policy import counts
from tests.rotation.ballots import NOW, RULE, change, vote
from tests.rotation.passkeys import PARTY, Authenticator

often = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

DRAWN = Drawn(
    "Rotate", "secret/prod/ledger/bank-sftp",
    [
        StepSpec("write_kv", {"place": {"mount": "secret", "path": "prod/ledger", "cas": 6}, "keys": ["password"]}),
        StepSpec("restart_rollout", {"workloads": ["shop/web", "shop/api"], "batch": 2, "stop": True}),
    ],
    vault="prod", cluster="eu-1",
    blast=Blast(
        [Figure(37, "leases", "two are orphaned"), Figure(0, "jobs")], ["shop/web-1"], ["shop/web"], ["database/x/1"],
        ["shop/web: 1 of 2"], ["web has one replica"],
    ),
    needs=[Need("vault", "keybook-op-kv-write", "secret/data/prod/ledger", "patch")],
)  # fmt: skip
DESCRIBED = [
    {"title": "Write", "now": "version 6", "after": "version 7", "undo": "cannot be undone"},
    {"title": "Restart", "now": "", "after": "", "undo": "reads only"},
]
PLAN = {
    **document(
        "kv", {"secret": "secret/prod/ledger/bank-sftp", "keys": ["password"], "retire": None}, DRAWN, DESCRIBED
    ),
    "wish": {"target": "kv", "vault": "prod", "namespace": "", "cluster": "", "restart": True},
}
Place = tuple[Any, ...]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Yield where each part of a document is, the document itself first."""
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for key, inner in enumerate(value):
            yield from places(inner, (*at, key))


def others(value: Any) -> list[Any]:
    """Return values that this one might be exchanged for: nearly the same, and of another kind."""
    if isinstance(value, bool):
        return [not value, int(value), None]
    if isinstance(value, int):
        return [value + 1, -value - 1, str(value)]
    if isinstance(value, str):
        return [value + " ", value.upper() + "X", "", None] if value else [" ", None, []]
    if isinstance(value, list):
        return [[*value, "x"], value[:-1], None] if value else [["x"], None]
    return [{**value, "more": 1}, {}] if isinstance(value, dict) else ["", 0, False]


def put(document: Any, at: Place, value: Any) -> Any:
    """Return a copy of the document with another value at a place."""
    if not at:
        return value
    changed = copy.deepcopy(document)
    inner = changed
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return changed


def find(document: Any, at: Place) -> Any:
    for key in at:
        document = document[key]
    return document


def without(document: Any, at: Place) -> Any:
    """Return a copy of the document without what is at a place."""
    changed = copy.deepcopy(document)
    inner = find(changed, at[:-1])
    del inner[at[-1]]
    return changed


def mutants(plan: Any) -> Iterator[tuple[Place, Any]]:
    """Yield every single change of a plan: each part exchanged or left out, each list turned, each key renamed."""
    for at in places(plan):
        value = find(plan, at)
        for other in others(value):
            if other != value or type(other) is not type(value):
                yield at, put(plan, at, other)
        if at:
            yield at, without(plan, at)
        if at and isinstance(at[-1], str):
            yield at, put(without(plan, at), (*at[:-1], at[-1] + "_"), value)
        if isinstance(value, list) and value != value[::-1]:
            yield at, put(plan, at, value[::-1])


def test_every_single_change_of_a_plan_voids_the_vote_for_it():
    asked = change(plan_hash=digest(PLAN))
    given_then = vote(plan_hash=digest(PLAN))
    assert counts(given_then, asked, RULE, NOW)
    seen = 0
    for at, mutant in mutants(PLAN):
        after = digest(mutant)
        assert after != digest(PLAN), at
        assert counts(given_then, change(plan_hash=after), RULE, NOW).way == "plan_edited", at
        seen += 1
    assert seen > 300 and {at[0] for at, _ in mutants(PLAN) if at} == set(PLAN)


def test_every_single_change_of_a_plan_voids_the_passkeys_assertion_over_it():
    mine = Authenticator(2)
    asked = challenge("C-215", digest(PLAN), "approve")
    answer = mine.answer(asked)
    assert assertions.verify(answer, mine.key(), asked, PARTY) == 0
    for at, mutant in mutants(PLAN):
        with pytest.raises(AssertionRefused, match="another plan"):
            assertions.verify(answer, mine.key(), challenge("C-215", digest(mutant), "approve"), PARTY)
            pytest.fail(str(at))


LEAF = st.text(max_size=4) | st.integers(-(2**60), 2**60) | st.booleans() | st.none()
DOCUMENTS = st.dictionaries(
    st.text(max_size=3),
    st.recursive(
        LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_size=4,
)


@often
@given(DOCUMENTS)
def test_plans_that_nobody_wrote_by_hand_are_bound_as_well(plan):
    whole = digest(plan)
    for at, mutant in mutants(plan):
        if isinstance(mutant, dict) and mutant != plan:
            assert digest(mutant) != whole, at


@often
@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_the_order_of_names_is_no_part_of_a_plan(plan, random):
    names = list(plan)
    random.shuffle(names)
    assert digest({name: plan[name] for name in names}) == digest(plan)
