"""The serving process: takes lines from the listening socket that its watchdog opened, and shows that it lives.

`python -m receiver.serve LISTENING_FD PULSE_FD`; `python -m receiver` starts it so.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress

import uvloop

from receiver import settings as given
from receiver.book import Book
from receiver.house import House
from receiver.link import Link
from receiver.records import Mounts
from receiver.settings import Settings
from receiver.wire import Wire
from receiver.writer import Writer

_PR_SET_PDEATHSIG = 1  # prctl(2)
_TICK, _SWEEP = 0.1, 5.0
_QUICK_PATIENCE, _BULK_PATIENCE = 1.0, 10.0
_MIB = 1024 * 1024
_SETTLING = 2.0  # seconds until the first connection should stand
_PARTING = 2.0  # seconds for what is under way when we are told to end


async def serve(settings: Settings, listener: socket.socket, pulse: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    url = settings.database_url
    book = Book(Link(url, "receiver tokens", 2_000), Mounts())
    quick = Writer("quick", Link(url, "receiver", 2_000), loop, patience=_QUICK_PATIENCE, most_bytes=32 * _MIB)
    bulk = Writer("bulk", Link(url, "receiver batches", 10_000), loop, patience=_BULK_PATIENCE, most_bytes=64 * _MIB)
    house = House(settings, loop, book, quick, bulk)
    for thread in (book.thread, quick.thread, bulk.thread):
        thread.start()
    beating = loop.create_task(_beat(house, book, (quick, bulk), pulse))
    await _ready(book, quick)
    server = await loop.create_server(lambda: Wire(house, loop), sock=listener)
    await stop.wait()
    server.close()
    house.close_idle(0.0)
    await _part(house, (quick, bulk))
    beating.cancel()


async def _ready(book: Book, quick: Writer) -> None:
    """Let the first connections to PostgreSQL be made, for at most half a second."""
    for _ in range(50):
        if quick.up and book.is_fresh:
            return
        await asyncio.sleep(0.01)


async def _part(house: House, writers: tuple[Writer, ...]) -> None:
    for writer in writers:
        writer.stop()
    end = time.monotonic() + _PARTING
    while not house.is_empty and time.monotonic() < end:
        await asyncio.sleep(0.01)


async def _beat(house: House, book: Book, writers: tuple[Writer, ...], pulse: int) -> None:
    """Ten times a second: show the watchdog that the loop runs, and abandon what PostgreSQL does not answer."""
    began, swept, was = time.monotonic(), 0.0, True
    while True:
        with suppress(BlockingIOError):  # the watchdog is frozen itself
            os.write(pulse, b".")
        book.watch()
        for writer in writers:
            writer.watch()
        now = time.monotonic()
        if now - swept > _SWEEP:
            house.close_idle()
            swept = now
        if writers[0].up != was and now - began > _SETTLING:
            was = writers[0].up
            _say("PostgreSQL takes lines again." if was else "PostgreSQL takes no lines; senders are answered 503.")
        await asyncio.sleep(_TICK)


def _say(sentence: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"receiver: {sentence}\n")
        sys.stderr.flush()


def _die_with_the_watchdog(parent: int) -> None:
    """Have the kernel kill us when the watchdog dies (Linux), so that the port is never held by an orphan."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _more_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4_096 if hard == resource.RLIM_INFINITY else min(4_096, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> None:
    """Serve from the descriptors that the command line names."""
    listening, pulse, parent = (int(word) for word in sys.argv[1:4])
    _die_with_the_watchdog(parent)
    _more_files()
    os.set_blocking(pulse, False)
    sys.setswitchinterval(0.001)  # a batch that is masked must not keep the loop waiting
    with socket.socket(fileno=listening) as listener:
        listener.setblocking(False)
        uvloop.run(serve(given.read(), listener, pulse))
    os._exit(0)  # threads that wait for PostgreSQL must not hold us up


if __name__ == "__main__":
    main()
