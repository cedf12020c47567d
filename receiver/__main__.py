"""`python -m receiver`: opens the port, starts the serving process, and kills and restarts it when it falls silent.

A sender that waits without a time limit hangs with whoever does not answer it. So nothing is trusted to answer: the
serving process shows ten times a second that it lives. The port stays open while it is restarted.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time

from receiver import settings as given

_SILENCE, _STARTING = 2.0, 15.0  # seconds
_SHORT_LIFE, _PAUSE = 5.0, 0.5
_PARTING = 5.0
_BACKLOG = 1024


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


class Watchdog:
    """Keeps one serving process alive."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._stopping = False
        self._bell_out, self._bell_in = os.pipe()
        os.set_blocking(self._bell_in, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.set_wakeup_fd(self._bell_in, warn_on_full_buffer=False)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def run(self) -> None:
        """Start and restart the serving process until SIGTERM or SIGINT."""
        while not self._stopping:
            began = time.monotonic()
            self._one_life()
            if not self._stopping and time.monotonic() - began < _SHORT_LIFE:
                select.select([self._bell_out], [], [], _PAUSE)

    def _one_life(self) -> None:
        pulse, beaten = os.pipe()
        descriptors = (self._listener.fileno(), beaten)
        argv = [sys.executable, "-m", "receiver.serve", *map(str, descriptors), str(os.getpid())]
        with subprocess.Popen(argv, pass_fds=descriptors, stdin=subprocess.DEVNULL) as child:
            os.close(beaten)
            try:
                self._watch(child, pulse)
            finally:
                os.close(pulse)
                _end(child)

    def _watch(self, child: subprocess.Popen[bytes], pulse: int) -> None:
        """Return when the process is to be ended: we are told to stop, it ended itself, or it was silent."""
        heard, patience = time.monotonic(), _STARTING
        while not self._stopping:
            ready, _, _ = select.select([pulse, self._bell_out], [], [], 0.2)
            if self._bell_out in ready:
                os.read(self._bell_out, 4096)
            if pulse in ready:
                if not os.read(pulse, 4096):
                    return
                heard, patience = time.monotonic(), _SILENCE
            elif time.monotonic() - heard > patience:
                _say(f"The serving process was silent for {patience:g} s; it is killed and started again.")
                child.kill()
                return


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        code = child.wait(_PARTING)
    except subprocess.TimeoutExpired:
        child.kill()
        code = child.wait()
    if code not in (0, -signal.SIGTERM):
        _say(f"The serving process ended with {code}.")


def _say(sentence: str) -> None:
    sys.stderr.write(f"receiver: {sentence}\n")
    sys.stderr.flush()


def main() -> int:
    """Run the receiver; 2 when a setting is wrong or the port can't be had."""
    try:
        settings = given.read()
        listener = _listen(settings.host, settings.port)
    except given.WrongSetting as wrong:
        _say(f"{wrong} See docs/configuration.md.")
        return 2
    except OSError as error:
        _say(f"It can't listen where KEYBOOK_RECEIVER says: {error.strerror or error}. Name a free HOST:PORT.")
        return 2
    with listener:
        Watchdog(listener).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
