"""What the practice yard says when it cannot do its work."""

from __future__ import annotations

from pathlib import Path

# As env(1), timeout(1) and container runners do it: 125 is the runner's own failure, never the command's.
OWN_FAILURE = 125
BAD_INPUT = 2


class YardError(Exception):
    """One sentence for a person: what happened, to what, and what to do next; `code` is the exit code."""

    def __init__(self, sentence: str, code: int = OWN_FAILURE) -> None:
        """Keep the sentence and the exit code."""
        super().__init__(sentence)
        self.code = code


def last_lines(log: Path, count: int = 8) -> str:
    """Return the last lines of a part's log, indented, or a remark that it said nothing."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-count:]
    except OSError:
        lines = []
    return "\n".join(f"    {line}" for line in lines) or "    (its log is empty)"


def first_trouble(group: BaseExceptionGroup[YardError]) -> YardError:
    """Return the first error of a group, which task groups may have nested."""
    found: YardError | BaseExceptionGroup[YardError] = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
