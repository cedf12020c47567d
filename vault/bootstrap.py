"""How the executor comes to its token: AppRole with a wrapped secret id, or Kubernetes with a bound token file.

A wrapped secret id is opened once, by the process that starts and before it divides; its children find it in memory
that they share, and each logs in for itself. The next start needs a new one. No token and no secret id is written
anywhere. A wrapping token that wraps nothing any more was opened by somebody, and that is said.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from vault.doors import Door, doors
from vault.errors import Refused, Spent, TokenGone, Unavailable, Unknown, VaultError
from vault.operated import OperationToken
from vault.operating import Operator

_LARGEST = 64 * 1024
_SPARE = timedelta(seconds=30)  # before its end a token is no longer begun with


class NoIdentity(VaultError):
    """The executor has no token and can't have one; `critical` tells that somebody may have opened what was its own."""

    def __init__(self, what: str, where: str = "", mend: str = "", *, critical: bool = False) -> None:
        super().__init__(what, where, mend)
        self.critical = critical


class Shelf:
    """A text that the children of this process see too, however late it is put there; in memory, and nowhere else."""

    def __init__(self) -> None:
        """Take memory that is shared with every child to come."""
        self._memory = mmap.mmap(-1, 16 * 1024)
        self._owner = os.getpid()

    @property
    def ours(self) -> bool:
        """Whether this process is the one that may put something there."""
        return os.getpid() == self._owner

    def put(self, found: dict[str, str]) -> None:
        """Put texts there; the length comes last, so that nobody sees half of it."""
        body = json.dumps(found).encode()
        self._memory[4 : 4 + len(body)] = body
        self._memory[:4] = len(body).to_bytes(4, "big")

    def get(self) -> dict[str, str]:
        """Return what was put there, empty for nothing yet."""
        length = int.from_bytes(self._memory[:4], "big")
        found: dict[str, str] = json.loads(self._memory[4 : 4 + length]) if length else {}
        return found


def executors(setting: str, now: Callable[[], datetime], verify: str | bool = True) -> dict[str, Executor]:
    """Return {`vault` or `vault/namespace`: identity} of `KEYBOOK_EXECUTOR`; `verify` a CA file, or the system's.

    Raises `ValueError` for what is no setting, and `UnusableAddress`.
    """
    found = {}
    for name, door in doors(setting).items():
        namespace = name.partition("/")[2]
        server = _Own(door.address, namespace=namespace, verify=verify, plain_http=True)  # as somebody wrote it
        found[name] = Executor(door, server, now)
    return found


class _Own(Operator):
    """Asks with the executor's own token, which somebody may have revoked before its time."""

    log_in_anew: Callable[[], Operator] | None = None

    def mint(self, role: str, metadata: Mapping[str, str], ttl_seconds: int, uses: int) -> OperationToken:
        """Mint; once more with a new token of its own where that was gone."""
        try:
            return super().mint(role, metadata, ttl_seconds, uses)
        except TokenGone:
            if self.log_in_anew is None:
                raise
        return self.log_in_anew().mint(role, metadata, ttl_seconds, uses)


@dataclass(slots=True)
class Executor:
    """The executor's identity at one vault; `server` asks without a token, `now` tells the time.

    Make it in the process that divides, and `open` it there.
    """

    door: Door
    server: _Own
    now: Callable[[], datetime]
    _shelf: Shelf = field(default_factory=Shelf, repr=False)
    _token: OperationToken | None = field(default=None, repr=False)
    _until: datetime | None = None

    @property
    def trouble(self) -> NoIdentity | None:
        """What stands against an identity until somebody mends it and the worker starts again; None for nothing."""
        kept = self._shelf.get()
        if "what" not in kept:
            return None
        return NoIdentity(kept["what"], kept["where"], kept["mend"], critical=bool(kept["critical"]))

    def open(self) -> None:
        """Open the wrapped secret id, once; what needs a person is kept in `trouble`.

        Raises another `VaultError` while the vault can't be asked: nothing was opened, so try again.
        """
        if self.door.kind != "approle" or self._shelf.get() or not self._shelf.ours:
            return
        try:
            self._shelf.put({"secret": self._unwrapped()})
        except NoIdentity as one:
            critical = "yes" if one.critical else ""
            self._shelf.put({"what": one.what, "where": one.where, "mend": one.mend, "critical": critical})

    def operating(self) -> Operator:
        """Return what asks with the executor's own token; logs in when there is none or it ends. Raises `VaultError`.

        A `NoIdentity` among them needs a person.
        """
        self.open()
        if trouble := self.trouble:
            raise trouble
        token = self._token
        if token is None or self._until is None or self.now() >= self._until:
            token = self._log_in()
        own = self.server.holding(token)
        own.log_in_anew = self.anew
        return own

    def anew(self) -> Operator:
        """Log in anew, whatever time the token had: it was found gone. Raises as `operating`."""
        self.forget()
        return self.server.holding(self._log_in())

    def forget(self) -> None:
        """Log in anew the next time: the token was found gone before its time."""
        self._token = None

    def _log_in(self) -> OperationToken:
        began = self.now()
        try:
            token = self.server.log_in(self.door.mount, self._given())
        except Refused:
            raise self._refused() from None
        life = timedelta(seconds=token.ttl)
        self._token, self._until = token, began + life - min(_SPARE, life / 2)
        return token

    def _given(self) -> dict[str, str]:
        """Return what the auth method takes."""
        if self.door.kind == "kubernetes":
            return {"role": self.door.role, "jwt": _text(self.door.file)}
        kept = self._shelf.get()
        if not kept:
            raise Unavailable(
                "the executor's secret id is not opened yet: the vault did not answer when the worker started",
                self.server.address, "it is tried again every few seconds",
            )  # fmt: skip
        return {"role_id": self.door.role, "secret_id": kept["secret"]}

    def _refused(self) -> NoIdentity:
        at = f"{self.server.address}, auth/{self.door.mount}/login"
        if self.door.kind == "approle":
            mend = "its secret id is used up, over or destroyed, or the role is gone: hand over a new one and restart"
        else:
            mend = "compare the role's service accounts, namespaces and audience with those of the token, then restart"
        return NoIdentity("the vault does not let the executor log in", at, f"{mend} the worker `operations`")

    def _unwrapped(self) -> str:
        """Return the secret id; raises `NoIdentity`."""
        file, server = self.door.file, self.server
        again = f"hand over a new one: {_AGAIN.format(mount=self.door.mount, file=file)}"
        token = _wrapping_token(file, again)
        try:
            self._must_give_secret_ids(server.wrapped(token).creation_path)
            found = server.holding(OperationToken(token)).unwrap_held()
        except Spent:
            raise NoIdentity(
                "the executor's wrapped secret id was opened before: by somebody else, or by this worker at an earlier "
                "start, or its time is over", file,
                f"if this worker did not, somebody holds a secret id of the executor: destroy it; then {again}",
                critical=True,
            ) from None  # fmt: skip
        except Unknown as error:
            raise NoIdentity(f"opening the executor's wrapped secret id broke off: {error.what}", file, again) from None
        except Refused as error:
            raise NoIdentity(f"the executor's wrapped secret id can't be opened: {error.what}", file, again) from None
        with contextlib.suppress(OSError):
            Path(file).unlink()  # so that the next start does not take a spent one for an opened one
        secret = found.get("secret_id")
        if not isinstance(secret, str) or not secret:
            raise NoIdentity("what was wrapped for the executor holds no secret id", file, again)
        return secret

    def _must_give_secret_ids(self, path: str) -> None:
        """Leave a wrapping token closed that was made elsewhere than where secret ids come from."""
        if not (path.startswith(f"auth/{self.door.mount}/role/") and path.endswith("/secret-id")):
            raise NoIdentity(
                f"what was wrapped for the executor was made at {path}, which gives no secret id", self.door.file,
                "it was not opened: ask who put it there, and hand over a new one", critical=True,
            )  # fmt: skip


_AGAIN = (
    "bao write -wrap-ttl=30m -f -field=wrapping_token auth/{mount}/role/keybook-executor/secret-id > {file}, mode 0400"
)


def _wrapping_token(file: str, again: str) -> str:
    """Return the wrapping token of a file that nobody else can read; raises `NoIdentity`."""
    try:
        mode = stat.S_IMODE(Path(file).stat().st_mode)
    except FileNotFoundError:
        raise NoIdentity("there is no wrapped secret id for the executor", file, again) from None
    except OSError as error:
        raise NoIdentity(f"the wrapped secret id can't be read: {error.strerror}", file, "mend its rights") from None
    if mode & 0o037:
        raise NoIdentity(
            f"others than this worker may read or change the wrapped secret id (mode {mode:04o})", file,
            f"it was not opened; have it revoked, then {again}", critical=True,
        )  # fmt: skip
    return _text(file)


def _text(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            text = opened.read(_LARGEST).decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        raise NoIdentity(f"the executor's token file can't be read: {error.strerror}", file, "mend its path") from None
    if not text or any(letter.isspace() or not letter.isprintable() for letter in text):
        raise NoIdentity("the executor's token file holds no token", file, "put the token alone into it, on one line")
    return text
