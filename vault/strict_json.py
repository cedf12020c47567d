"""Reads JSON as it stands: pairs in order with duplicates, numbers as their own text, nothing lenient accepted."""

from __future__ import annotations

from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn

DEEPEST = 64


class NotJson(ValueError):
    """These bytes are not one JSON document; the message says why, without a byte of them."""


class Pairs(list[tuple[str, Any]]):
    """One JSON object: its (key, value) pairs in order, duplicates included."""

    __slots__ = ()

    def duplicates(self) -> bool:
        """Whether a key stands twice in this object."""
        return len({key for key, _ in self}) != len(self)

    def last(self, key: str, default: Any = None) -> Any:
        """The value that ordinary parsers see: the last one of `key`."""
        for name, value in reversed(self):
            if name == key:
                return value
        return default


class Number(str):
    """A JSON number as it is written, however long."""

    __slots__ = ()


def _refuse(constant: str) -> NoReturn:
    raise NotJson("holds NaN or Infinity, which JSON does not have")


_decode = JSONDecoder(object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=_refuse).decode


def loads(raw: bytes) -> Any:
    """Return the document of `raw`: Pairs, list, str, Number, bool or None; raises `NotJson`."""
    try:
        return _decode(raw.decode())
    except UnicodeDecodeError:
        raise NotJson("is not valid UTF-8") from None
    except JSONDecodeError as error:
        raise NotJson(f"is not JSON at its byte {error.pos}: {error.msg}") from None
    except RecursionError:
        raise NotJson("is nested too deep") from None


def anywhere_duplicated(value: Any) -> bool:
    """Whether any object of a document has a key twice, however deep it nests."""
    todo = [value] if isinstance(value, list) else []
    while todo:
        one = todo.pop()
        if isinstance(one, Pairs):
            if one.duplicates():
                return True
            todo += (below for _, below in one if isinstance(below, list))
        else:
            todo += (below for below in one if isinstance(below, list))
    return False
