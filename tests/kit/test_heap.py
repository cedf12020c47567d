"""A process that was settled looks for cyclic rubbish seldom, and never among what it had imported."""

from __future__ import annotations

import json
import subprocess
import sys

SETTLED = """
import gc, json
from kit import heap
before = gc.get_threshold(), gc.get_freeze_count()
heap.settle()
print(json.dumps([before, [gc.get_threshold(), gc.get_freeze_count()]]))
"""


def test_it_looks_seldom_and_leaves_out_what_was_there():
    told = subprocess.run([sys.executable, "-c", SETTLED], capture_output=True, text=True, check=True).stdout
    (before, frozen), (after, kept) = json.loads(told)
    assert after[0] > 20 * before[0] and after[1] >= before[1] and after[2] >= before[2]
    assert frozen == 0 and kept > 1_000
