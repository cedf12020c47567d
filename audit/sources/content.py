"""Tells by its content whose log it is: a vault's, or that of a Kubernetes API server."""

from __future__ import annotations

from cluster import audit_line as cluster_line
from vault import audit_line as vault_line
from vault import framing
from vault.errors import NotAnAuditLine

VAULT, KUBERNETES = "vault", "kubernetes"
CLUSTER_GRAMMAR = framing.Grammar(cluster_line.BEGINNING, cluster_line.is_entry)
_LINES = 2_000


def kind_of(head: bytes) -> tuple[str, bool]:
    """Return the kind of the first record among a log's first lines, and whether there may be one at all.

    The kind is empty while nothing tells, as of a container's record whose end has not come.
    """
    maybe = False
    for line in head.split(b"\n")[:_LINES]:
        kind, unfinished = _kind_of_line(line)
        if kind:
            return kind, True
        maybe |= unfinished
    return "", maybe


def _kind_of_line(line: bytes) -> tuple[str, bool]:
    if not line.strip():
        return "", False
    if kind := kind_of_record(line):
        return kind, True
    unfinished = False
    for kind, grammar in ((VAULT, framing.VAULT), (KUBERNETES, CLUSTER_GRAMMAR)):
        framer = framing.Joiner(grammar=grammar)
        if any(frame.kind is framing.Kind.LINE for frame in framer.feed(line, 0)):
            return kind, True
        unfinished |= framer.resume_at is not None
    return "", unfinished


def kind_of_record(raw: bytes) -> str:
    """Return the kind of one bare record, empty if it is none."""
    try:
        cluster_line.decode(raw)
    except cluster_line.NotARecord:
        pass
    else:
        return KUBERNETES
    try:
        vault_line.decode(raw)
    except NotAnAuditLine:
        return ""
    return VAULT
