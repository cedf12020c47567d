"""Follows logs in children that are killed at random moments, then once in peace.

`python -m tests.audit.follower KILLS LONGEST SEED` forks an ingester that is already imported, so a kill costs
milliseconds; each lives up to LONGEST seconds.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time


def main(kills: int, longest: float, seed: str) -> None:
    """Kill and kill again; the last child ends by itself."""
    import django

    django.setup()
    from django.core.management import call_command

    from audit.management.commands import follow  # noqa: F401 - imported before the forks

    dice = random.Random(seed)
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            call_command("follow", every=0.01)
        time.sleep(dice.uniform(0.005, longest))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit(f"the ingester ended by itself before it was killed: {status}")
    print(kills)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
