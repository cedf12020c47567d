"""What can go wrong on the Vault wire, as a tree of sentences."""


class VaultError(Exception):
    """The root: `permanent` tells whether trying again can help."""

    permanent = False


class NotAnAuditLine(VaultError):
    """These bytes are no audit line; the message says why."""

    permanent = True
