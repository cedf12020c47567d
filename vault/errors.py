"""What can go wrong on the Vault wire, as a tree of sentences."""

from __future__ import annotations


class VaultError(Exception):
    """What happened, where, and what to do next; `permanent` tells that trying again can't help.

    `said` are the server's own words for it, which may quote what was asked and so are never shown as they are.
    """

    permanent = False

    def __init__(self, what: str, where: str = "", mend: str = "", said: tuple[str, ...] = ()) -> None:
        self.what, self.where, self.mend, self.said = what, where, mend, said
        super().__init__(what + (f" ({where})" if where else "") + (f"; {mend}" if mend else ""))


class NotAnAuditLine(VaultError):
    """These bytes are no audit line; the message says why."""

    permanent = True


class Unreachable(VaultError):
    """No answer: wrong address, no network, no route, a certificate that is not trusted, or a time-out."""


class Unavailable(VaultError):
    """The server answered that it can't serve now: sealed, in recovery, too many requests, or an internal error."""


class Sealed(Unavailable):
    """The server is sealed, or not initialised; nothing can be asked until somebody unseals it."""


class Unknown(VaultError):
    """Nobody can tell whether a call that changes something was carried out: look before doing it again.

    A connection that broke after the call was sent, no answer in time, and most answers of the kind 5xx: a vault that
    can't write its audit log answers 500 to a write that it has made. Every other error of such a call means that
    surely nothing was done.
    """


class Refused(VaultError):
    """The server refuses the call as it stands."""

    permanent = True


class UnusableAddress(Refused):
    """An address that may not be called: no http(s), with a password in it, link-local, or plain http elsewhere."""


class Spent(Refused):
    """A wrapping token that wraps nothing any more: somebody opened it, or its time is over."""


class TokenGone(Refused):
    """The token is unknown: expired, revoked, used up, of a disabled entity, or used from the wrong network."""


class NotPermitted(Refused):
    """The token is good, and its policies do not allow the call."""


class NotThere(Refused):
    """The path does not exist, or this server's version does not know it."""
