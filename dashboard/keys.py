"""Row keys as URLs carry them."""

from __future__ import annotations


class Key:
    """A positive whole number that fits PostgreSQL's bigint; anything else is no page of ours."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Return its digits."""
        return str(value)


class ChangeKey(Key):
    """A change's name as people, Vault's log and messages write it, `C-215`; the number alone will do."""

    regex = "(?:C-)?[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value.removeprefix("C-"))

    def to_url(self, value: int) -> str:
        """Return the name."""
        return f"C-{value}"


def key_of(text: str, most: int = 10**18) -> int | None:
    """Return the key that a query parameter carries, or None when it carries none."""
    plain = text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) if plain and 0 < int(text) <= most else None
