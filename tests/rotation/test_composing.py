"""Several plans become one: new values first, one restart for each workload, no lease twice, one proof behind them."""

from __future__ import annotations

from rotation.composing import Piece, steps_of
from rotation.planning import Drawn, StepSpec


def step(kind, /, **args):
    return StepSpec(kind, args)


def piece(family, *steps):
    return Piece(family, Drawn("", "", steps))


def kv(name, *workloads):
    restarts = [step("restart_rollout", name=one, cluster="c", kind="Deployment", namespace="n") for one in workloads]
    return piece("rotate", step("write_kv", place=name), step("force_sync", of=name), *restarts,
                 step("verify_delivery", place=name), step("retire_version", place=name))  # fmt: skip


def revoked(*leases, namespace=""):
    return step("revoke_leases", leases=list(leases), namespace=namespace)


def told(steps):
    return [f"{one.step} {_of(one.args)}" for one in steps]


def _of(args):
    return args["workloads"][0]["name"] if "workloads" in args else next(iter(args.values()))


def test_rotations_next_to_each_other_are_done_in_turns_and_a_workload_of_both_restarts_once():
    assert told(steps_of([kv("a", "web", "api"), kv("b", "api")])) == [
        "write_kv a", "write_kv b", "force_sync a", "force_sync b", "restart_rollout web", "restart_batch api",
        "verify_delivery a", "verify_delivery b", "retire_version a", "retire_version b",
    ]  # fmt: skip


def test_what_stands_between_two_rotations_keeps_its_place_and_so_does_a_second_restart_behind_it():
    ask = piece("", step("ask_person", question="Go on?"))
    assert told(steps_of([kv("a", "web"), ask, kv("b", "web")])) == [
        "write_kv a", "force_sync a", "restart_rollout web", "verify_delivery a", "retire_version a",
        "ask_person Go on?",
        "write_kv b", "force_sync b", "restart_rollout web", "verify_delivery b", "retire_version b",
    ]  # fmt: skip


def test_no_lease_is_revoked_twice_and_the_proof_of_each_namespace_holds_no_other_revocation_up():
    proof = {space: step("verify_revoked", revoked_by=[1], namespace=space) for space in ("", "team")}
    pieces = [
        piece("revoke", revoked("a", "b"), proof[""]), piece("revoke", revoked("x", namespace="team"), proof["team"]),
        piece("revoke", revoked("b", "c"), proof[""]), piece("revoke", revoked("c"), proof[""]),
        piece("revoke", step("revoke_token", accessor="t")),
    ]  # fmt: skip
    found = steps_of(pieces)
    assert told(found) == [
        "revoke_leases ['a', 'b']", "revoke_leases ['x']", "revoke_leases ['c']", "revoke_token t",
        "verify_revoked [1, 3]", "verify_revoked [2]",
    ]  # fmt: skip
