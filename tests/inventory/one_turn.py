"""One turn of a cluster in a process of its own, which a test kills: `python -m tests.inventory.one_turn CLUSTER`."""

from __future__ import annotations

import sys

import django

django.setup()

from inventory import watching  # noqa: E402
from tests.inventory.clusters import HASTY  # noqa: E402

print("began", flush=True)
assert watching.take_turn(int(sys.argv[1]), pace=HASTY)
