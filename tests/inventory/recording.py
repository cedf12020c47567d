"""The recorded cluster: its pods' lives from the watch, its tokens and calls from the vault's log, and the truth."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from inventory.attribution import Token, World
from inventory.calibration import calibrated
from inventory.history import History
from inventory.lives import Lives, moment, sight_of

DATA = Path(__file__).parents[1] / "data" / "cluster"
SIGNED = ("kubernetes", "jwt", "oidc")


def packed(name: str) -> bytes:
    return gzip.decompress((DATA / f"{name}.gz").read_bytes())


@cache
def truth() -> dict[str, Any]:
    return json.loads(packed("truth.json"))


def watched() -> Iterator[dict[str, Any]]:
    for line in packed("pods.watch.ndjson").splitlines():
        yield json.loads(line)


def objects(kind: str) -> list[dict[str, Any]]:
    some = [json.loads(line) for line in packed("objects.ndjson").splitlines()]
    return [one for one in some if one["kind"] == kind]


def replayed(events) -> Lives:
    """The lives that a watch's events tell."""
    lives = Lives()
    for event in events:
        at, pod = moment(event["at"]), event["object"]
        if event["type"] == "DELETED":
            lives.see(at, sight_of(pod))
            lives.gone(at, pod["metadata"]["uid"])
        else:
            lives.see(at, sight_of(pod))
    return lives


@dataclass
class Call:
    """One answered call of the log."""

    id: str
    token: str
    address: str
    at: int


@dataclass
class Log:
    """What an audit log shows: tokens by their HMAC, and calls."""

    tokens: dict[str, Token]
    calls: list[Call]


def log(raw: bytes) -> Log:
    """Read an audit log as the audit room does, with nothing but its lines."""
    tokens: dict[str, Token] = {}
    calls: list[Call] = []
    for text in raw.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line["type"] != "response":
            continue
        request, auth = line["request"], line.get("auth") or {}
        at, address = moment(line["time"][:26].rstrip("Z") + "Z"), request.get("remote_address", "")
        key = auth.get("client_token") or request.get("client_token", "")
        calls.append(Call(request["id"], key, address, at))
        if not key or key not in tokens:
            tokens[key] = told(line, auth, at, address) if auth.get("client_token") else tokens.get(key, Token())
        if tokens[key].address == address:
            tokens[key] = replace(tokens[key], last_at=max(at, tokens[key].last_at))
    return Log(tokens, calls)


def told(line: dict[str, Any], auth: dict[str, Any], at: int, address: str) -> Token:
    """A token as the first line that shows it tells of it."""
    request, meta = line["request"], auth.get("metadata") or {}
    name, namespace = meta.get("service_account_name"), meta.get("service_account_namespace", meta.get("namespace"))
    login = request.get("mount_class") == "auth" and "/login" in request["path"]
    return Token(
        account=(namespace, name) if name and namespace else None,
        metadata=meta,
        signed=request.get("mount_type") in SIGNED,
        mount=(request.get("namespace") or {}).get("path", "") + request["mount_point"] if login else "",
        address=address if login else "",
        at=at if login else 0,
    )


def world_of(lives: Lives, accounts: dict[str, tuple[str, str, str]], *, proxies=frozenset()) -> World:
    return World({"c1": History("c1", lives.of.values())}, accounts, proxies=proxies)


def recorded_world(**more: Any) -> tuple[Log, World]:
    accounts = {
        one["metadata"]["uid"]: ("c1", one["metadata"]["namespace"], one["metadata"]["name"])
        for one in objects("ServiceAccount")
    }
    seen = log(packed("audit.log"))
    world = world_of(replayed(watched()), accounts, **more)
    return seen, calibrated(seen.tokens.values(), world)
