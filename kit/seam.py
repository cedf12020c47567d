"""A seam: a package whose modules are its plug-ins; the file name is the kind, a Protocol says what each has."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from types import ModuleType

_OF_PROTOCOLS = frozenset({"_abc_impl", "_is_protocol", "_is_runtime_protocol"})


class HalfDone(Exception):
    """A plug-in lacks something that its seam's Protocol wants; the message names both."""


def plugins(package: str) -> dict[str, ModuleType]:
    """Import each module of a package and return them by kind, in the order of their names; sub-packages are none."""
    places: Iterable[str] = importlib.import_module(package).__path__
    found = sorted(each.name for each in pkgutil.iter_modules(places) if not each.ispkg)
    return {name: importlib.import_module(f"{package}.{name}") for name in found}


def wanted(protocol: type) -> list[str]:
    """Return the names that a Protocol asks for: its attributes and its functions."""
    own = [name for name in vars(protocol) if not name.startswith("__") and name not in _OF_PROTOCOLS]
    return sorted({*own, *inspect.get_annotations(protocol)})


def lacking(package: str, protocol: type) -> list[str]:
    """Return one sentence for each plug-in that lacks something, as `cluster.delivery.spiffe lacks troubles`."""
    return [
        f"{package}.{kind} lacks {', '.join(missing)}"
        for kind, module in plugins(package).items()
        if (missing := [name for name in wanted(protocol) if not hasattr(module, name)])
    ]


def complete(package: str, protocol: type) -> dict[str, ModuleType]:
    """Return the plug-ins of a seam; raises `HalfDone` when one of them lacks something."""
    problems = lacking(package, protocol)
    if problems:
        raise HalfDone("; ".join(problems))
    return plugins(package)
