"""Reads what a wire raised as a step's outcome: surely refused, not now, or unknown."""

from __future__ import annotations

from cluster import errors as cluster
from rotation.outcomes import NotDone, Outcome, Refused, Unknown
from vault import errors as vault

_UNKNOWN = tuple(one for one in (getattr(vault, "Unknown", None), getattr(cluster, "Unknown", None)) if one)
_LATER = (vault.Unavailable, vault.Unreachable, vault.TokenGone)
_ANSWERS = (
    vault.NotThere, cluster.NotThere, cluster.NotAsPlanned, cluster.NotRestartable, cluster.NotRefreshable,
)  # fmt: skip
WIRES = (vault.VaultError, cluster.ClusterError)


def of_call(error: Exception) -> Outcome | None:
    """Return what an error of a call that changes something means; None for one that no wire raised."""
    if isinstance(error, _UNKNOWN):
        return Unknown(_sentence(error))
    if isinstance(error, _LATER) or (
        isinstance(error, cluster.ClusterError) and not isinstance(error, cluster.Refused)
    ):
        return NotDone(_sentence(error))  # a server that is away, sealed or busy may be there later
    return Refused(_sentence(error)) if isinstance(error, WIRES) else None


def of_look(error: Exception) -> Outcome | None:
    """Return what an error of a look means: it could not be told; None for one that no wire raised."""
    return Unknown(_sentence(error), seconds=2.0) if isinstance(error, WIRES) else None


def is_answer(error: Exception) -> bool:
    """Tell whether an error of a look says how things are: what was planned is gone, or no longer as it was.

    Any other says that nobody could look: a server that is away, a token that may not.
    """
    return isinstance(error, _ANSWERS)


def _sentence(error: Exception) -> str:
    said = str(error)
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")
