"""SEAM: a question of a playbook, asked when its plan is made. One module is one question; its file name is its kind.

What a question finds is frozen in the plan: facts and groups of rows that steps name by `$question.fact` and `each`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from types import ModuleType
from typing import Any, Protocol

from kit import seam
from rotation.estate import Estate
from rotation.planning import Answer, Left

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """Where and until when is asked: one vault, and the past until `at`."""

    estate: Estate
    vault: str
    namespace: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What a question found: facts, groups of rows, what is shown of it, and what nothing can be done about."""

    facts: Row = field(default_factory=dict)
    groups: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    answers: Sequence[Answer] = ()
    left: Sequence[Left] = ()


class Question(Protocol):
    """What a module of this folder has."""

    Args: type[Any]
    """A frozen msgspec Struct that forbids unknown fields."""

    FACTS: Mapping[str, Any]
    """The facts that it finds, each with a value of its kind as an example."""

    GROUPS: Mapping[str, Mapping[str, Any]]
    """The groups of rows that it finds: for each the fields of a row, each with an example."""

    def find(self, args: Any, scene: Scene) -> Found:
        """Return what is found; raises `rotation.planning.Refused` where what was named is not there."""
        ...


@cache
def kinds() -> Mapping[str, ModuleType]:
    """Return the questions by kind; raises `kit.seam.HalfDone` when one lacks a part."""
    return seam.complete(__name__, Question)
