"""Opens the way to a connected vault as the executor; only the worker `operations` holds what that takes."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from vault.bootstrap import Executor, NoIdentity, executors
from vault.errors import VaultError
from vault.operating import Operator

AGAIN = 2.0  # seconds until a vault that was away is asked again
_log = logging.getLogger("keybook.executor")
_known: dict[str, Executor] = {}
_read = ""
_entities: dict[str, str] = {}


def prepare(setting: str) -> Mapping[str, Executor]:
    """Return the identities that `KEYBOOK_EXECUTOR` names, the same ones each time. Raises `ValueError`."""
    global _known, _read
    if setting != _read:
        verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        _known, _read = executors(setting, lambda: datetime.now(UTC), verify), setting
        _entities.clear()
    return _known


def begin(setting: str) -> None:
    """Open every wrapped secret id before this process divides; where a vault is away, go on trying beside the work.

    What needs a person is said as critical, and raised by every later `operator_of`.
    """
    for name, executor in prepare(setting).items():
        if not _opened(name, executor):
            threading.Thread(target=_until_opened, args=(name, executor), daemon=True).start()


def _opened(name: str, executor: Executor) -> bool:
    """Try once; tells whether there is nothing more to try."""
    try:
        executor.open()
    except VaultError as error:
        _log.warning("The executor waits for the vault %s: %s.", name, error)
        return False
    if trouble := executor.trouble:
        _log.critical("The executor has no identity at the vault %s: %s.", name, trouble)
    return True


def _until_opened(name: str, executor: Executor) -> None:
    while not _opened(name, executor):
        threading.Event().wait(AGAIN)


def operator_of(vault: str, address: str, setting: str) -> Operator:
    """Return what asks a vault (`name` or `name/namespace`) with the executor's own token; raises `VaultError`.

    A `NoIdentity` among them needs a person. `address` is what the connection's row says, and must be the setting's:
    whoever may write that row could otherwise have the executor log in at themselves.
    """
    executor = prepare(setting).get(vault)
    if executor is None:
        raise NoIdentity(
            f"the executor has no identity at the vault {vault}", "KEYBOOK_EXECUTOR",
            f"add {vault}=approle:approle:ROLE-ID:FILE@{address} in the environment of the worker `operations`",
        )  # fmt: skip
    if executor.server.address != address:
        raise NoIdentity(
            f"KEYBOOK_EXECUTOR names {executor.server.address} for {vault}, and the connection has {address}",
            "KEYBOOK_EXECUTOR", "nothing was sent; make them the same if that is the vault",
        )  # fmt: skip
    return executor.operating()


def troubles() -> list[tuple[str, NoIdentity]]:
    """Return which vaults this process has no identity at, and why."""
    return [(name, one.trouble) for name, one in _known.items() if one.trouble is not None]


def entities(setting: str, vault: str) -> frozenset[str]:
    """Return the entities that the executor is at a vault and its namespaces, each asked once of the vault.

    Empty where it is none or could not be asked: then nothing can be said of who else minted a token.
    """
    some = {name: one for name, one in prepare(setting).items() if name.partition("/")[0] == vault}
    for name in some.keys() - _entities.keys():
        try:
            _entities[name] = some[name].operating().whoami().entity_id
        except VaultError as error:
            _log.warning("Who the executor is at the vault %s could not be asked: %s.", name, error)
            return frozenset()
    return frozenset(_entities[name] for name in some if _entities[name])
