"""Bytes of the API server into objects: pages of a list and lines of a watch; odd data never takes the others along."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec

from cluster.resources import SHAPES, Resource

_T = TypeVar("_T")


class Unreadable(ValueError):
    """A whole answer is not what the API server sends: not JSON, or not a list."""


class Broken(msgspec.Struct, frozen=True, gc=False):
    """An object that could not be read: what it is called, as far as that could be read, and why; never its content."""

    name: str
    uid: str
    why: str
    namespace: str = ""
    resource_version: str = ""


class Page(msgspec.Struct, gc=False):
    """One page of a list. `continue_` is "" on the last one; `remaining` is None when the server does not say it.

    Each item is a struct of the resource's kind, or `Broken`.
    """

    items: list[Any]
    resource_version: str
    continue_: str
    remaining: int | None


class Failure(msgspec.Struct, frozen=True, gc=False):
    """What an ERROR event, or a Status body, says; `retry_after` in seconds, `continue_` only with an expired token.

    An answer that could not be read is one with code 0 and reason Unreadable.
    """

    code: int
    reason: str
    message: str
    retry_after: int
    continue_: str = ""


class Event(msgspec.Struct, gc=False):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK (no object) or ERROR (`failure`, no object).

    `initial_end` marks the bookmark that ends the initial events of a watch that sends a list first.
    """

    type: str
    object: Any
    resource_version: str
    failure: Failure | None = None
    initial_end: bool = False


class _ListMeta(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")
    remaining_item_count: int | None = None


class _List(msgspec.Struct, Generic[_T], gc=False):
    items: list[_T] | None
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


class _Line(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


class _Details(msgspec.Struct, gc=False, rename="camel"):
    retry_after_seconds: int = 0


class _StatusMeta(msgspec.Struct, gc=False):
    continue_: str | None = msgspec.field(name="continue", default=None)


class _Status(msgspec.Struct, gc=False):
    code: int = 0
    reason: str | None = ""
    message: str | None = ""
    details: _Details | None = None
    metadata: _StatusMeta | None = None


class _Names(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    annotations: dict[str, Any] | None = None


class _Named(msgspec.Struct, gc=False):
    metadata: _Names = msgspec.field(default_factory=_Names)


# A pair, or half of one.
_SURROGATES = re.compile(rb"(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..")
_INITIAL_END = "k8s.io/initial-events-end"
_UNREADABLE = Failure(0, "Unreadable", "the line is not an event of the API server", 0)
# Whatever msgspec can meet in hostile bytes; RecursionError: nesting, UnicodeDecodeError: a name that is not UTF-8.
_ODD = (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError)
_list = msgspec.json.Decoder(_List[msgspec.Raw]).decode
_line = msgspec.json.Decoder(_Line).decode
_status = msgspec.json.Decoder(_Status).decode
_named = msgspec.json.Decoder(_Named).decode
_anything = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_objects = {name: msgspec.json.Decoder(shape).decode for name, shape in SHAPES.items()}
_lists: dict[str, Callable[[bytes], _List[Any]]] = {
    name: msgspec.json.Decoder(_List[shape]).decode  # type: ignore[valid-type]
    for name, shape in SHAPES.items()
}


def decode_page(resource: Resource, raw: bytes) -> Page:
    """Return one page of a list of this resource; raises `Unreadable` when it is no list at all."""
    with _without_collector():
        found = _whole(resource, _without_nul(raw))
    meta = found.metadata
    return Page(found.items or [], meta.resource_version, meta.continue_, meta.remaining_item_count)


def _whole(resource: Resource, raw: bytes) -> _List[Any]:
    """Return a list read in one go, and object by object where one of them has not its shape."""
    try:
        return _lists[resource.name](raw)
    except _ODD:
        pass
    try:
        found = _again(_list, raw)
    except _ODD as error:
        raise Unreadable(f"The answer to a list of {resource.name} is not a list: {error}") from None
    return _List([decode_object(resource, each) for each in found.items or ()], found.metadata)


def decode_event(resource: Resource, line: bytes) -> Event:
    """Return one line of a watch of this resource; never raises, a line that is none is an ERROR of code 0."""
    raw = _without_nul(line)
    try:
        found = _again(_line, raw)
    except _ODD:
        return Event("ERROR", None, "", _UNREADABLE)
    if found.type == "ERROR":
        return Event("ERROR", None, "", decode_status(found.object))
    names = _names(found.object)
    if found.type == "BOOKMARK":
        ended = (names.annotations or {}).get(_INITIAL_END) == "true"
        return Event("BOOKMARK", None, names.resource_version, None, ended)
    if found.type not in {"ADDED", "MODIFIED", "DELETED"}:
        return Event("ERROR", None, "", _UNREADABLE)
    return Event(found.type, decode_object(resource, found.object), names.resource_version)


def decode_object(resource: Resource, raw: bytes | msgspec.Raw) -> Any:
    """Return one object as the struct of its kind, or as `Broken` when it has not that shape."""
    decode = _objects[resource.name]
    try:
        return decode(raw)
    except _ODD:
        return _decode_again(resource, raw)


def encode_object(thing: msgspec.Struct) -> bytes:
    """Return an object as JSON, as slim as it is; `decode_object` makes the same object of it again."""
    return _encode(thing)


def decode_status(raw: bytes | msgspec.Raw) -> Failure:
    """Return what a Status says, be it the body of an HTTP error or the object of an ERROR event; never raises."""
    try:
        found = _status(raw)
    except _ODD:
        return Failure(0, "Unreadable", "the answer is not a Status of the API server", 0)
    after = found.details.retry_after_seconds if found.details else 0
    token = (found.metadata.continue_ if found.metadata else None) or ""
    return Failure(found.code, found.reason or "", (found.message or "")[:1024], max(after, 0), token)


def _decode_again(resource: Resource, raw: bytes | msgspec.Raw) -> Any:
    # In Kubernetes null means absent; the shapes do not say so at each field, since few objects have any.
    try:
        return msgspec.convert(_without_nulls(_anything(_in_unicode(bytes(raw)))), SHAPES[resource.name])
    except _ODD as error:
        names = _names(raw)
        return Broken(names.name, names.uid, str(error)[:200], names.namespace, names.resource_version)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value if each is not None] if isinstance(value, list) else value


def _names(raw: bytes | msgspec.Raw) -> _Names:
    try:
        return _named(raw).metadata
    except _ODD:
        return _names_of_odd(raw)


def _names_of_odd(raw: bytes | msgspec.Raw) -> _Names:
    try:
        found = _anything(raw)
    except _ODD:
        return _Names()
    meta = found.get("metadata") if isinstance(found, dict) else None
    given = meta if isinstance(meta, dict) else {}
    texts = {key: value for key, value in given.items() if isinstance(value, str)}
    return _Names(
        name=texts.get("name", "")[:253],
        namespace=texts.get("namespace", "")[:253],
        uid=texts.get("uid", "")[:253],
        resource_version=texts.get("resourceVersion", "")[:253],
    )


def _again(decode: Callable[[bytes], _T], raw: bytes) -> _T:
    """Decode, and once more with what is no Unicode replaced: half a surrogate must not hide a whole page."""
    try:
        return decode(raw)
    except msgspec.DecodeError:
        return decode(_in_unicode(raw))


def _in_unicode(raw: bytes) -> bytes:
    text = raw.decode(errors="replace").encode()
    return _SURROGATES.sub(lambda found: found[1] or b"\\ufffd", text)


def _without_nul(raw: bytes) -> bytes:
    # PostgreSQL keeps no NUL; no honest object has one.
    return raw.replace(b"\\u0000", b"\\ufffd") if b"\\u0000" in raw else raw


@contextmanager
def _without_collector() -> Iterator[None]:
    # A page is thousands of objects at once, none of them in a cycle: the collector would only walk them, at three
    # times the price of the decoding. Threads may overlap: whoever found it on turns it on again.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
