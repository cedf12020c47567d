"""Turns what an API server answers when it refuses, a Status or anything else, into an error with its sentence."""

from __future__ import annotations

import re

from cluster.decoding import Failure, decode_status
from cluster.errors import (
    BrokenAnswer,
    Busy,
    ClusterError,
    Conflict,
    Denied,
    Expired,
    NotInstalled,
    NotPermitted,
    NotThere,
    NotYet,
    Refused,
    TokenRefused,
    Unavailable,
)

_SAID = 300  # characters of the server's own words that are repeated
_OTHER = "check that its version is one that Keybook knows"
# How the API server begins what admission says; it answers 400, 403 or 422 as whoever denies wants it.
_DENIAL = re.compile(r"admission webhook \"|ValidatingAdmissionPolicy '|exceeded quota: |violates PodSecurity")
_OF_ONE = frozenset({"get", "patch"})  # verbs that name one object: its absence says nothing of its resource


def refusal(code: int, body: bytes, retry_after: float, *, verb: str, resource: str, where: str) -> ClusterError:
    """Return what an HTTP answer with a code of 300 or more means; `verb` and `resource` as a role names them.

    The body may be anything: a resource that is not installed is answered in plain text.
    """
    if 300 <= code < 400:
        mend = "give the address that it sends to; redirects are not followed"
        return BrokenAnswer("what answered sends elsewhere", where, mend)
    told = decode_status(body)
    if told.reason == "Unreadable":
        told = Failure(code, "", "", 0)
    if code == 504 and "oo large resource version" in told.message:
        return NotYet("the API server has not come to the version that we hold", where, "everything is listed again")
    wait = int(max(retry_after, told.retry_after))
    return meaning(Failure(code, told.reason, told.message, wait), verb=verb, resource=resource, where=where)


def meaning(failure: Failure, *, verb: str, resource: str, where: str) -> ClusterError:
    """Return what a failure means, whether it came as an HTTP answer or as an ERROR event of a watch."""
    code = failure.code
    if code == 410 or failure.reason in ("Expired", "Gone"):
        return Expired("the version that we hold is gone", where, "everything is listed again")
    if 400 <= code < 500 and code != 429:
        return _of_one(failure, verb, resource, where) or _refused(failure, verb, resource, where)
    return _not_now(failure, where)


def _of_one(failure: Failure, verb: str, resource: str, where: str) -> ClusterError | None:
    """Return what an answer says of one object, or of its change; None when it is of the resource or of us."""
    told = said(failure.message)
    if _DENIAL.search(failure.message):
        mend = "change what it denies, or let whoever set the rule allow it"
        return Denied(f"the cluster's admission denies to {verb} {resource}{told}", where, mend)
    if failure.code == 404 and verb in _OF_ONE and failure.reason == "NotFound":
        return NotThere(f"there is no such object{told}", where, "check its name, or plan it anew")
    if failure.code == 409:
        return Conflict(f"{resource} was changed meanwhile{told}", where, "it is read again")
    return None


def _refused(failure: Failure, verb: str, resource: str, where: str) -> ClusterError:
    if failure.code == 401:
        mend = "make a new token: it expired, was revoked, or is of another cluster"
        return TokenRefused("the API server does not know who asks", where, mend)
    if failure.code == 403:
        mend = f"add {verb} on {resource} to our ClusterRole"
        return NotPermitted(f"we may not {verb} {resource}{said(failure.message)}", where, mend)
    if failure.code == 404:
        return NotInstalled(f"the cluster has no {resource}", where, "install what brings it, or leave it")
    what = f"the API server refused to {verb} {resource}: {failure.code}{said(failure.message)}"
    return Refused(what, where, _OTHER)


def _not_now(failure: Failure, where: str) -> ClusterError:
    if failure.reason == "Unreadable":
        return BrokenAnswer("what came on the watch is no event", where, "check what answers there")
    if failure.code == 429 or (failure.code == 503 and failure.retry_after):
        mend = "it is asked again later"
        return Busy("the API server takes no more requests now", where, mend, failure.retry_after)
    what = f"the API server answered {failure.code}{said(failure.message)}"
    return Unavailable(what, where, "see its log; it is asked again")


def said(message: str) -> str:
    """Repeat a server's words in a sentence: on one line, without control characters, not for ever."""
    words = re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+", " ", message).strip()
    if len(words) > _SAID:
        words = words[:_SAID] + "..."
    return f": it says {words!r}" if words else ""
