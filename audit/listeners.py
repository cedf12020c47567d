"""What an operator says of a vault's listener: the proxies whose forwarded addresses it believes."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts import trail
from accounts.models import User
from audit.commands import BadInput
from audit.models import Vault
from inventory.lives import canonical
from inventory.pods import forget_proxies, state_proxies


def say(vault: str, proxies: Sequence[str] | None, *, actor: User | str) -> list[str] | None:
    """Write down which proxies a vault believes: none at all, these, or (None) that it is not known; returns them.

    Raises `BadInput` for a vault that no log is of and for what is no IP address. Calls are attributed anew by it.
    """
    one = Vault.objects.filter(name=vault).first()
    if one is None:
        raise BadInput(f"There is no vault {vault}. `manage.py doctor` lists those that are known.")
    ranges = [given for given in proxies or () if "/" in given]
    if ranges:
        raise BadInput(
            f"{ranges[0]} is a range: whoever has an address in it may write another's, and no address proves who "
            "called. Let the vault believe the proxies' own addresses alone; until then say --not-known."
        )
    wrong = [address for address in proxies or () if not canonical(address)]
    if wrong:
        raise BadInput(f"{wrong[0]} is not an IP address. Name each proxy by the address that it connects from.")
    told = None if proxies is None else sorted(map(canonical, proxies))
    with transaction.atomic():
        if told is None:
            forget_proxies(vault)
        else:
            state_proxies(vault, told)
        details: dict[str, trail.Detail] = {"proxies": "not known" if told is None else ", ".join(told) or "none"}
        trail.record(actor, "audit.listener.stated", trail.Subject("vault", one.pk, vault), details=details)
    return told
