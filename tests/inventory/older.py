"""The older recording: pods built from its truth, and its log as it is or with other addresses."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import zstandard

from inventory.attribution import World
from inventory.calibration import calibrated
from inventory.lives import Lives, Sight, moment
from tests.inventory.recording import Log, log, world_of

DATA = Path(__file__).parents[1] / "data" / "corpus"
S = 1_000_000


def unpacked(name: str) -> bytes:
    with (DATA / f"{name}.zst").open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read()


@cache
def truth() -> dict[str, Any]:
    return json.loads(unpacked("truth.json"))


def pods() -> dict[str, dict[str, Any]]:
    """The pods by uid, each with its first and last call."""
    found = {}
    for name, one in truth()["identities"].items():
        if one["kind"] == "pod":
            times = [moment(call["at"]) for call in truth()["calls"] if call["identity"] == name]
            found[one["pod_uid"]] = one | {"identity": name, "first": min(times), "address": one["source_addresses"][0]}
    return found


def node_of(one: dict[str, Any]) -> str:
    return f"node-{int(one['address'].rsplit('.', 1)[1]) % 3}"


def history(address_of: Callable[[dict[str, Any]], str] = lambda one: one["address"]) -> Lives:
    lives = Lives()
    for uid, one in pods().items():
        start = one["first"] - S // 5
        lives.see(
            start,
            Sight(uid, one["k8s_namespace"], one["pod"], one["service_account"], node_of(one),
                  addresses=(address_of(one),), started=start),
        )  # fmt: skip
    for uid, one in sorted(pods().items(), key=lambda item: item[1].get("gone") or ""):
        if one.get("gone"):
            lives.gone(moment(one["gone"]), uid)
    return lives


def accounts() -> dict[str, tuple[str, str, str]]:
    return {one["service_account_uid"]: ("c1", one["k8s_namespace"], one["service_account"]) for one in pods().values()}


def world(raw: bytes, lives: Lives, **more: Any) -> tuple[Log, World]:
    seen = log(raw)
    return seen, calibrated(seen.tokens.values(), world_of(lives, accounts(), **more))


def rewritten(change: Callable[[dict[str, Any]], str | None]) -> bytes:
    """The log with other remote addresses, where `change` gives one for a line."""
    lines = []
    for text in unpacked("audit.log").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            lines.append(text)
            continue
        address = change(line)
        if address is not None:
            line["request"]["remote_address"] = address
            text = json.dumps(line).encode()
        lines.append(text)
    return b"\n".join(lines)
