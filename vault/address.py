"""Which addresses of a vault may be called: the one guard against being sent somewhere else."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from vault.errors import UnusableAddress

Ip = IPv4Address | IPv6Address
_PLAIN = "use https, or say that plain http is meant (--plain-http): the token travels readable"


def checked(address: str, *, plain_http: bool = False) -> str:
    """Return `scheme://host[:port]` without anything more; raises `UnusableAddress`.

    Plain http is for loopback alone, unless `plain_http` says that it is meant.
    """
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in address):
        raise UnusableAddress(
            "the address holds a blank or a control character", "", "write https://vault.example:8200"
        )
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise UnusableAddress("the address can't be read", "", "write https://vault.example:8200") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnusableAddress("the address is no http(s) address", "", "write https://vault.example:8200")
    if parts.username is not None or parts.password is not None:
        raise UnusableAddress("the address holds a user name or password", "", "leave out what stands before the @")
    if parts.query or parts.fragment or parts.path.strip("/"):
        raise UnusableAddress("the address holds more than scheme, host and port", "", "leave out what stands after")
    host = parts.hostname
    _check_literal(host)
    if parts.scheme == "http" and not plain_http and not is_loopback(host):
        raise UnusableAddress("plain http to another machine", host, _PLAIN)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine."""
    literal = _literal(host)
    return literal.is_loopback if literal else host == "localhost" or host.endswith(".localhost")


def refuse(found: Ip, host: str) -> None:
    """Raise `UnusableAddress` for an IP address that no vault has: link-local (cloud metadata), multicast, none.

    Addresses of a company's own network are what vaults have, so private ranges are allowed.
    """
    real = found.ipv4_mapped if isinstance(found, IPv6Address) and found.ipv4_mapped else found
    if real.is_link_local or real.is_multicast or real.is_unspecified or real == IPv4Address("255.255.255.255"):
        raise UnusableAddress(f"{host} is {found}, where no vault can be", "", "give the vault's own address")


def _literal(host: str) -> Ip | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _check_literal(host: str) -> None:
    literal = _literal(host)
    if literal:
        refuse(literal, host)
    elif host.replace(".", "").isdigit() or host.lower().startswith("0x"):
        raise UnusableAddress(f"{host} is no host name", "", "write an IP address with four parts")  # 2130706433
