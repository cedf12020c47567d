"""Targets that rotate a toy secret, for tests of the doors: no vault, no inventory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
from django.db.models.functions import Now

from rotation import actions, approvers, books, plan, rules, steps, targets
from rotation.actions import Asked
from rotation.models import Change
from rotation.outcomes import Sentence
from rotation.planning import Blast, Drawn, Figure, Refused, StepSpec, Wish

ENROL = 'path "secret/data/prod/*" { capabilities = ["patch"] }'


class _Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    what: str


class _Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    secret: str
    way: str = "generated"
    keys: tuple[str, ...] = ()


def _draw(args: Any, wish: Wish, _books: Any) -> Drawn:
    if args.secret.endswith("/missing"):
        raise Refused(f"No secret is called {args.secret}.", "Look at the list of secrets.", code="not_there")
    if args.secret.endswith("/paused"):
        raise Refused("Deployment shop/web can't be restarted: it is paused.", "Resume it first.")
    if args.secret.endswith("/foreign"):
        raise Refused(f"{args.secret} is not enrolled.", f"Apply this policy: {ENROL}", code="not_enrolled")
    blast = Blast(
        (Figure(5, "pods", "of 2 workloads"), Figure(0, "leases", "KV has none"), Figure(2, "workloads"),
         Figure(1, "budgets", "allows 1 at a time"), Figure(3, "sure holders", "2 more are likely")),
        pods=("payments/ledger-1",), workloads=("payments/ledger",),
        doubts=("2 holders are likely, not sure: their address was used again within a minute.",),
    )  # fmt: skip
    some = (StepSpec("write", {"what": args.secret}), StepSpec("destroy", {"what": args.secret}))
    return Drawn("Rotate", args.secret, some, vault=wish.vault or "demo", blast=blast)


def _describe(final: bool, title: str) -> Any:
    def describe(args: _Step) -> Sentence:
        return Sentence(title, "version 14", "version 15", "cannot be undone" if final else "reads only")

    return describe


TARGETS = {
    "kv": SimpleNamespace(
        TITLE="Rotate a KV secret", FAMILY="rotate", Args=_Secret, draw=_draw, risk=lambda _args: "routine"
    ),
    "kv_high": SimpleNamespace(
        TITLE="Rotate a grave secret", FAMILY="rotate", Args=_Secret, draw=_draw, risk=lambda _args: "high"
    ),
}
STEPS = {
    "write": SimpleNamespace(Args=_Step, describe=_describe(False, "Write version 15")),
    "destroy": SimpleNamespace(Args=_Step, describe=_describe(True, "Destroy version 14")),
}


def use(monkeypatch: Any) -> None:
    """Let the seams hold these alone."""
    monkeypatch.setattr(targets, "kinds", lambda: TARGETS)
    monkeypatch.setattr(steps, "kinds", lambda: STEPS)
    monkeypatch.setattr("rotation.asking.books", lambda: SimpleNamespace())
    books.books.cache_clear()


def asked(asker: Any, secret: str = "secret/prod/ledger/bank-sftp", *, checked: bool = True, **more: Any) -> Change:
    """Ask for a toy rotation as a page would; `checked` says that the worker found it well."""
    made = plan.make(
        "kv", {"secret": secret, "keys": ["password"]}, SimpleNamespace(), Wish("kv", more.pop("vault", ""))
    )
    rule = approvers.rule_for("kv", secret, made.risk)
    change = actions.request(
        asker, made, more.pop("reason", "Planned rotation, 90 days. SEC-1182."),
        Asked(evidence=more.pop("evidence", "")),
        rule={**rules.document(rule), **more.pop("rule", {})}, hours=rule.hours,
    )  # fmt: skip
    if checked:
        looked(change)
    if more:
        Change.objects.filter(pk=change.pk).update(**more)
    change.refresh_from_db()
    return change


def looked(change: Change, *troubles: str) -> None:
    """Leave what the worker leaves when it has held a plan against the vault."""
    lines = [{"step": 1, "ok": True, "says": "Version 14 is the newest."}]
    lines += [{"step": 1, "ok": False, "says": one} for one in troubles]
    Change.objects.filter(pk=change.pk).update(
        found={"ok": not troubles, "facts": {}, "lines": lines}, checked_at=Now(), facts_hash="f" * 64
    )
