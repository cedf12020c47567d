"""Rotates a KV v2 secret: a new version, restarts, proof per way of delivery, and the old version destroyed."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from rotation.estate import Estate
from rotation.planning import Drawn, Refused, StepSpec, Wish
from rotation.restarting import restarts, without
from rotation.syncing import syncs
from vault.enrolment import Want

TITLE = "Rotate a KV secret"
FAMILY = "rotate"


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret's name, the way, and the keys that get a new value.

    adopt: somebody else writes the new version; generated: Keybook does; wrapped: the asker hands its value over.
    `cordoned` are service accounts (`namespace/name`) that can't log in: what runs as them is neither restarted nor
    waited for.
    """

    secret: str
    way: Literal["adopt", "generated", "wrapped"]
    keys: tuple[str, ...] = ()
    policy: str = ""
    restart: bool = True
    retire: bool = True
    cordoned: tuple[str, ...] = ()


def risk(args: Args) -> str:
    """A destroyed version is gone for good."""
    return "high" if args.retire else "routine"


def draw(args: Args, wish: Wish, estate: Estate) -> Drawn:
    """Return the steps: write or wait, have it copied anew, restart one and prove it, then the rest, prove, destroy."""
    place = estate.place(args.secret, wish.vault, type="kv")
    if place.kv_version != 2:
        raise Refused(
            f"{place.mount}/ is KV version {place.kv_version or 'unknown'}: it keeps no versions to prove anything by.",
            "Move the secret to a version 2 mount.", field="args.secret",
        )  # fmt: skip
    _check(args, estate, f"{place.vault}:{args.secret}")
    write = estate.need(place.connection, Want("kv", "write", place.mount, place.path))
    at = {"mount": place.mount, "path": place.path, "namespace": place.namespace}
    first = {"place": at, "role": write.role}
    begin = StepSpec("await_version", first)
    if args.way == "generated":
        begin = StepSpec("write_kv", {**first, "keys": list(args.keys), "policy": args.policy})
    if args.way == "wrapped":
        begin = StepSpec("write_wrapped", {**first, "keys": list(args.keys)})
    rows, kept_out = without(estate.consumers(place), args.cordoned)
    copying, asking, unread = syncs(rows)
    touched, restarting = restarts(estate, estate.eaters(rows), restart=args.restart)
    touched.doubts += [*unread, *kept_out, *estate.strangers(place, rows)]
    proof = {"place": at, "replaced_by": begin.step, **({"cordoned": list(args.cordoned)} if args.cordoned else {})}
    restarted = touched.staged(lambda which: StepSpec("verify_delivery", {**proof, "only": which}))
    steps, needs = [begin, *copying, *restarted, StepSpec("verify_delivery", proof)], [write]
    if args.retire:
        destroy = estate.need(place.connection, Want("kv", "destroy", place.mount, place.path))
        steps.append(StepSpec("retire_version", {"place": at, "role": destroy.role}))
        needs.append(destroy)
    needs += [*asking, *restarting]
    return Drawn(
        "Rotate", args.secret.strip("/"), steps, place.vault, "", touched.blast(leases_caveat="KV has none"), needs
    )


def _check(args: Args, estate: Estate, name: str) -> None:
    if args.way == "adopt" and (args.keys or args.policy):
        raise Refused(
            "With the way adopt somebody else writes the version, so keys and policy say nothing.", "Leave them out.",
            code="bad_args", field="args.keys",
        )  # fmt: skip
    if args.way == "adopt":
        return
    if not args.keys or len(set(args.keys)) != len(args.keys) or not all(args.keys):
        raise Refused(
            f"The way {args.way} needs the names of the keys to renew, each once.",
            "Name them.",
            code="bad_args",
            field="args.keys",
        )
    if args.way == "wrapped":
        if args.policy:
            raise Refused(
                "With the way wrapped the value comes from you, so a policy says nothing.", "Leave it out.",
                code="bad_args", field="args.policy",
            )  # fmt: skip
        return
    if not any(fnmatchcase(name, one) for one in estate.may_generate):
        raise Refused(
            f"Keybook may not choose the value of {name}.",
            "Ask with the way adopt, or have an operator of Keybook add it to KEYBOOK_MAY_GENERATE.", field="args.way",
        )  # fmt: skip
