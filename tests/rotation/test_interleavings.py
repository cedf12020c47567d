"""No interleaving of approve, reject, cancel, expire, void and start makes a forbidden move: 10,000 of them.

A model of what each verb reads and writes, and of the one row lock, over the real table and the real counting of votes.
The same model without the guard of the UPDATE must fail, or the test would prove nothing.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass, field, replace

import pytest

from rotation import lifecycle
from rotation.ballot import Verdict, Vote
from rotation.policy import may_approve, may_reject, tally
from tests.rotation.ballots import ANN, EVE, NOW, RULE, change, vote, voter

TRIALS = 10_000
TWO = replace(RULE, approvers=2)
PEOPLE = {"bob": voter(), "eve": voter(id=EVE, name="eve", role="administrator"), "ann": voter(id=ANN, name="ann")}
Act = Generator[None, None, str]


@dataclass
class Table:
    """The row of one change, its verdicts, its lock, and every move that was made."""

    guarded: bool = True
    state: str = "requested"
    held: bool = False
    votes: list = field(default_factory=list)
    moves: list = field(default_factory=list)

    def move(self, seen: str, verb: str, mine: Vote | None = None) -> bool:
        """Be the guarded UPDATE and the commit: it matches the row only if that is as it was seen."""
        if self.guarded and self.state != seen:
            return False
        self.votes += [mine] if mine else []
        rejected = any(one.verdict == Verdict.REJECT for one in self.votes)
        self.moves.append((self.state, verb, rejected, self.counted()))
        self.state = lifecycle.MOVES[verb].after
        return True

    def counted(self) -> str:
        return tally(self.votes, change(TWO), TWO, NOW).outcome


def mover(table: Table, verb: str) -> Act:
    """Read, decide by what was read, then write."""
    seen = table.state
    yield
    try:
        lifecycle.after(verb, seen)
    except lifecycle.Forbidden:
        return "forbidden"
    yield
    return "done" if table.move(seen, verb) else "lost"


def starter(table: Table) -> Act:
    """Be the executor: see it approved, judge the votes itself, then write."""
    seen = table.state
    yield
    if seen != lifecycle.APPROVED or table.counted() != "approved":
        return "refused"
    yield
    return "done" if table.move(seen, "start") else "lost"


def decider(table: Table, who: str, verdict: Verdict) -> Act:
    """Be a person at the page: lock the row, judge, keep the vote, count, write."""
    while table.held and table.guarded:
        yield
    table.held = True
    seen = table.state
    yield
    facts = change(TWO, open=seen in {lifecycle.REQUESTED, lifecycle.APPROVED})
    judge = may_approve if verdict == Verdict.APPROVE else may_reject
    if not judge(facts, PEOPLE[who], TWO, NOW):
        table.held = False
        return "refused"
    mine = vote(PEOPLE[who], verdict=verdict, mark=f"{who} {verdict} {len(table.votes)}")
    with_mine = tally([*table.votes, mine], change(TWO), TWO, NOW).outcome
    yield
    verb = "reject" if verdict == Verdict.REJECT else "approve" if with_mine == "approved" else ""
    done = not verb or (_leads(verb, seen) and table.move(seen, verb, mine))
    if done and not verb:
        table.votes.append(mine)
    table.held = False
    return "done" if done else "lost"


def _leads(verb: str, state: str) -> bool:
    return verb in lifecycle.verbs(state)


def acts(table: Table, choose: random.Random) -> list[Act]:
    """Return what happens at once: votes, and a few of the other verbs, some twice."""
    others = [mover(table, verb) for verb in choose.choices(["cancel", "expire", "void", "stop", "fail"], k=2)]
    votes = [decider(table, who, Verdict.APPROVE) for who in ("bob", "eve", "ann")]
    no = [decider(table, choose.choice(["bob", "eve"]), Verdict.REJECT)] if choose.random() < 0.5 else []
    return [*others, *votes, *no, starter(table), starter(table)]


def play(seed: int, guarded: bool = True) -> Table:
    """Play one interleaving to its end."""
    choose = random.Random(seed)
    table = Table(guarded)
    left = acts(table, choose)
    while left:
        act = choose.choice(left)
        try:
            next(act)
        except StopIteration:
            left.remove(act)
    return table


def forbidden(table: Table) -> list[str]:
    """Return what went wrong in the order of the moves."""
    wrong, state = [], "requested"
    for before, verb, rejected, counted in table.moves:
        if before != state or before not in lifecycle.MOVES[verb].before:
            wrong.append(f"{verb} from {before}")
        if verb == "start" and (rejected or counted != "approved"):
            wrong.append(f"started with {counted}")
        state = lifecycle.MOVES[verb].after
    if any(one.voter.id == ANN for one in table.votes):
        wrong.append("the asker voted")
    return wrong


def test_no_interleaving_makes_a_forbidden_move():
    ends, starts = {}, 0
    for seed in range(TRIALS):
        table = play(seed)
        assert forbidden(table) == [], (seed, table.moves)
        starts += any(verb == "start" for _before, verb, *_rest in table.moves)
        ends[table.state] = ends.get(table.state, 0) + 1
    # All the ends that are there to reach were reached, and some changes did start: the model is not idle.
    assert set(ends) >= {"requested", "running", "rejected", "cancelled", "expired"} and starts > 100, (ends, starts)


def test_without_the_guard_the_same_model_fails():
    assert any(forbidden(play(seed, guarded=False)) for seed in range(300))


@pytest.mark.parametrize("seed", [1, 2])
def test_an_interleaving_is_played_the_same_again(seed):
    assert play(seed).moves == play(seed).moves
