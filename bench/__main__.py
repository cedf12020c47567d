"""`make bench`: every measurement, one after the other, each in a sandbox of its own."""

from __future__ import annotations

import subprocess
import sys

ALL = ("bench.ingest", "bench.parse", "bench.saturated", "bench.disk", "bench.rollups")


def main() -> int:
    """Run them all; what is given on the command line is given to each. The exit code tells how many failed."""
    failed = []
    for module in ALL:
        print(f"\n== {module}", flush=True)
        if subprocess.run([sys.executable, "-m", module, *sys.argv[1:]], check=False).returncode:
            failed.append(module)
    if failed:
        print(f"These did not end well: {', '.join(failed)}.", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
