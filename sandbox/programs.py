"""The product's own processes as parts of a yard: web, receiver, worker, beat, the internal listener and the story."""

from __future__ import annotations

import asyncio
import http.client
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.errors import BAD_INPUT, YardError
from sandbox.part import Part

ROOT = Path(__file__).resolve().parent.parent
Environment = Callable[[], Mapping[str, str]]


class Program(Part):
    """A Python process of the project, run in the checkout."""

    late = True
    cwd = ROOT

    def __init__(
        self, name: str, title: str, log: Path, argv: Sequence[str], environment: Environment, sentence: str = ""
    ) -> None:
        """Name the program, its words and where its environment comes from; it is ready when it says `sentence`."""
        super().__init__(log.parent, log=log)
        self.name, self.title = name, title
        self._argv = argv
        self._environment = environment
        self._sentence = sentence.encode()
        self._said_before = 0

    def argv(self) -> Sequence[str | Path]:
        """Return the command line."""
        return [sys.executable, *self._argv]

    def server_environment(self) -> Mapping[str, str]:
        """Return the product's environment."""
        return self._environment()

    async def prepare(self) -> None:
        """Remember where this run's output begins."""
        self._said_before = self.log.stat().st_size if self.log.exists() else 0

    async def answers(self) -> bool:
        """Look for the sentence; a program without one has started when it runs."""
        with self.log.open("rb") as log:
            log.seek(self._said_before)
            return self.pid is not None and self._sentence in log.read()


def listen(port: int) -> socket.socket:
    """Take 127.0.0.1:`port` (0: a free one) before anything starts. Raises YardError when it can't be had."""
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as trouble:
        door.close()
        raise YardError(
            f"Port {port} of 127.0.0.1 can't be had ({getattr(trouble, 'strerror', None) or trouble}): "
            "stop what listens there, or choose another with PORT, for example PORT=8080.",
            BAD_INPUT,
        ) from None
    door.listen(128)
    return door


class Web(Program):
    """gunicorn with config.wsgi on a socket that we opened, so that nobody can take the port in between."""

    def __init__(self, door: socket.socket, log: Path, environment: Environment, host: str = "127.0.0.1") -> None:
        """Serve at `door`, which browsers reach as `host`."""
        self._door, self._host = door, host
        self.port: int = door.getsockname()[1]
        argv = ["-m", "gunicorn", "config.wsgi", "--bind", f"fd://{door.fileno()}", "--no-control-socket"]
        argv += ["--worker-class", "gthread", "--threads", "8", "--graceful-timeout", "5", "--log-level", "warning"]
        argv += ["--limit-request-line", "8190"]  # a query of the longest kind, quoted, gets our own sentence
        super().__init__("web", "Web", log, argv, environment)

    @property
    def url(self) -> str:
        """Return the address for browsers."""
        return f"http://{self._host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return KEYBOOK_URL."""
        return {"KEYBOOK_URL": self.url}

    def server_environment(self) -> Mapping[str, str]:
        """Return its environment; at a name it is told its own address, for browsers give a name passkeys."""
        own = {} if self._host == "127.0.0.1" else self.environment()
        return {**super().server_environment(), **own}

    def pass_fds(self) -> tuple[int, ...]:
        """Return the listening socket."""
        return (self._door.fileno(),)

    async def answers(self) -> bool:
        """Ask for the sign-in page; a server error isn't an answer, it shows in the log."""
        return await asyncio.to_thread(answers_at, f"127.0.0.1:{self.port}", "/sign-in/", 200)


class Worker(Program):
    """A Celery worker; it is ready when it can hear the broker, which its pulse tells."""

    gentle = signal.SIGQUIT  # at once: a turn that is cut short is read again from its cursor

    def __init__(self, name: str, title: str, log: Path, words: Sequence[str], environment: Environment) -> None:
        """Run with these words of `celery worker` besides those that all have."""
        self._pulse = log.with_name(f"{name}.pulse")
        argv = ["-m", "celery", "-q", "-A", "config.celery", "worker", "-n", f"{name}@%h", *words, *QUIET]
        super().__init__(name, title, log, argv, environment)

    def server_environment(self) -> Mapping[str, str]:
        """Return its environment with the place of its pulse."""
        return {**super().server_environment(), "KEYBOOK_PULSE": str(self._pulse)}

    async def prepare(self) -> None:
        """Forget the pulse of the last run."""
        await super().prepare()
        self._pulse.unlink(missing_ok=True)

    async def answers(self) -> bool:
        """Look for the pulse."""
        return self._pulse.exists()


# A worker needs to know nothing of the others, and says only what is wrong.
QUIET = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat")


def ingest(log: Path, environment: Environment, children: int = 2) -> Worker:
    """Return the worker that reads sources and keeps house, so many at a time."""
    return Worker("worker-ingest", "Worker", log, ["-Q", "ingest", "-c", str(children)], environment)


def cluster(log: Path, environment: Environment, children: int = 2) -> Worker:
    """Return the worker that holds the watches of clusters."""
    return Worker("worker-cluster", "Watcher", log, ["-Q", "cluster", "-c", str(children)], environment)


def notices(log: Path, environment: Environment) -> Worker:
    """Return the worker that delivers notices, one at a time."""
    return Worker("worker-notices", "Messenger", log, ["-Q", "notices", "--pool", "solo"], environment)


def beat(log: Path, environment: Environment) -> Worker:
    """Return the process that rings: beat, and in the same process the sweep."""
    return Worker("beat", "Beat", log, ["-B", "-Q", "sweep", "--pool", "solo"], environment)


class Receiver(Program):
    """The receiver of audit lines over HTTP; ready when it reaches the spool."""

    late = False  # OpenBao does not start without it, and must not end after it

    def __init__(self, port: int, log: Path, environment: Environment) -> None:
        """Listen at this port of 127.0.0.1."""
        self.address = f"127.0.0.1:{port}"
        super().__init__("receiver", "Receiver", log, ["-m", "receiver"], environment)

    def server_environment(self) -> Mapping[str, str]:
        """Return its environment with its place."""
        return {**super().server_environment(), "KEYBOOK_RECEIVER": self.address}

    def environment(self) -> dict[str, str]:
        """Return KEYBOOK_RECEIVER."""
        return {"KEYBOOK_RECEIVER": self.address}

    async def answers(self) -> bool:
        """Ask whether it reaches the spool."""
        return await asyncio.to_thread(answers_at, self.address, "/health/live", 200, b'"spool":"up"')


class Health(Program):
    """The internal listener: health and metrics."""

    def __init__(self, port: int, log: Path, environment: Environment) -> None:
        """Serve at this port of 127.0.0.1."""
        self.address = f"127.0.0.1:{port}"
        super().__init__("health", "Health", log, ["-m", "config.health"], environment)

    def server_environment(self) -> Mapping[str, str]:
        """Return its environment with its place."""
        return {**super().server_environment(), "KEYBOOK_INTERNAL": self.address}

    def environment(self) -> dict[str, str]:
        """Return KEYBOOK_INTERNAL."""
        return {"KEYBOOK_INTERNAL": self.address}

    async def answers(self) -> bool:
        """Ask whether it lives."""
        return await asyncio.to_thread(answers_at, self.address, "/health/live", 200)


def answers_at(place: str, path: str, status: int, words: bytes = b"") -> bool:
    """Tell whether GET of a path at `host:port` gives this status, and these words, within two seconds."""
    wire = http.client.HTTPConnection(place, timeout=2)
    try:
        wire.request("GET", path)
        answer = wire.getresponse()
        return answer.status == status and words in answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        wire.close()


def story(log: Path, environment: Environment) -> Program:
    """Return the company at work."""
    words = ["-m", "sandbox.story", "--forever"]
    return Program("story", "Story", log, words, environment, "The company is at work.")
