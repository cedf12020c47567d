"""Where the demo keeps its data between two runs: KEYBOOK_HOME, one run at a time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from sandbox.errors import BAD_INPUT, YardError
from sandbox.places import Account, hold
from sandbox.ports import free_port, is_free

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = Path("/var/lib")  # for root: PostgreSQL's user can't reach below a closed home
OURS = ("DATABASE_URL", "REDIS_URL", "KEYBOOK_", "KUBECONFIG", "VAULT_")


def home_folder() -> Path:
    """Return KEYBOOK_HOME, ~/.local/share/keybook, or `.keybook` in the checkout when there is no home to write in.

    bin/keybook looks in the same places. Raises YardError when a KEYBOOK_HOME that was named can't be made.
    """
    named, own = os.environ.get("KEYBOOK_HOME"), os.environ.get("HOME")
    places = [Path(named).absolute()] if named else []
    if not named:
        places = [Path(own).absolute() / ".local" / "share" / "keybook"] if own else []
        places.append(ROOT / ".keybook")
    for place in places:
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(place, os.W_OK | os.X_OK):
                return place
    raise YardError(f"The folder {places[-1]} can't be made or written: set KEYBOOK_HOME to one that can.", BAD_INPUT)


class Home:
    """The folder of one kind of run (`demo` or `up`) below KEYBOOK_HOME, and the lock that makes it ours."""

    def __init__(self, kind: str) -> None:
        """Take KEYBOOK_HOME. Raises YardError when another run has it."""
        self.top = home_folder()
        self.kind = kind
        self._lock = hold(self.top)
        if self._lock is None:
            raise YardError(
                f"Keybook runs already from {self.top}: stop it with Ctrl-C, or set KEYBOOK_HOME to another folder.",
                BAD_INPUT,
            )
        self.env_file = self.top / "env"
        self.env_file.unlink(missing_ok=True)  # of a run that was killed

    def folder(self, *names: str) -> Path:
        """Return (and make, 0700) a folder of this kind's data."""
        place = self.top / self.kind
        for name in ("", *names):
            place = place / name
            place.mkdir(mode=0o700, exist_ok=True)
        return place

    def postgres_data(self, account: Account) -> Path:
        """Return where PostgreSQL's data lie: here, or for root where the dropped account can reach them."""
        if not account.dropped:
            return self.folder("postgres") / "data"
        ours = OUTSIDE / f"{self._outside_name()}-{self._kept('number', secrets.token_hex(4))}"
        self._forget_outside(but=ours)
        ours.mkdir(mode=0o700, exist_ok=True)
        os.chown(ours, account.uid, account.gid)
        return ours / "data"

    def _outside_name(self) -> str:
        return f"keybook-{hashlib.sha256(os.fsencode(self.top / self.kind)).hexdigest()[:12]}"

    def _forget_outside(self, but: Path | None = None) -> None:
        """Remove our data outside, and what is left there of a KEYBOOK_HOME that somebody deleted."""
        for place in OUTSIDE.glob(f"{self._outside_name()}-*"):
            if place != but:
                shutil.rmtree(place, ignore_errors=True)

    def _kept(self, name: str, fresh: str) -> str:
        """Return what the file `name` (0600) of these data holds: `fresh` when they are new."""
        place = self.folder() / name
        if not place.exists():
            place.touch(mode=0o600)
            place.write_text(fresh)
        return place.read_text()

    def secret_key(self) -> str:
        """Return the signing key of these data, made once."""
        return self._kept("secret_key", secrets.token_urlsafe(48))

    def receiver_port(self) -> int:
        """Return where the receiver of these data listens: OpenBao keeps its audit device's address with its data."""
        return self._kept_port("receiver", 20_000)

    def cluster_port(self) -> int:
        """Return where the simulated cluster of these data listens: whoever connected it keeps its address."""
        return self._kept_port("cluster", 10_000)

    def _kept_port(self, who: str, lowest: int) -> int:
        """Return a port that stays the same from run to run.

        The number comes from the folder's name, outside of the range that systems give away, so that it stays free.
        Raises YardError when somebody has taken it meanwhile.
        """
        first = lowest + int(hashlib.sha256(os.fsencode(self.top)).hexdigest()[:8], 16) % 10_000
        port = int(self._kept(f"{who}-port", str(free_port(first))))
        if not is_free(port):
            raise YardError(
                f"Port {port} of 127.0.0.1, where this demo's {who} listens, is taken: stop what listens there, or "
                "start afresh with RESET=1.",
                BAD_INPUT,
            )
        return port

    def reset(self) -> None:
        """Forget this kind's data, and nothing else that may lie in KEYBOOK_HOME."""
        shutil.rmtree(self.top / self.kind, ignore_errors=True)
        if os.geteuid() == 0:
            self._forget_outside()

    def write_env(self, environment: Mapping[str, str]) -> None:
        """Write what Keybook's commands need, 0600, in the shell's words, for bin/keybook."""
        fresh = self.env_file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        ours = [(name, value) for name, value in sorted(environment.items()) if name.startswith(OURS)]
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in ours]
        fresh.write_text("".join(lines))
        fresh.rename(self.env_file)

    def release(self) -> None:
        """Let the next run in."""
        self.env_file.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)


def tidy(place: Path) -> str:
    """Return a path as people write it, with ~ for the home."""
    own = os.environ.get("HOME")
    with contextlib.suppress(ValueError):
        if own:
            return f"~/{place.relative_to(own)}"
    return str(place)
