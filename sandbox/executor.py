"""The executor in the practice yard: what is enrolled in the embedded OpenBao, and the worker that runs changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from sandbox.bao_http import Bao
from sandbox.openbao import OpenBao
from sandbox.programs import Environment, Worker
from vault import enrolment

ROLE_ID = "keybook-executor-of-the-sandbox"  # an id is no secret, and a known one can stand in a setting beforehand
ENROLLED = (
    enrolment.enrolment("kv", "write", "secret"),
    enrolment.enrolment("kv", "destroy", "secret"),
    enrolment.enrolment("database_role", "rotate", "database"),
    enrolment.enrolment("database_root", "rotate", "database"),
    enrolment.enrolment("lease", "revoke", "database"),
    enrolment.enrolment("token", "revoke", ""),
    enrolment.enrolment("entity", "disable", ""),
)


def furnish_executor(root: Bao) -> None:
    """Apply what Keybook prints, as an administrator would: policies, token roles, and the executor's AppRole."""
    if "approle/" not in root.must("GET", "sys/auth").data:
        root.must("POST", "sys/auth/approle", {"type": "approle"})
    for one in ENROLLED:
        root.must("PUT", f"sys/policies/acl/{one.name}", {"policy": one.policy()})
        root.must("POST", f"auth/token/roles/{one.name}", one.role())
    root.must("PUT", f"sys/policies/acl/{enrolment.EXECUTOR}", {"policy": enrolment.executor_policy()})
    place, given = enrolment.approle()
    root.must("POST", place, given)
    root.must("POST", f"{place}/role-id", {"role_id": ROLE_ID})


def hand_over(root: Bao, file: Path) -> None:
    """Put a wrapped secret id into a file that nobody else can read."""
    place, _ = enrolment.approle()
    answer = root.must("POST", f"{place}/secret-id", {}, X_Vault_Wrap_TTL="30m")
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(str(answer.body["wrap_info"]["token"]))
    file.chmod(0o400)


class Operations(Worker):
    """The worker that runs changes; at each start it is handed a new wrapped secret id."""

    def __init__(self, log: Path, environment: Environment, openbao: OpenBao | None, children: int = 2) -> None:
        """Run so many changes at a time, at this OpenBao; without one, at whatever the environment names."""
        words = ["-Q", "operations", "-c", str(children)]
        super().__init__("worker-operations", "Executor", log, words, environment)
        self._openbao = openbao
        self._file = log.with_name("executor.wrapped")

    def server_environment(self) -> Mapping[str, str]:
        """Return its environment with the executor's door."""
        own = dict(super().server_environment())
        if self._openbao is not None:
            door = f"approle:approle:{ROLE_ID}:{self._file}@{self._openbao.client.url}"
            own["KEYBOOK_EXECUTOR"] = f"{self._openbao.vault}={door}"
            own["KEYBOOK_SEAL"] = str(self._file.with_name("seal.key"))
        return own

    async def prepare(self) -> None:
        """Hand over what it opens."""
        await super().prepare()
        if self._openbao is not None:
            await asyncio.to_thread(hand_over, self._openbao.client, self._file)
