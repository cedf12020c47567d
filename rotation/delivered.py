"""Whether a pod has a new version in use: the rule of each way of delivery, and what falls short of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from inventory.sightings import VersionRead
from rotation.outcomes import ProofLine
from rotation.present import Getting

KUBELET = timedelta(seconds=120)  # within which a kubelet refreshes a mounted Secret, with its cache
OPERATORS = {"vso": "the Vault Secrets Operator", "eso": "the External Secrets Operator"}


def line(one: Getting, version: int, written: datetime, reads: Sequence[VersionRead], now: datetime) -> ProofLine:
    """Return the line of proof of one pod: proven, short with what is missing, or waiting."""
    if one.method in OPERATORS:
        return _by_operator(one, version, written, reads, now)
    if one.method == "csi":
        return _by_csi(one, version, written)
    if one.method == "native":
        return _line(one, "short", "a native Secret is not filled from Vault by anything that Keybook knows")
    return _by_itself(one, version, reads)


def _by_itself(one: Getting, version: int, reads: Sequence[VersionRead]) -> ProofLine:
    mine = [read for read in reads if read.kind == "pod" and read.pod_uid == one.pod_uid]
    for read in mine:
        if read.proven:  # one that was written after ours replaces the old value as well
            says = "read it" if read.version in (0, version) else "read a newer one"
            return _line(one, "proven", says, _of(read, version), read)
    if mine:
        return _line(one, "short", "a read fits this pod, but not surely", _of(mine[0], version), mine[0])
    account = [read for read in reads if read.kind == "account" and read.principal == one.service_account]
    if account:
        return _line(one, "short", "read by the service account", _of(account[0], version), account[0])
    return _line(one, "waiting", "not read by this pod yet")


def _of(read: VersionRead, version: int) -> str:
    return f"v{read.version or version}"


def _by_operator(
    one: Getting, version: int, written: datetime, reads: Sequence[VersionRead], now: datetime
) -> ProofLine:
    who = OPERATORS[one.method]
    read = min((each for each in reads if each.kind == "operator"), key=lambda each: each.first, default=None)
    if read is None:
        return _line(one, "waiting", f"{who} has not read it yet")
    synced = one.copied_at or one.synced_at
    if synced is None or synced < read.first - timedelta(seconds=5):
        return _line(one, "waiting", f"read by {who}, its copy has not changed yet", read=read)
    if one.made_at is not None and one.made_at >= synced:
        return _line(one, "proven", "started after the copy changed", _of(read, version), read)
    if one.files and now >= synced + KUBELET:
        return _line(one, "proven", "its files are refreshed by now", _of(read, version), read)
    return _line(one, "waiting", "synced, not yet in this pod", read=read)


def _by_csi(one: Getting, version: int, written: datetime) -> ProofLine:
    if one.copied_at is not None and one.copied_at >= written:
        return _line(one, "proven", "the mounted version changed after the write", f"v{version}")
    if one.made_at is not None and one.made_at >= written:
        return _line(one, "proven", "mounted after the write", f"v{version}")
    return _line(one, "waiting", "mounted version unchanged")


def _line(one: Getting, state: str, says: str, holds: str = "", read: VersionRead | None = None) -> ProofLine:
    if read is None:
        return ProofLine("pod", one.name, state, says, holds)
    grade = read.grade if holds else ""
    return ProofLine("pod", one.name, state, says, holds, grade, read.event, read.first)
