"""The supervisor's side of the control socket: obeys what `sandbox.control` asks."""

from __future__ import annotations

import asyncio

from sandbox.control import VERBS
from sandbox.errors import BAD_INPUT, YardError
from sandbox.yard import Yard


class Controls:
    """The supervisor's side of the control socket (0600, in the sandbox's folder)."""

    def __init__(self, yard: Yard) -> None:
        """Serve `yard`."""
        self._yard = yard
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        place = self._yard.folder / "control"
        self._server = await asyncio.start_unix_server(self._serve, str(place))
        place.chmod(0o600)

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode().split()
        try:
            await self._obey(words)
            answer = "ok"
        except YardError as trouble:
            answer = str(trouble)
        writer.write(f"{answer}\n".encode())
        await writer.drain()
        writer.close()

    async def _obey(self, words: list[str]) -> None:
        verb, name = (*words, "", "")[:2]
        part = self._yard.parts.get(name)
        if verb not in VERBS or part is None:
            known = ", ".join(self._yard.parts)
            raise YardError(f"Say one of {', '.join(VERBS)} and one of {known}, not {' '.join(words)!r}.", BAD_INPUT)
        match verb:
            case "kill":
                await part.kill()
            case "end":
                await part.end(thrown_away=False)
            case "stop":
                part.freeze()
            case "cont":
                part.thaw()
            case _:
                await self._yard.start_part(name)
        self._yard.write_state()
