"""What takes a secret back that somebody had: a rotation of its kind, the end of its leases, or a person."""

from __future__ import annotations

from rotation.estate import Estate
from rotation.planning import Left, Refused

KV, STATIC_ROLES, TRANSIT_KEYS = GROUPS = ("kv", "static_roles", "transit_keys")
LOGIN = "It gives what somebody logs in with, a token or a secret-id: no rotation ends what it gave."
LOGIN_MEND = "End it in the vault: revoke the token by its accessor, destroy the secret-id."
BY_HAND = "Change it where it was issued, then write the new value in the vault."


def group_of(secret: str, vault: str, estate: Estate) -> str | Left:
    """Return the group of what rotates a secret, or why nothing does and what to do instead."""
    try:
        place = estate.place(secret, vault)
    except Refused as why:
        if "/auth/" in f"/{secret}":
            return Left(secret, LOGIN, LOGIN_MEND)
        return Left(secret, why.sentence, why.mend or BY_HAND)
    below = {
        ("kv", True): KV, ("generic", True): KV, ("database", place.path.startswith("static-creds/")): STATIC_ROLES,
        ("transit", place.path.startswith("keys/")): TRANSIT_KEYS,
    }  # fmt: skip
    if group := below.get((place.type, True)):
        return group
    if "creds/" in place.path:
        return Left(secret, "It gives credentials by lease: they end with their leases, and no value stays.",
                    "Nothing to rotate; revoke its leases.")  # fmt: skip
    return Left(secret, f"Keybook rotates nothing of the kind {place.type}.", BY_HAND)
