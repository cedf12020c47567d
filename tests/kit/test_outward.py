"""A request to somebody else's server goes to the internet by https, and inside only where the operator says so."""

from __future__ import annotations

import pytest

from kit.outward import Unusable, callable_anywhere, networks, permitted, target

HOOK = target("https://hooks.example.com/keybook?token=x")
INSIDE = networks("10.0.0.0/8, 127.0.0.1, fd00::/8")


def test_an_address_is_taken_apart_and_shown_without_its_path():
    assert (HOOK.host, HOOK.port, HOOK.path, HOOK.shown) == (
        "hooks.example.com", 443, "/keybook?token=x", "https://hooks.example.com",
    )  # fmt: skip
    assert target("http://[fd00::1]:8080").shown == "http://[fd00::1]:8080" and target("https://x.example").path == "/"


@pytest.mark.parametrize(
    "address",
    ["", "x", "ftp://x.example", "https://", "https://u@x.example", "https://u:p@x.example", "https://x.example/#a",
     "https://x.example:x/", "https://x.example:99999/", "https://x.example/\r\nHost: y", "https://x .example",
     "https://bücher.example", "https://x.example/" + "a" * 500, "file:///etc/passwd", "https://[::1"],
)  # fmt: skip
def test_what_is_no_address_of_a_receiver_is_refused(address):
    with pytest.raises(Unusable, match=r"\.$"):
        target(address)


@pytest.mark.parametrize(
    "found",
    ["10.1.2.3", "127.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", "::1", "fd00::1", "0.0.0.0", "::",
     "169.254.169.254", "fe80::1", "fe80::1%eth0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1",
     "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "2002:7f00:1::",
     "2001:0:4136:e378:8000:63bf:80ff:fffe", "fec0::1", "::7f00:1", "fd00:ec2::254"],
)  # fmt: skip
def test_nothing_inside_is_called_by_itself(found):
    with pytest.raises(Unusable, match=r"hooks\.example\.com is"):
        permitted(found, HOOK, ())


def test_what_the_operator_names_is_called_and_credentials_of_clouds_never_are():
    for found in ("10.1.2.3", "127.0.0.1", "fd00::1", "::ffff:10.1.2.3"):
        assert permitted(found, HOOK, INSIDE)
    assert permitted("127.0.0.1", target("http://localhost:9/"), INSIDE)
    for found in ("169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "fd00:ec2::254"):
        with pytest.raises(Unusable, match="no receiver can be"):
            permitted(found, HOOK, networks("0.0.0.0/0, ::/0"))


def test_the_internet_is_called_by_https_alone():
    assert permitted("93.184.216.34", HOOK, ()) and permitted("2606:2800:220:1::1", HOOK, ())
    with pytest.raises(Unusable, match="plain http"):
        permitted("93.184.216.34", target("http://hooks.example.com/"), INSIDE)


def test_a_network_that_is_none_is_refused():
    with pytest.raises(ValueError):
        networks("10.0.0.0/8, inside")


def test_an_ip_that_nothing_ever_calls_is_refused_where_it_is_written():
    for address in ("http://169.254.169.254/", "https://[fe80::1]/", "https://224.0.0.1/x"):
        with pytest.raises(Unusable, match="no receiver can be"):
            callable_anywhere(target(address))
    for address in ("http://10.1.2.3/", "https://hooks.example.com/x", "http://nope/"):
        callable_anywhere(target(address))  # the worker knows the networks inside, and what names resolve to
