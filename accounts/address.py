"""Whose address a request came from: the one rule about proxies, used wherever an address is recorded or counted."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network

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


def read_network(text: str) -> Network:
    """Return the network that `text` names (`10.0.0.0/8`, or one address); raises `ValueError` with the mend.

    IPv4 that is written as IPv6 (`::ffff:10.0.0.0/104`) is the IPv4 network that it means.
    """
    shown = text.strip()
    try:
        found = ip_network(shown, strict=False)
    except ValueError:
        raise ValueError(f"“{shown[:50]}” is no network. Write one as 10.0.0.0/8, or one address.") from None
    if "%" in shown:
        raise ValueError(f"“{shown[:50]}” names an interface of one machine. Leave out what stands after %.")
    if found.network_address != ip_interface(shown).ip:
        raise ValueError(f"“{shown[:50]}” is an address within a network. Write the network as {found}.")
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    return ip_network((mapped, found.prefixlen - 96)) if mapped and found.prefixlen >= 96 else found


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Return whether an address, as `client_address` tells it, lies in one of the networks; none lies nowhere."""
    found = _read(address)
    return found is not None and any(found in network for network in networks)


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
