"""`manage.py ingest_file`: import audit log files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from audit import actions, attributing
from audit.commands import explained

_ATTRIBUTING = 10.0  # seconds for the calls' pods; what is left is done by the workers, or by `follow`


class Command(BaseCommand):
    """Import audit log files (plain, .gz, .zst); importing again changes nothing."""

    help = __doc__ or ""
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what may be given."""
        parser.add_argument("paths", nargs="+", metavar="PATH", help="an audit log file: plain, .gz or .zst")
        parser.add_argument("--vault", required=True, help="the vault that wrote it; a new name makes a new vault")
        parser.add_argument("--device", default="file", help="its audit device (default: file)")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *args: Any, **given: Any) -> None:
        """Import and print the totals."""
        console = Console(stderr=True)
        bar = [TextColumn("importing"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
        with explained(), Progress(*bar, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("importing", total=_size(given["paths"]))
            done = actions.import_files(
                given["paths"],
                vault=given["vault"],
                device=given["device"],
                watch=lambda size: progress.advance(task, size),
            )
            attributing.attribute(seconds=_ATTRIBUTING)
        for note in done.notes:
            console.print(note, highlight=False, markup=False)
        table = {k: v for k, v in dataclasses.asdict(done).items() if k != "notes"}
        self.stdout.write(json.dumps(table) if given["json"] else _sentence(done))


def _size(paths: list[str]) -> int | None:
    """The bytes to come, unknown as soon as one file is packed."""
    sizes = [Path(p).stat().st_size for p in paths if Path(p).is_file() and not p.endswith((".gz", ".zst"))]
    return sum(sizes) if len(sizes) == len(paths) else None


def _sentence(done: actions.Imported) -> str:
    parts = ", ".join(f"{name} {size:,}" for name, size in done.accounted.items())
    return (
        f"{done.files} file(s), {done.lines:,} lines: {done.events:,} new events, {done.duplicates:,} known already, "
        f"{done.quarantined:,} quarantined, {done.gaps:,} gaps, in {done.seconds} s.\n"
        f"Every byte accounted for: {done.bytes:,} = {parts}."
    )
