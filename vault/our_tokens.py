"""How a token that Keybook's executor works with shows in an audit line: its metadata, its policies, its role. Pure.

Whoever may make tokens can write the same into one: a mark says what a token claims, who minted it says whether it may.
"""

from __future__ import annotations

from dataclasses import dataclass

from vault.audit_line import Auth

CHANGE, STEP, PLAN, HEAD = "keybook_change", "keybook_step", "keybook_plan", "keybook_head"
ROLE = "keybook-op-"  # token roles, and the policies that they give
MINTED_AT = f"auth/token/create/{ROLE}"
SHOWN = b"keybook"  # what no mark is without, for a quick look
_POLICIES = ("keybook-op", "keybook-exec")  # of operation tokens, and of the executor's own


@dataclass(frozen=True, slots=True)
class Mark:
    """What a token claims of itself: the change and step that it is for, the plan's hash, the trail's head.

    All are text from a log, of any length; `policies` are those that tell an identity of ours.
    """

    change: str = ""
    step: str = ""
    plan: str = ""
    head: str = ""
    policies: tuple[str, ...] = ()


NO_MARK = Mark()


def mark_of(auth: Auth) -> Mark | None:
    """Return the mark of one `auth` object, None for a token that claims nothing."""
    told = auth.metadata if isinstance(auth.metadata, dict) else {}
    change, step, plan, head = (_text(told.get(name)) for name in (CHANGE, STEP, PLAN, HEAD))
    policies = tuple(one for one in auth.policies or () if one.startswith(_POLICIES))
    found = Mark(change, step, plan, head, policies)
    return None if found == NO_MARK else found


def role_minted(path: str) -> str:
    """Return the token role of ours by which a request path makes a token, "" for any other path."""
    return path.removeprefix("auth/token/create/") if path.startswith(MINTED_AT) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
