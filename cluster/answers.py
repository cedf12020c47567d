"""Turns what an API server answers when it refuses, a Status or anything else, into an error with its sentence."""

from __future__ import annotations

import re

import msgspec

from cluster.errors import (
    BrokenAnswer,
    Busy,
    ClusterError,
    Expired,
    NotInstalled,
    NotPermitted,
    NotYet,
    Refused,
    TokenRefused,
    Unavailable,
)

_SAID = 300  # characters of the server's own words that are repeated


class _Cause(msgspec.Struct):
    reason: str = ""


class _Details(msgspec.Struct, rename="camel"):
    retry_after_seconds: float = 0
    causes: list[_Cause] | None = None


class Failure(msgspec.Struct):
    """The part of a `Status` that tells what happened; all empty for an answer that is none."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


_STATUS = msgspec.json.Decoder(Failure, strict=False)


def failure(body: bytes) -> Failure:
    """Read a Status; an answer that is none becomes an empty failure (a 404 of a missing resource is plain text)."""
    try:
        return _STATUS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Failure()


def error(code: int, body: bytes, *, verb: str, resource: str, where: str, retry_after: float = 0) -> ClusterError:
    """Return what an HTTP answer with a code of 300 or more means; `verb` and `resource` as a role names them."""
    if 300 <= code < 400:
        mend = "give the address that it sends to; redirects are not followed"
        return BrokenAnswer("what answered sends elsewhere", where, mend)
    told = failure(body)
    causes = {one.reason for one in (told.details and told.details.causes) or ()}
    wait = retry_after or (told.details.retry_after_seconds if told.details else 0)
    if code == 504 and ("ResourceVersionTooLarge" in causes or "Too large resource version" in told.message):
        return NotYet("the API server has not come to the version that we hold", where, "everything is listed again")
    return meaning(code, told.reason, told.message, wait, verb=verb, resource=resource, where=where)


def meaning(
    code: int, reason: str, message: str, retry_after: float, *, verb: str, resource: str, where: str
) -> ClusterError:
    """Return what a failure means, whether it came as an HTTP answer or as an ERROR event of a watch."""
    if code == 410 or reason in ("Expired", "Gone"):
        return Expired("the version that we hold is gone", where, "everything is listed again")
    if code == 401:
        return TokenRefused(
            "the API server does not know who asks", where, "make a new token: it expired, or is of another cluster"
        )
    if code == 403:
        return NotPermitted(
            f"we may not {verb} {resource}{said(message)}", where, f"add {verb} on {resource} to our ClusterRole"
        )
    if code == 404:
        return NotInstalled(f"the cluster has no {resource}", where, "install what brings it, or leave it")
    if 400 <= code < 500 and code != 429:
        return Refused(f"the API server refused to {verb} {resource}: {code}{said(message)}", where, _OTHER)
    return _not_now(code, message, retry_after, where)


_OTHER = "check that its version is one that Keybook knows"


def _not_now(code: int, message: str, retry_after: float, where: str) -> ClusterError:
    if code == 429 or (code == 503 and retry_after):
        return Busy("the API server takes no more requests now", where, "it is asked again later", retry_after)
    return Unavailable(f"the API server answered {code}{said(message)}", where, "see its log; it is asked again")


def said(message: str) -> str:
    """Repeat a server's words in a sentence: on one line, without control characters, not for ever."""
    words = re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+", " ", message).strip()
    if len(words) > _SAID:
        words = words[:_SAID] + "..."
    return f": it says {words!r}" if words else ""
