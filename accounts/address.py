"""Whose address a request came from: the one rule about proxies, used wherever an address is recorded or counted."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
UNIX = "unix"  # a proxy on the same machine that speaks through a unix socket, which has no address


@cache
def proxies(words: str) -> tuple[frozenset[Network], bool]:
    """Return the networks that `TRUSTED_PROXIES` names, and whether a unix socket is trusted; a wrong one raises
    `ValueError`, which names it."""
    named = {word.strip() for word in words.split(",") if word.strip()}
    return frozenset(ip_network(word) for word in named - {UNIX}), UNIX in named


def _read(text: str) -> Address | None:
    """Return the address that `text` holds, without a port or brackets; None if it holds none."""
    plain = text.strip().removeprefix("[").partition("]")[0]
    plain = plain.partition(":")[0] if plain.count(":") == 1 else plain
    try:
        found = ip_address(plain)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def client_address(request: HttpRequest) -> str:
    """Return the client's address, or "" where there is none.

    Forwarded addresses are read from the right, and only for as long as a proxy that we trust wrote them: what stands
    further left came from outside and can be anything.
    """
    networks, unix = proxies(settings.TRUSTED_PROXIES)
    nearest = _read(request.META.get("REMOTE_ADDR", ""))
    trusted = unix if nearest is None else any(nearest in network for network in networks)
    for hop in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        found = _read(hop)
        if not trusted or found is None:
            break
        nearest, trusted = found, any(found in network for network in networks)
    return str(nearest or "")
