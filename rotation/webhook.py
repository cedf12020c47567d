"""Posts one signed notice to a webhook, as Standard Webhooks has it: no redirect, a short time, nothing read of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from http.client import HTTPException

import msgspec
from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from kit import outward
from kit.outward import Target, Unusable

CONNECT, WHOLE = 5.0, 10.0  # seconds


class Failed(Exception):
    """It was not taken; the message says why. `final` means that trying again would not help."""

    def __init__(self, sentence: str, *, final: bool = False) -> None:
        super().__init__(sentence)
        self.final = final


def signature(secrets: Sequence[bytes], name: str, seconds: int, body: bytes) -> str:
    """Return `v1,...` for each secret that holds, with a blank between."""
    signed = f"{name}.{seconds}.".encode() + body
    made = (hmac.new(one, signed, hashlib.sha256).digest() for one in secrets)
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)


def post(address: str, document: Mapping[str, object], name: str, secrets: Sequence[bytes], now: datetime) -> str:
    """Post a notice and return what was answered, in words. Raises `Failed`."""
    body, seconds = msgspec.json.encode(document), int(now.timestamp())
    headers = {
        "Content-Type": "application/json", "User-Agent": "Keybook", "webhook-id": name,
        "webhook-timestamp": str(seconds), "webhook-signature": signature(secrets, name, seconds, body),
    }  # fmt: skip
    status = _send(address, body, headers)
    if 200 <= status < 300:
        return f"It answered {status}."
    if 300 <= status < 400:
        raise Failed(f"It answered {status}: Keybook follows no redirect. Give the address that it leads to.")
    raise Failed(f"It answered {status}.", final=status == 410)


def _send(address: str, body: bytes, headers: Mapping[str, str]) -> int:
    try:
        aim = outward.target(address)
        connection = _connection(aim, _resolved(aim))
    except Unusable as why:
        raise Failed(str(why), final=True) from None
    watch = threading.Timer(WHOLE, _cut, [connection])
    watch.daemon = True
    watch.start()
    try:
        connection.request("POST", aim.path, body=body, headers={"Host": _host(aim), **headers}, preload_content=False)
        return connection.getresponse().status
    except (OSError, HTTPError, HTTPException, ValueError) as error:
        raise Failed(f"{aim.shown} did not take it: {_plain(error)}.") from None
    finally:
        watch.cancel()
        connection.close()


def _resolved(aim: Target) -> str:
    """Return the one IP address that is then connected to: what was looked at is what is called."""
    try:
        found = socket.getaddrinfo(aim.host, aim.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Failed(f"{aim.host} has no address now.") from None
    inside = outward.networks(settings.KEYBOOK.notice_inside)
    usable = [outward.permitted(str(one[4][0]), aim, inside) for one in found]  # each of them: one bad one is enough
    return str(usable[0])


def _connection(aim: Target, ip: str) -> HTTPConnection:
    if aim.secure:
        return HTTPSConnection(ip, aim.port, timeout=CONNECT, server_hostname=aim.host, assert_hostname=aim.host,
                               cert_reqs="CERT_REQUIRED")  # fmt: skip
    return HTTPConnection(ip, aim.port, timeout=CONNECT)


def _host(aim: Target) -> str:
    return aim.shown.partition("//")[2]


def _cut(connection: HTTPConnection) -> None:
    """End a call that takes too long, however little by little it answers."""
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def _plain(error: Exception) -> str:
    """Return what went wrong in few words, and nothing that the other side wrote."""
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "it did not answer in time"
    if isinstance(error, ConnectionRefusedError) or "refused" in str(error):
        return "the connection was refused"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not one that this machine trusts"
    return f"the connection broke ({type(error).__name__})"
