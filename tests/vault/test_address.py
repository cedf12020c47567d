"""Only a vault's address is called: one guard, in words."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from vault.address import checked, is_loopback, refuse
from vault.errors import UnusableAddress


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://vault.example:8200", "https://vault.example:8200"),
        ("https://vault.example:8200/", "https://vault.example:8200"),
        ("HTTPS://Vault.Example", "https://vault.example"),
        ("http://127.0.0.1:8200", "http://127.0.0.1:8200"),
        ("http://localhost:8200", "http://localhost:8200"),
        ("http://[::1]:8200", "http://[::1]:8200"),
        ("https://10.2.3.4:8200", "https://10.2.3.4:8200"),
    ],
)
def test_an_address_is_scheme_host_and_port(given, kept):
    assert checked(given) == kept


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "no http(s) address"),
        ("vault.example:8200", "no http(s) address"),
        ("file:///etc/passwd", "no http(s) address"),
        ("gopher://vault.example", "no http(s) address"),
        ("https://", "no http(s) address"),
        ("https://user:hunter2@vault.example", "user name or password"),
        ("https://hunter2@vault.example", "user name or password"),
        ("https://vault.example/v1/secret", "more than scheme"),
        ("https://vault.example?x=1", "more than scheme"),
        ("https://vault.example#x", "more than scheme"),
        ("https://vault.example:port", "can't be read"),
        ("https://[::1", "can't be read"),
        ("https://vault .example", "blank"),
        ("https://vault.example\r\nX: y", "blank"),
        ("http://vault.example:8200", "plain http"),
        ("http://10.2.3.4:8200", "plain http"),
        ("http://169.254.169.254", "where no vault can be"),
        ("https://169.254.169.254", "where no vault can be"),
        ("https://[fe80::1]:8200", "where no vault can be"),
        ("https://[::ffff:169.254.169.254]", "where no vault can be"),
        ("https://0.0.0.0", "where no vault can be"),
        ("https://224.0.0.1", "where no vault can be"),
        ("https://2130706433", "no host name"),
        ("https://0x7f000001", "no host name"),
        ("https://127.1", "no host name"),
    ],
)
def test_what_is_no_vault_is_refused_with_the_mend(given, said):
    with pytest.raises(UnusableAddress) as caught:
        checked(given)
    assert said in str(caught.value) and caught.value.mend
    assert "hunter2" not in str(caught.value) and caught.value.permanent


def test_plain_http_elsewhere_must_be_meant():
    assert checked("http://vault.internal:8200", plain_http=True) == "http://vault.internal:8200"


def test_a_name_that_only_begins_like_this_machine_is_another():
    assert not is_loopback("127.0.0.1.example.org") and not is_loopback("localhost.example.org")


@pytest.mark.parametrize("found", ["10.0.0.5", "192.168.1.2", "127.0.0.1", "fd00::1", "203.0.113.9"])
def test_a_company_s_own_network_is_where_vaults_are(found):
    refuse(ip_address(found), "vault.internal")
