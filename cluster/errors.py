"""What can go wrong on the Kubernetes wire, as a tree of sentences."""

from __future__ import annotations


class ClusterError(Exception):
    """What happened, where, and what to do next; `permanent` tells that trying again can't help."""

    permanent = False

    def __init__(self, what: str, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        super().__init__(what + (f" ({where})" if where else "") + (f"; {mend}" if mend else ""))


class Unusable(ClusterError):
    """What Keybook was given to reach the cluster with can't be used; nothing was sent."""

    permanent = True


class KubeconfigMissing(Unusable):
    """There is no such kubeconfig, or it can't be opened."""


class KubeconfigWrong(Unusable):
    """The kubeconfig is no YAML, or lacks what it needs."""


class ContextMissing(Unusable):
    """The kubeconfig has no such context; the sentence names those that it has."""


class LoginProgramRefused(Unusable):
    """The kubeconfig wants to run a program to log in, and nobody allowed that."""


class CertificateUnusable(Unusable):
    """A certificate or key that the kubeconfig names is missing, no PEM, or does not fit."""


class NotInCluster(Unusable):
    """This process does not run in a pod, or its pod has no service account's token."""


class UnusableAddress(Unusable):
    """An address that may not be called: no http(s), with a password in it, link-local, or plain http elsewhere."""


class Away(ClusterError):
    """No useful answer now; the picture of the cluster gets older, and it is tried again."""


class Unreachable(Away):
    """No answer at all: wrong address, no network, a certificate that is not trusted, or a time-out."""


class CertificateRefused(Unreachable):
    """The API server's certificate is not trusted, or it does not speak TLS."""


class Cut(Unreachable):
    """The connection ended in the middle of an answer; what came whole before it counts."""


class Silence(Unreachable):
    """Nothing came on an open watch for long: it may be dead, or the resource quiet. A reason to watch anew."""


class Unavailable(Away):
    """The API server answered that it can't now: starting, overloaded, or an error of its own."""


class Busy(Unavailable):
    """It takes no more requests now (429 or 503); `retry_after` in seconds, 0 where it does not say."""

    def __init__(self, what: str, where: str = "", mend: str = "", retry_after: float = 0) -> None:
        super().__init__(what, where, mend)
        self.retry_after = retry_after


class BrokenAnswer(Away):
    """What answered is no Kubernetes API, or sent what can't be read: no JSON, too long, or sends elsewhere."""


class Refused(ClusterError):
    """The API server refuses the call as it stands."""

    permanent = True


class TokenRefused(Refused):
    """It does not know who asks: the token or certificate expired, was revoked, or belongs to another cluster."""


class NotPermitted(Refused):
    """It knows who asks, and no role allows this verb on this resource; the sentence names both."""


class NotInstalled(Refused):
    """The cluster has no such resource: the operator or driver that brings it is not installed."""


class NotThere(Refused):
    """The resource is served, and there is no object of this name in this namespace."""


class Conflict(Refused):
    """Somebody changed the object since it was read (409); nothing was changed."""


class Denied(Refused):
    """A webhook, an admission policy or a quota of the cluster says no, in its own words; nothing was changed."""


class NotAsPlanned(Refused):
    """The object is not the one, or not as, the plan says; nothing was changed."""


class NotRestartable(Refused):
    """A restart of this workload would do nothing, or nothing that can be waited for; nothing was changed."""


class NotRefreshable(Refused):
    """What fills this Secret reads nothing anew when it is asked to; nothing was changed."""


class Unknown(ClusterError):
    """A call that changes something was sent, and whether it was done is not known: look, and decide then.

    An answer of 500 and more is such a one too, since the server may have failed after it had stored the change.
    """


class Expired(ClusterError):
    """The version or page that was asked for is gone (410); everything has to be listed again."""


class NotYet(ClusterError):
    """The version that was asked for lies in the server's future: its store was put back to an older state."""
