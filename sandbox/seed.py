"""Copies of a data folder for the sandboxes that COMMAND starts: one without tables, and one with the schema laid."""

from __future__ import annotations

import os
from pathlib import Path

from sandbox.part import run_quietly
from sandbox.process import plain_environment

SEED = "KEYBOOK_SANDBOX_SEED"  # the folder of both copies
BLANK = "blank"  # a database with the schema to which nobody connects, so that it can be copied at any time


def seed(*, laid: bool) -> Path | None:
    """Return the data folder to begin with, or None where this sandbox has to make its own."""
    named = os.environ.get(SEED)
    place = Path(named) / ("laid" if laid else "empty") if named else None
    return place if place and place.is_dir() else None


async def copy(data: Path, target: Path) -> None:
    """Copy the data folder of a server that does not run, with its owner and modes, in one step as others see it.

    Raises YardError with what `cp` said.
    """
    making = target.with_name(f"{target.name}.making")
    await run_quietly(["cp", "-a", data, making], what="cp", env=plain_environment())
    making.rename(target)
