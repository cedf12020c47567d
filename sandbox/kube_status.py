"""How the simulated Kubernetes API says no: the Status object with the API server's own sentences."""

from __future__ import annotations

from typing import Any

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Refusal(Exception):
    """A request that is answered with a Status: code, reason, message, details."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str = "",
        details: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Keep what the Status will say; the reason is the usual one of the code unless it is given."""
        super().__init__(message)
        self.code = code
        self.reason = reason or REASONS.get(code, "Unknown")
        self.message = message
        self.details = details
        self.metadata = metadata or {}

    def status(self) -> dict[str, Any]:
        """Return the Status as it goes over the wire, in answers and in ERROR events."""
        found: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details is not None:
            found["details"] = self.details
        return found


class Unrouted(Exception):
    """A path that the API server has no route for, as of a custom resource that is not installed: plain text."""


def about(plural: str, group: str, name: str = "") -> dict[str, Any]:
    """Return the `details` that name a resource."""
    found = {"name": name, "group": group, "kind": plural}
    return {key: value for key, value in found.items() if value}


def full_name(plural: str, group: str) -> str:
    """Return the resource as messages print it: `pods`, `deployments.apps`."""
    return f"{plural}.{group}" if group else plural


def not_found(plural: str, group: str, name: str) -> Refusal:
    """Return the 404 of an object."""
    return Refusal(404, f'{full_name(plural, group)} "{name}" not found', details=about(plural, group, name))


def already_exists(plural: str, group: str, name: str) -> Refusal:
    """Return the 409 of a second create."""
    message = f'{full_name(plural, group)} "{name}" already exists'
    return Refusal(409, message, reason="AlreadyExists", details=about(plural, group, name))


def stale(plural: str, group: str, name: str) -> Refusal:
    """Return the 409 of a write that was made from an older version."""
    message = (
        f'Operation cannot be fulfilled on {full_name(plural, group)} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return Refusal(409, message, details=about(plural, group, name))


def too_old(version: int, oldest: int) -> Refusal:
    """Return the 410 of a watch from a version that the window no longer reaches."""
    return Refusal(410, f"too old resource version: {version} ({oldest})")


def too_large(version: int, current: int) -> Refusal:
    """Return the 504 of a list from a version that is still to come."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return Refusal(
        504,
        f"Too large resource version: {version}, current: {current}",
        details={"causes": [cause], "retryAfterSeconds": 1},
    )
