"""Figures as they are printed: medians with their spread, beside the goal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def spread(values: Sequence[float], form: str = "{:.2f}", unit: str = "") -> str:
    """Return `median (least-most)` of some values."""
    low, middle, high = (form.format(value) for value in (min(values), median(values), max(values)))
    return f"{middle}{unit} ({low}-{high})"


class Table:
    """The rows of one promise, printed as a table in Markdown."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: list[tuple[str, str, str, str]] = []

    def row(self, measure: str, figure: str, goal: str = "", met: bool | None = None) -> None:
        """Add a measure with its figure; `met` says whether the goal is reached."""
        self.rows.append((measure, figure, goal, {True: "yes", False: "**no**", None: ""}[met]))

    def atleast(self, measure: str, values: Sequence[float], goal: float, form: str = "{:.2f}", unit: str = "") -> None:
        """Add a measure whose median must reach the goal."""
        self.row(measure, spread(values, form, unit), f"at least {goal:g}{unit}", median(values) >= goal)

    def atmost(self, measure: str, values: Sequence[float], goal: float, form: str = "{:.2f}", unit: str = "") -> None:
        """Add a measure whose median may not exceed the goal."""
        self.row(measure, spread(values, form, unit), f"at most {goal:g}{unit}", median(values) <= goal)

    def show(self) -> None:
        """Print the table."""
        print(f"\n### {self.title}\n\n| measure | figure: median (min-max) | goal | met |\n|---|---|---|---|")
        for row in self.rows:
            print(f"| {' | '.join(row)} |")
        print(flush=True)
