"""Where a cluster is and how to log in there: a kubeconfig, the pod that we run in, or an address with a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from cluster.errors import ContextMissing, KubeconfigWrong, LoginProgramRefused, UnusableAddress

_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - where a pod finds it
_CA = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """A file as kubectl reads it; `context` empty takes its current one.

    `programs` allows it to run the program that it names to log in (`exec`), as the user that Keybook runs as.
    """

    path: str
    context: str = ""
    programs: bool = False


@dataclass(frozen=True, slots=True)
class InCluster:
    """The cluster whose pod we are; the token's file is read again, for the kubelet renews it."""

    token_file: str = _TOKEN
    ca_file: str = _CA


@dataclass(frozen=True, slots=True)
class Address:
    """An address with a token, or a file that holds one; `ca_file` empty trusts what the system trusts."""

    url: str
    token: str = field(default="", repr=False)
    token_file: str = ""
    ca_file: str = ""


Place = Kubeconfig | InCluster | Address


def chosen(config: object, context: str, *, programs: bool, where: str) -> str:
    """Return the context that a kubeconfig (as YAML gave it) is used with, after looking at all that it needs.

    Raises `KubeconfigWrong`, `ContextMissing` (naming those that there are), `LoginProgramRefused`.
    """
    if not isinstance(config, Mapping):
        raise KubeconfigWrong("the kubeconfig is no kubeconfig", where, "take the one that kubectl uses")
    contexts = _named(config, "contexts", where)
    name = context or str(config.get("current-context") or "")
    if name not in contexts:
        known = ", ".join(sorted(contexts)) or "none at all"
        lost = f"has no context {name!r}" if name else "has no current context"
        raise ContextMissing(f"the kubeconfig {lost}", where, f"name one of those that it has: {known}")
    about = _object(contexts[name].get("context"))
    cluster = _object(_named(config, "clusters", where).get(str(about.get("cluster")), {}).get("cluster"))
    user = _object(_named(config, "users", where).get(str(about.get("user")), {}).get("user"))
    _check_cluster(name, cluster, where)
    _check_user(name, user, programs, where)
    return name


def _check_cluster(name: str, cluster: Mapping[str, Any], where: str) -> None:
    if not isinstance(cluster.get("server"), str):
        raise KubeconfigWrong(f"the cluster of context {name!r} has no server", where, "add its address")
    if cluster.get("insecure-skip-tls-verify"):
        mend = "put its CA under certificate-authority-data: without it anybody may take our token"
        raise KubeconfigWrong(f"context {name!r} trusts any certificate (insecure-skip-tls-verify)", where, mend)


def _check_user(name: str, user: Mapping[str, Any], programs: bool, where: str) -> None:
    if not user:
        raise KubeconfigWrong(f"the user of context {name!r} is not in it", where, "add its token or certificate")
    for kind in ("exec", "auth-provider"):
        if kind in user and not programs:
            raise LoginProgramRefused(
                f"context {name!r} logs in with a program ({kind}), and Keybook runs none",
                where,
                "make a service account's token for Keybook, or allow programs for this cluster",
            )


def _named(config: Mapping[str, Any], kind: str, where: str) -> dict[str, Mapping[str, Any]]:
    rows = config.get(kind) or []
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise KubeconfigWrong(f"{kind} of the kubeconfig is no list", where, "take the one that kubectl uses")
    return {str(row["name"]): row for row in rows if isinstance(row, Mapping) and "name" in row}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def checked(address: str, *, plain_http: bool = False) -> str:
    """Return an API server's address without a slash at its end; it may have a path. Raises `UnusableAddress`.

    Plain http is for loopback alone, unless `plain_http` says that it is meant: the token travels readable.
    """
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in address):
        raise UnusableAddress("the address holds a blank or a control character", "", _EXAMPLE)
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise UnusableAddress("the address can't be read", "", _EXAMPLE) from None
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise UnusableAddress("the address is no http(s) address", "", _EXAMPLE)
    if parts.username is not None or parts.password is not None:
        raise UnusableAddress("the address holds a user name or password", "", "leave out what stands before the @")
    if parts.query or parts.fragment:
        raise UnusableAddress("the address holds a query", "", "leave out what stands after the path")
    _check_literal(host)
    if parts.scheme == "http" and not plain_http and not is_loopback(host):
        raise UnusableAddress("plain http to another machine", host, "use https: the token travels readable")
    return address.rstrip("/")


_EXAMPLE = "write https://kubernetes.example:6443"


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine."""
    literal = _literal(host)
    return literal.is_loopback if literal else host == "localhost" or host.endswith(".localhost")


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _check_literal(host: str) -> None:
    found = _literal(host)
    if found is None:
        return
    real = found.ipv4_mapped if isinstance(found, IPv6Address) and found.ipv4_mapped else found
    if real.is_link_local or real.is_multicast or real.is_unspecified:
        raise UnusableAddress(f"{host} is no API server's address", "", "give the cluster's own address")
