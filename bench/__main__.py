"""`make bench`: every measurement, one after the other, each in a sandbox of its own; or those that are named.

`python -m bench parse pages --write`: with --write the figures replace those of the same measurements in RESULTS.md;
the words around them are written by hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ALL = (
    "bench.ingest", "bench.parse", "bench.saturated", "bench.disk", "bench.rollups", "bench.freshness", "bench.celery",
    "bench.receiver", "bench.mirror", "bench.delivery", "bench.kept_mirror", "bench.pages", "bench.present",
    "bench.limited", "bench.pull", "bench.exports", "bench.first_answer", "bench.revoking",
)  # fmt: skip
_RESULTS = Path(__file__).with_name("RESULTS.md")
_BEGIN, _END = "<!-- figures: written by `python -m bench --write` -->\n", "<!-- end of the figures -->\n"


def main() -> int:
    """Run what is named, or all; other words go to each. The exit code tells how many failed."""
    words = [word for word in sys.argv[1:] if word != "--write"]
    named = [module for module in ALL if module.removeprefix("bench.") in words]
    given = [word for word in words if f"bench.{word}" not in ALL]
    told = {module: _run(module, given) for module in named or ALL}
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
    """Put the tables into RESULTS.md, each with its command and with what it was measured on; the others stay."""
    before, _, rest = _RESULTS.read_text().partition(_BEGIN)
    old, _, after = rest.partition(_END)
    kept = {_module(part): part.strip("\n") for part in re.split(r"(?m)^(?=## )", old) if part.startswith("## ")}
    kept |= {module: _section(module, output, given) for module, output in told.items()}
    figures = "\n\n".join(kept[module] for module in ALL if module in kept)
    _RESULTS.write_text(f"{before}{_BEGIN}\n{figures}\n\n{_END}{after}")


def _module(section: str) -> str:
    found = re.search(r"python -m (bench\.\w+)", section)
    return found[1] if found else ""


def _section(module: str, output: str, given: list[str]) -> str:
    """Return one measurement's part of RESULTS.md."""
    head, _, table = output.partition("\n### ")
    title, _, rows = table.partition("\n")
    told_first = [line for line in head.splitlines() if line and not line.startswith("  ")]
    command = " ".join([".venv/bin/python -m", module, *given])
    return f"## {title}\n\n`{command}`\n{rows.rstrip()}\n\n{_quoted(told_first).rstrip()}"


def _quoted(lines: list[str]) -> str:
    return re.sub(r"(?m)^", "> ", "  \n".join(lines)) + "\n"


if __name__ == "__main__":
    sys.exit(main())
