"""Whose logs a name stands for, a vault's or a Kubernetes cluster's: settled by the first record read under it."""

from __future__ import annotations

from collections.abc import Mapping

from audit.models import Vault
from audit.sources.content import KUBERNETES, VAULT
from audit.sources.file import UnusableFile

_WHOSE = {VAULT: "a vault", KUBERNETES: "a Kubernetes cluster"}
_LOG = {VAULT: "a vault's audit log", KUBERNETES: "the audit log of a Kubernetes API server"}


def settle(vault: Vault, kind: str, place: str) -> None:
    """Have a name stand for this kind of log from now on; raises `UnusableFile` when it stands for the other."""
    if not kind:
        return
    if not vault.kind:
        Vault.objects.filter(pk=vault.pk, kind="").update(kind=kind)
        vault.refresh_from_db(fields=["kind"])
    check(vault, kind, place)


def check(vault: Vault | None, kind: str, place: str) -> None:
    """Refuse a log under a name that stands for the other kind; raises `UnusableFile`."""
    if vault is not None and kind and vault.kind not in ("", kind):
        raise UnusableFile(
            f"{place}: is {_LOG[kind]}, and {vault.name} is the name of {_WHOSE[vault.kind]}. Give it a name of its "
            "own (--vault NAME); nothing was read."
        )


def stray(name: str, kind: str) -> str:
    """Return why a record that was sent under a name is not taken."""
    of = "a Kubernetes API server's" if kind == VAULT else "a vault's"
    return f"it is {of} record, and {name} is the name of {_WHOSE[kind]}: send it with a token of a name of its own"


def one_of(kinds: Mapping[str, str]) -> str:
    """Return the one kind of several logs by their places; raises `UnusableFile` when there are two."""
    known = {kind: place for place, kind in kinds.items() if kind}
    if len(known) > 1:
        raise UnusableFile(
            f"{known[KUBERNETES]} is {_LOG[KUBERNETES]} and {known[VAULT]} {_LOG[VAULT]}: import them under two names. "
            "Nothing was imported."
        )
    return next(iter(known), "")
