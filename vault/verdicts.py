"""Tells from an answer whether a call that changes something was surely not carried out, or may have been."""

from __future__ import annotations

from vault.errors import NotPermitted, NotThere, Refused, Sealed, TokenGone, Unavailable, Unknown, VaultError
from vault.plain_text import mask_error

# What a server says, word for word, when it has not even begun: it is sealed, or nobody leads yet.
_SEALED = ("Vault is sealed",)
_NO_LEADER = ("local node not active but active cluster node not found",)
# A dead token and a missing right are both 403. OpenBao says this alone of a dead one, Vault names it.
_DEAD = ("permission denied",)
_NAMED_DEAD = ("invalid token", "bad token")
# It looked for what it should change, and found none.
_NOTHING = ("no static role found for role name", "failed to find entry for connection with name")
_WORDS = 300  # of what a server says, so many letters are shown


def verdict(
    status: int, said: tuple[str, ...], where: str, *, words: bool = True, doubtful: bool = False
) -> VaultError:
    """Return what an answer other than success means: `Unknown`, or the error of a call that was surely not done.

    `said` are the server's words; without `words` they are not shown, because they may quote a value. `doubtful` is
    for calls of which even a 400 tells nothing sure.
    """
    if 300 <= status < 400:
        return elsewhere(where)
    if any(missing in one for missing in _NOTHING for one in said):
        return NotThere("the vault knows no such role or database", where, "check that it is still there", said)
    if 400 <= status < 500:
        return _refusal(status, said, where, words=words, doubtful=doubtful)
    if status == 503 and said == _SEALED:
        return Sealed("the vault is sealed", where, "unseal it", said)
    if status == 500 and said == _NO_LEADER:
        return Unavailable("no node of the vault is active", where, "try again when one leads", said)
    return _unknown(status, said, where, words=words)


def _refusal(status: int, said: tuple[str, ...], where: str, *, words: bool, doubtful: bool) -> VaultError:
    if status in (401, 403):
        return denied(said, where)
    if status == 404:
        return NotThere("the vault has no such path", where, "check that it is still there", said)
    if status == 429:
        return Unavailable("the vault takes no more calls now", where, "ask less often", said)
    if status == 400 and doubtful:
        return _unknown(status, said, where, words=words)
    return Refused(f"the vault refused the call{_shown(said, words=words)}", where, "mend what it names", said)


def _unknown(status: int, said: tuple[str, ...], where: str, *, words: bool) -> Unknown:
    return Unknown(f"the vault answered {status}{_shown(said, words=words)}", where, "look whether it was done", said)


def _shown(said: tuple[str, ...], *, words: bool) -> str:
    if not words or not said:
        return ""
    return ": " + " ".join(mask_error("; ".join(said)).split())[:_WORDS]


def denied(said: tuple[str, ...], where: str) -> VaultError:
    """Return what a 403 means by its words alone, for tokens whose every look at themselves costs a use."""
    if said == _DEAD or any(words in one for words in _NAMED_DEAD for one in said):
        mend = "take a new one: it expired, was revoked or has no use left"
        return TokenGone("the vault does not know the token", where, mend, said)
    return NotPermitted("the token may not do this", where, "compare its policy with the one that is printed", said)


def elsewhere(where: str) -> Unavailable:
    """Return the error of a redirect: nothing was done, and it is not followed."""
    mend = "give the address that it sends to (a standby sends to the active node); redirects are not followed"
    return Unavailable("what answered sends elsewhere", where, mend)
