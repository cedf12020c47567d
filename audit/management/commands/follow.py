"""`manage.py follow`: read the followed logs as they are written, in bounded turns, until it is stopped."""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, close_old_connections

from accounts import anchor
from audit import actions, attributing, leasing
from audit.batch import LostRace
from audit.commands import explained
from audit.models import Source

_HOUSE = 300.0
_ANCHOR = 60.0
_TURN = 5.0  # seconds; a signal is heeded between two turns


class Command(BaseCommand):
    """Follow every source; with --path and --vault, add that source first."""

    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        parser.add_argument("--path", help="an audit log under KEYBOOK_LOG_ROOTS to follow from now on")
        parser.add_argument("--vault", help="the vault that writes it")
        parser.add_argument("--device", default="file", help="its audit device (default: file)")
        parser.add_argument("--every", type=float, default=1.0, help="seconds between two looks (default: 1)")
        parser.add_argument("--once", action="store_true", help="read to the end of every source once, then stop")
        parser.add_argument("--add-only", action="store_true", help="only add the source: workers read it")

    def handle(self, *args: Any, **given: Any) -> None:
        """Read until a signal comes."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with explained():
            if given["path"]:
                actions.follow_file(given["path"], vault=given["vault"] or "vault", device=given["device"])
            if given["add_only"]:
                return
            if given["once"]:
                actions.keep_house()
                _look(stop)
                attributing.attribute()
                leasing.catch_up()
                return
        house = anchored = 0.0
        while not stop.is_set():
            try:
                if time.monotonic() - house > _HOUSE:
                    actions.keep_house()
                    house = time.monotonic()
                if time.monotonic() - anchored > _ANCHOR:
                    anchor.keep()
                    anchored = time.monotonic()
                _look(stop)
                attributing.attribute(seconds=_TURN)
                leasing.catch_up(_TURN)
            except LostRace as error:
                sys.stderr.write(f"{error}\n")
            except (psycopg.OperationalError, OperationalError, InterfaceError) as error:
                sys.stderr.write(
                    f"Ingestion waits: PostgreSQL did not answer ({str(error).splitlines()[0]}). No cursor moved.\n"
                )
                stop.wait(2.0)
            close_old_connections()
            stop.wait(given["every"])


def _look(stop: threading.Event) -> None:
    """Read every source to its end, or until the turn is over in which the signal came."""
    for source in Source.objects.select_related("device", "live"):
        try:
            more = True
            while more and not stop.is_set():
                report = actions.read_source(source, seconds=_TURN)
                more = report is not None and not report.drained
        except (psycopg.OperationalError, OperationalError, InterfaceError, LostRace):
            raise
        except Exception as error:  # a fault of ours in one log must not stop the others
            kind = type(error).__name__
            actions.note_trouble(
                source, f"Keybook itself failed on this log ({kind}); its cursor did not move. Report it."
            )
            traceback.print_exc()
