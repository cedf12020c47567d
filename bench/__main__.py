"""`make bench`: every measurement, one after the other, each in a sandbox of its own.

With --write the figures replace those in RESULTS.md; the words around them are written by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ALL = (
    "bench.ingest", "bench.parse", "bench.saturated", "bench.disk", "bench.rollups", "bench.freshness", "bench.celery",
    "bench.receiver",
)  # fmt: skip
_RESULTS = Path(__file__).with_name("RESULTS.md")
_BEGIN, _END = "<!-- figures: written by `python -m bench --write` -->\n", "<!-- end of the figures -->\n"


def main() -> int:
    """Run them all; what is given on the command line is given to each. The exit code tells how many failed."""
    given = [word for word in sys.argv[1:] if word != "--write"]
    told = {module: _run(module, given) for module in ALL}
    failed = [module for module, output in told.items() if output is None]
    if failed:
        print(f"These did not end well: {', '.join(failed)}.", file=sys.stderr)
    elif "--write" in sys.argv:
        write({module: output or "" for module, output in told.items()}, given)
    return len(failed)


def _run(module: str, given: list[str]) -> str | None:
    """Show what a measurement prints while it prints it; returns that, None when it failed."""
    print(f"\n== {module}", flush=True)
    lines = []
    with subprocess.Popen([sys.executable, "-m", module, *given], stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return None if running.returncode else "".join(lines)


def write(told: dict[str, str], given: list[str]) -> None:
    """Put the tables into RESULTS.md, each with its command and with what it was measured on."""
    parts = []
    for module, output in told.items():
        head, _, table = output.partition("\n### ")
        title, _, rows = table.partition("\n")
        told_first = [line for line in head.splitlines() if line and not line.startswith("  ")]
        command = " ".join([".venv/bin/python -m", module, *given])
        parts.append(f"## {title}\n\n`{command}`\n{rows.rstrip()}\n\n{_quoted(told_first)}")
    before, _, rest = _RESULTS.read_text().partition(_BEGIN)
    after, figures = rest.partition(_END)[2], "\n".join(parts)
    _RESULTS.write_text(f"{before}{_BEGIN}\n{figures}\n{_END}{after}")


def _quoted(lines: list[str]) -> str:
    return re.sub(r"(?m)^", "> ", "  \n".join(lines)) + "\n"


if __name__ == "__main__":
    sys.exit(main())
