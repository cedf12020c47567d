"""Lists as PostgreSQL's array literals: a driver that adapts element by element spends more than the query itself."""

from __future__ import annotations

from collections.abc import Sequence


def numbers(values: Sequence[int]) -> str:
    """The literal of an array of integers: `{1,2}`."""
    return f"{{{','.join(map(str, values))}}}"


def texts(values: Sequence[str]) -> str:
    """The literal of an array of texts, none of which holds a NUL: `{"a","b"}`."""
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') != 2 * len(values) - 2:
        joined = '","'.join([value.replace("\\", "\\\\").replace('"', '\\"') for value in values])
    return f'{{"{joined}"}}' if values else "{}"


def binaries(values: Sequence[bytes]) -> str:
    r"""The literal of an array of byte strings: `{"\\x00ff"}`."""
    return '{"\\\\x' + '","\\\\x'.join([value.hex() for value in values]) + '"}' if values else "{}"
