"""500 hostile strings, and an audit log that holds each of them in every name that somebody can choose."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.browser.story import _hmac

MARKUP = [
    "<script>report('ran')</script>",
    "<img src=x onerror=report('ran')>",
    "<svg onload=report('ran')>",
    "\"><b onmouseover=report('ran')>",
    "' autofocus onfocus=report('ran') x='",
    "<iframe srcdoc='<script>report(1)</script>'>",
    "<a href=javascript:report('ran')>x</a>",
    "<button hx-get='/sign-out/' hx-trigger='load'>",
    "<style>*{display:none}</style>",
    "</title></script><script>report('ran')</script>",
    "<!--",
    "]]>",
    "{{ 7|add:7 }}",
    "{% url 'home' %}",
    "${7*7}",
    "%3Cscript%3E",
    "&lt;script&gt;",
    "<form action=//evil.example>",
    "<meta http-equiv=refresh content=0>",
    "<base href=//evil.example>",
    '=HYPERLINK("http://evil.example")',
    "@SUM(1+1)",
    "+1+1",
    "-2+3",
    "<details open ontoggle=report('ran')>",
]
TURNS = ["", "\u202egnp.exe", "\u2066a\u2067b", "\u200b", "\u200f", "\ufeff", "\u00ad", "\u2028", "\u0085", "\u0007"]
SCRIPTS = [
    "שלום עולם",
    "مرحبا بالعالم",
    "日本語の名前",
    "Ωmega",
    "e\u0301" * 20,
    "👩‍👩‍👧‍👦",
    "z\u0337\u0322a\u0327\u0321",
    "\u0e01\u0e49" * 12,
]
LONG = [
    "a" * 256,
    "ab/" * 60 + "c",
    "…" * 90,
    "W" * 120 + " " + "i" * 100,
    "%00" * 40,
    "\\" * 80,
    "../" * 30 + "etc/passwd",
    "?x=1#y",
]


def strings() -> list[str]:
    """Return 500 or more different strings."""
    mixed = [f"{one}{turn}{two}" for one, turn, two in itertools.product(MARKUP, TURNS, ("", "שלום"))]
    return list(dict.fromkeys([*MARKUP, *SCRIPTS, *LONG, *(f"x{turn}y" for turn in TURNS), *mixed]))


def write(path: Path, now: datetime | None = None, found: list[str] | None = None) -> int:
    """Write a log with a read for each text: in path, user name, metadata, address, policy and alias."""
    now, lines = now or datetime.now(UTC), []
    found = found or strings()
    for number, text in enumerate(found):
        at = now - timedelta(minutes=30) + timedelta(milliseconds=100 * number)
        common = {
            "auth": {
                "client_token": _hmac(f"token {number}"), "accessor": _hmac(f"accessor {number}"), "display_name": text,
                "policies": ["default", text], "metadata": {"username": f"{text} {number}", text: text},
                "entity_id": f"{number:032x}", "token_type": "service",
            },
            "request": {
                "id": f"{number:08x}-aaaa-4c11-9e0d-{number:012x}", "operation": "read", "mount_point": "secret/",
                "mount_type": "kv", "mount_accessor": f"kv_{number:08x}", "namespace": {"id": "root"},
                "path": f"secret/data/h/{number}/{text}", "remote_address": f"{text} {number}", "remote_port": 1,
            },
        }  # fmt: skip
        data = {"data": {text: _hmac(text)}, "metadata": {"version": 1, "destroyed": False}}
        answer = {"response": {"mount_type": "kv", "data": data}}
        for kind, more in (("request", {}), ("response", answer)):
            time = at.isoformat().replace("+00:00", "Z")
            lines.append(json.dumps({"time": time, "type": kind, **common, **more}, ensure_ascii=number % 2 == 0))
    lines.insert(5, "<script>report('ran')</script> is no audit line \u202e")
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return len(found)


def packs(longest: int) -> list[str]:
    """Return few texts that together hold every string, none longer; a string that is longer is cut."""
    found = [""]
    for text in strings():
        one = text[:longest]
        if len(found[-1]) + len(one) + 1 > longest:
            found.append("")
        found[-1] = f"{found[-1]} {one}" if found[-1] else one
    return found
