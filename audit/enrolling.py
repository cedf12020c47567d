"""Prints what a person applies so that Keybook may change something at a vault: the executor, and each enrolment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audit.connect import Unusable
from inventory.models import Mount
from vault import enrolment
from vault.enrolment import EXECUTOR, Enrolment, NotEnrollable


@dataclass(frozen=True, slots=True)
class Sheet:
    """The executor's own policy and commands, its setting, and the enrolments that were asked for."""

    setting: str
    enrolments: Sequence[Enrolment]

    def text(self) -> str:
        """Return it for a terminal."""
        parts = [
            f"The executor; save it as {EXECUTOR}.hcl:\n\n{enrolment.executor_policy()}",
            "Apply it; the last file is opened once, by the worker `operations`, and nobody else may read it (mode "
            f"0400):\n\n{enrolment.executor_commands()}",
            f"That worker's environment needs:  KEYBOOK_EXECUTOR={self.setting}\n",
        ]
        for one in self.enrolments:
            parts.append(f"To {one.verb} {_what(one)}; save it as {one.name}.hcl:\n\n{one.policy()}")
            parts.append(f"Apply it:\n\n{one.commands()}")
        return "\n".join(parts)

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        own = {"name": EXECUTOR, "policy": enrolment.executor_policy(), "commands": enrolment.executor_commands()}
        enrolled = [
            {"name": one.name, "policy": one.policy(), "role": one.role(), "commands": one.commands()}
            for one in self.enrolments
        ]
        return {"executor": {**own, "setting": self.setting}, "enrolments": enrolled}


def sheet(vault: str, address: str, wishes: Sequence[str]) -> Sheet:
    """Return what to apply for wishes like `kv:secret/prod/`, every verb of each target; raises `Unusable`."""
    found = [one for wish in wishes for one in _enrolments(vault, wish)]
    name, at = vault or "NAME", address or "https://vault.example:8200"
    return Sheet(f"{name}=approle:approle:ROLE-ID:/etc/executor/{EXECUTOR}.wrapped@{at}", found)


def _enrolments(vault: str, wish: str) -> list[Enrolment]:
    target, _, place = wish.partition(":")
    target = target.strip().replace("-", "_")
    verbs = enrolment.verbs(target)
    if not verbs:
        known = ", ".join(enrolment.TARGETS)
        raise Unusable(f"--enrol {wish!r} names no target. Write one of {known}, then a colon and MOUNT/PREFIX.")
    place = place.strip().lstrip("/")
    mount, prefix = ("", place) if target in ("token", "entity") else _split(vault, place)
    if target == "token" and place:
        raise Unusable(f"--enrol {wish!r} names which tokens, and a policy can't. Write token: for those of the vault.")
    if not mount and target not in ("lease", "token", "entity"):
        raise Unusable(f"--enrol {wish!r} names no mount. Write {target}:MOUNT/ for all of it, or a prefix behind it.")
    try:
        return [enrolment.enrolment(target, verb, mount, prefix) for verb in verbs]
    except NotEnrollable as error:
        raise Unusable(f"--enrol {wish!r} can't be said in a policy: {error}.") from None


def _split(vault: str, place: str) -> tuple[str, str]:
    """Return the mount and what lies below it: the longest mount that the mirror shows, else the first segment."""
    mounts = Mount.objects.filter(connection__vault=vault, gone_at=None).values_list("path", flat=True)
    fitting = [path for path in mounts if f"{place}/".startswith(path)]
    mount = max(fitting, key=len) if fitting else f"{place.partition('/')[0]}/"
    return mount.strip("/"), place[len(mount) :]


def _what(one: Enrolment) -> str:
    where = one.place.logical
    return (
        f"{one.target.replace('_', ' ')} {'below ' if one.place.beginning else ''}{where}"
        if where
        else "any " + (one.target.replace("_", " "))
    )
