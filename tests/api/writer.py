"""Ingests files as one device of a vault, with transactions that stay open, whatever happens to PostgreSQL.

`python -m tests.api.writer SEED LONGEST DEVICE FILE...` stores one file after the other, each again until it is whole.
"""

from __future__ import annotations

import random
import sys
import time


def main(seed: str, longest: float, device: str, files: list[str]) -> None:
    """Store the files; after its numbers are drawn each transaction stays open up to `longest` seconds."""
    import django

    django.setup()
    from django.db import connection

    from audit import actions, ingest
    from audit.store import Store

    dice = random.Random(seed)
    checkpoint = Store._checkpoint

    def slow(self, *given):
        time.sleep(dice.uniform(0, longest))
        checkpoint(self, *given)

    Store._checkpoint = slow
    ingest.CHUNK = 20_000
    for file in files:
        while True:
            try:
                actions.import_files([file], vault="pulled", device=device)
                break
            except Exception:  # PostgreSQL is away, or ended the transaction
                connection.close()
                time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4:])
