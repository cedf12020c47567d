"""Which addresses a request to somebody else's server may go to: the guard against being sent inside. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Ip = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
LONGEST = 500
_CREDENTIALS = IPv6Address("fd00:ec2::254")  # where a cloud keeps them that has no link-local IPv6 address for it
_EVERYTHING = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_NAT64 = IPv6Network("64:ff9b::/96")


class Unusable(ValueError):
    """An address that is not called; the message says why and what to give instead."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart: whom to resolve, and what to ask of it."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def shown(self) -> str:
        """Return it without its path, which may be a secret of its own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.secure else 80
        port = "" if self.port == usual else f":{self.port}"
        return f"http{'s' if self.secure else ''}://{host}{port}"


def target(address: str) -> Target:
    """Return an address taken apart. Raises `Unusable`."""
    if len(address) > LONGEST or any(ord(letter) <= 32 or ord(letter) == 127 for letter in address):
        raise Unusable(f"The address has a blank, a control character, or more than {LONGEST} characters.")
    if not address.isascii():
        raise Unusable("The address has letters that are not ASCII. Write the host in its xn-- form.")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise Unusable("The address can't be read. Write https://hooks.example.com/keybook.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unusable("The address is no http(s) address. Write https://hooks.example.com/keybook.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Unusable("The address holds a user name, a password or a fragment. Leave them out.")
    secure = parts.scheme == "https"
    path = parts.path or "/"
    return Target(
        secure, parts.hostname, port or (443 if secure else 80), f"{path}?{parts.query}" if parts.query else path
    )


def networks(words: str) -> tuple[Network, ...]:
    """Return networks that are separated by commas. Raises `ValueError`."""
    return tuple(ip_network(part) for part in map(str.strip, words.split(",")) if part)


def permitted(found: str, aim: Target, inside: Sequence[Network]) -> Ip:
    """Return an IP address that a host resolved to, if it may be called. Raises `Unusable`.

    Addresses of the internet may be, by https; what lies in `inside` too, by http as well. Link-local addresses
    (where clouds keep credentials), multicast and none are never called, whatever `inside` says.
    """
    real = _real(ip_address(found.partition("%")[0]))
    named = f"The address is {found}" if aim.host == found else f"{aim.host} is {found}"
    if (
        real == _CREDENTIALS
        or real.is_link_local
        or real.is_multicast
        or real.is_unspecified
        or real == IPv4Address("255.255.255.255")
    ):
        raise Unusable(f"{named}, where no receiver can be. Give the receiver's own address.")
    within = any(real in network for network in inside if network.version == real.version)
    # Python calls some addresses global that no network of the internet has: site-local ones, and IPv4 in `::/96`.
    public = real.is_global and not (isinstance(real, IPv6Address) and (real.is_site_local or real.is_reserved))
    if not within and not public:
        raise Unusable(f"{named}, which is inside. If that is meant, add its network to KEYBOOK_NOTICE_INSIDE.")
    if not aim.secure and not within:
        raise Unusable(f"{aim.shown} is plain http, which is only for networks of KEYBOOK_NOTICE_INSIDE. Use https.")
    return real


def callable_anywhere(aim: Target) -> None:
    """Refuse an address that is an IP which nothing ever calls. Raises `Unusable`; of a name nothing is known here."""
    try:
        found = str(ip_address(aim.host))
    except ValueError:
        return
    permitted(found, aim, _EVERYTHING)


def _real(found: Ip) -> Ip:
    """Return the IPv4 address that an IPv6 one only wraps."""
    if isinstance(found, IPv4Address):
        return found
    if found in _NAT64:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    teredo = found.teredo[1] if found.teredo else None
    return found.ipv4_mapped or found.sixtofour or teredo or found
