"""What an operator may set, read without the frameworks: this process must start quickly and stay small."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class WrongSetting(Exception):
    """A setting can't be used; the message names it and never shows its value."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings by the names of docs/configuration.md; `deadline` is in seconds, sizes are in bytes."""

    database_url: str
    host: str
    port: int
    deadline: float
    largest_body: int
    longest_line: int


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings from the environment, else from files of the same name in the folder of secrets.

    Raises `WrongSetting`.
    """
    given = os.environ if environment is None else environment
    host, port = _address(_text(given, "KEYBOOK_RECEIVER", "127.0.0.1:8090"))
    return Settings(
        database_url=_text(given, "DATABASE_URL", "postgresql:///keybook"),
        host=host,
        port=port,
        deadline=_number(given, "KEYBOOK_RECEIVER_DEADLINE_MS", 250, 1, 60_000) / 1000,
        largest_body=_number(given, "KEYBOOK_RECEIVER_BODY", 16 * 1024 * 1024, 1024, 1024**3),
        longest_line=_number(given, "KEYBOOK_MAX_LINE", 16 * 1024 * 1024, 1024, 1024**3),
    )


def _text(given: Mapping[str, str], name: str, default: str) -> str:
    if value := given.get(name):
        return value
    folder = Path(given.get("KEYBOOK_SECRETS", "/run/secrets"))
    for file in (folder / name.lower(), folder / name):
        if file.is_file():
            return file.read_text().strip()
    return default


def _number(given: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = _text(given, name, str(default))
    if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
        raise WrongSetting(f"The setting {name} is wrong: it is a whole number from {low} to {high}.")
    return int(text)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise WrongSetting("The setting KEYBOOK_RECEIVER is wrong: it is HOST:PORT, such as 127.0.0.1:8090.")
    return host.strip("[]"), int(port)
