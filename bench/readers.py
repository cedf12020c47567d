"""Readers of secrets over kept connections, for machines without wrk: a few processes with a few connections each."""

from __future__ import annotations

import multiprocessing
import re
import selectors
import socket
import time
from urllib.parse import urlsplit

PROCESSES = 2
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")


def read(url: str, tokens: list[str], secrets: int, seconds: float) -> None:
    """Read `secret/data/bench/N` with each of the tokens on its own connection, for so many seconds."""
    context = multiprocessing.get_context("spawn")
    shares = [tokens[number::PROCESSES] for number in range(PROCESSES)]
    running = [context.Process(target=_read, args=(url, share, secrets, seconds)) for share in shares if share]
    for one in running:
        one.start()
    for one in running:
        one.join()
    if any(one.exitcode for one in running):
        raise RuntimeError("a reader failed; OpenBao refused it or closed its connection")


def _read(url: str, tokens: list[str], secrets: int, seconds: float) -> None:
    where = urlsplit(url)
    with selectors.DefaultSelector() as selector:
        for number, token in enumerate(tokens):
            wire = socket.create_connection((where.hostname, where.port))
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asks = [_request(where.netloc, token, n) for n in range(secrets)]
            selector.register(wire, selectors.EVENT_READ, [asks, number * 7])
            wire.sendall(asks[number * 7 % secrets])
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, _ in selector.select(1.0):
                _one(key)


def _one(key: selectors.SelectorKey) -> None:
    """Take one whole answer and ask for the next secret."""
    wire, (asks, number) = key.fileobj, key.data
    _take_answer(wire)
    key.data[1] = number + 1
    wire.sendall(asks[(number + 1) % len(asks)])


def _take_answer(wire: socket.socket) -> None:
    answer = b""
    while True:
        piece = wire.recv(65_536)
        answer += piece
        head, found, body = answer.partition(b"\r\n\r\n")
        if not piece or (found and not head.startswith(b"HTTP/1.1 200")):
            raise ConnectionError(f"OpenBao answered {head[:40]!r}")
        length = _LENGTH.search(head)
        if found and length and len(body) >= int(length[1]):
            return


def _request(host: str, token: str, number: int) -> bytes:
    return f"GET /v1/secret/data/bench/{number} HTTP/1.1\r\nHost: {host}\r\nX-Vault-Token: {token}\r\n\r\n".encode()
