"""How often this process looks for cyclic rubbish: seldom, for what it makes by the million is none."""

from __future__ import annotations

import gc

_YOUNG, _OLD, _ALL = 20_000, 20, 50  # objects, and rounds; Python's own are 700, 10 and 10


def settle() -> None:
    """Leave what was imported out of every later search, and search a thirtieth as often.

    A worker of ours makes rows and structs by the ten thousand that die by their reference count; Python's collector
    looks through all that live each time some hundreds came, which took a sixth of the CPU of a cluster's list.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLD, _ALL)
