"""The client's address: what a proxy says counts only as far as we trust the proxy."""

from __future__ import annotations

import pytest

from accounts.address import client_address


@pytest.mark.parametrize(
    "trusted, address, forwarded, client",
    [
        ("", "203.0.113.9", "", "203.0.113.9"),
        ("", "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.0/8", "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.0/8", "10.1.2.3", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.0.0.0/8", "10.1.2.3", "<script>, 10.9.9.9", "10.9.9.9"),
        ("10.0.0.0/8", "10.1.2.3", "", "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3", "10.4.4.4", "10.4.4.4"),
        ("10.0.0.0/8", "10.1.2.3", "198.51.100.1:4711", "198.51.100.1"),
        ("fd00::/8", "fd00::1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("", "", "198.51.100.1", ""),
        ("unix", "", "198.51.100.1", "198.51.100.1"),
        ("unix, 10.0.0.0/8", "", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
    ],
)
def test_the_address_is_the_last_one_that_no_proxy_of_ours_has(settings, ask, trusted, address, forwarded, client):
    settings.TRUSTED_PROXIES = trusted
    assert client_address(ask(address, forwarded)) == client
