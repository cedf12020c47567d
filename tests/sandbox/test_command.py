"""bin/sandbox is a transparent wrapper: COMMAND's words, folder, signals and exit code are its own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios

import pytest


def test_the_exit_code_is_the_commands(sandbox):
    assert sandbox("--no-migrate", "sh", "-c", "exit 7").returncode == 7


def test_a_killed_command_gives_128_and_the_signal(sandbox):
    assert sandbox("--no-migrate", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_command_and_nothing_stays_behind(sig, gone, running):
    with running() as yard:
        pids = yard.all_pids()
        yard.process.send_signal(sig)
        # Python turns SIGINT into an exception and exit code 130 of its own.
        assert yard.process.wait(20) == 128 + sig
    gone(pids)
    assert not yard.folder.exists()


def test_the_command_keeps_its_words_and_its_working_folder(sandbox, tmp_path):
    done = sandbox("--no-migrate", "sh", "-c", 'pwd; echo "$@"', "x", "--vault", "a b", cwd=tmp_path)
    assert done.stdout.splitlines() == [str(tmp_path), "--vault a b"]


def test_the_projects_python_comes_first_on_the_path(sandbox):
    done = sandbox("--no-migrate", "python", "-c", "import sys; print(sys.prefix)")
    assert done.stdout.strip() == sys.prefix


def test_the_database_has_the_schema_unless_that_is_refused(sandbox):
    count = (
        "import os, psycopg\n"
        "print(psycopg.connect(os.environ['DATABASE_URL']).execute("
        "\"select count(*) from pg_tables where tablename = 'django_migrations'\").fetchone()[0])"
    )
    assert sandbox("python", "-W", "ignore", "-c", count).stdout.strip() == "1"
    assert sandbox("--no-migrate", "python", "-W", "ignore", "-c", count).stdout.strip() == "0"


@pytest.mark.parametrize(
    ("argv", "code", "word"),
    [
        ((), 2, "COMMAND"),
        (("--no-migrate", "no-such-program"), 127, "no-such-program"),
        (("--no-migrate", "/etc/passwd"), 126, "/etc/passwd"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_sentence(sandbox, argv, code, word):
    done = sandbox(*argv)
    assert done.returncode == code
    assert word in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_the_command_left_in_the_background_is_ended(sandbox, gone):
    done = sandbox("--no-migrate", "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
    assert done.returncode == 0
    gone([int(done.stdout)])


# The handlers print nothing: the signal may come while "ready" is still being written.
COUNT = """
import signal, time
seen, ended, told = [], [], 0
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
print("ready", flush=True)
while not ended:
    time.sleep(0.02)
    if len(seen) > told:
        told += 1
        print("interrupted", flush=True)
# A terminal may give a line in parts, so its last words are those that are waited for.
print("times", len(seen), "the end", flush=True)
"""


def test_ctrl_c_in_a_terminal_reaches_the_command_once(root, until):
    terminal, inside = pty.openpty()

    def own_the_terminal():
        os.setsid()
        fcntl.ioctl(inside, termios.TIOCSCTTY, 0)

    argv = [str(root / "bin" / "sandbox"), "--no-migrate", "python", "-c", COUNT]
    said = bytearray()

    def hears(word: bytes) -> bool:
        if select.select([terminal], [], [], 0.05)[0]:
            said.extend(os.read(terminal, 4096))
        return word in said

    with subprocess.Popen(argv, stdin=inside, stdout=inside, stderr=inside, preexec_fn=own_the_terminal) as process:
        until(lambda: hears(b"ready"), "the start")
        os.write(terminal, b"\x03")
        until(lambda: hears(b"interrupted"), "the interruption")
        process.terminate()  # the supervisor hands signals on in their order
        until(lambda: hears(b"the end"), "the end")
        assert process.wait(20) == 0
    assert b"times 1 " in said
    os.close(inside)
    os.close(terminal)
