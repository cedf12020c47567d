"""Reads the YAML of a playbook as plain values, each thing that is wrong with its place. Pure.

Less of YAML than there is: no key twice, no anchors, no tags, one document; a date is a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

LARGEST = 64 * 1024  # characters of one file
DEEPEST = 12
_PLAIN = {
    "tag:yaml.org,2002:str", "tag:yaml.org,2002:int", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null",
    "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float",
}  # fmt: skip


class BadPlaybook(Exception):
    """A playbook can't be used: `troubles` are sentences that begin with their place (`steps[3].with.id: ...`)."""

    def __init__(self, name: str, troubles: list[str]) -> None:
        super().__init__(f"The playbook {name} can't be used. {' '.join(troubles)}")
        self.name, self.troubles = name, troubles


def read(name: str, text: str) -> Any:
    """Return the values of a file. Raises `BadPlaybook`."""
    if len(text) > LARGEST:
        raise BadPlaybook(name, [f"It has {len(text):,} characters; {LARGEST:,} are the most."])
    try:
        _refuse_anchors(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise BadPlaybook(name, ["It is empty."])
        return _Reader().value(node, "")
    except yaml.YAMLError as error:
        raise BadPlaybook(name, [_sentence(error)]) from None
    except _Wrong as wrong:
        raise BadPlaybook(name, [str(wrong)]) from None


class _Wrong(Exception):
    """One place that is wrong."""


def _refuse_anchors(text: str) -> None:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise _Wrong(f"line {line}: anchors and aliases are not taken. Write it out.")


class _Reader:
    """Turns nodes into values; PyYAML's own mapping lets the second of two keys win."""

    def __init__(self) -> None:
        self._scalars = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, path: str) -> Any:
        """Return what a node holds. Raises `_Wrong` with its place."""
        if path.count(".") + path.count("[") > DEEPEST:
            raise _Wrong(f"{path}: nested deeper than {DEEPEST}.")
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, f"{path}[{at}]") for at, one in enumerate(node.value)]
        return self._scalar(node, path)

    def _pairs(self, node: yaml.MappingNode, path: str) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise _Wrong(f"{path or 'the top'}: line {line} has a key that is no text. Put it in quotes.")
            place = f"{path}.{key.value}" if path else str(key.value)
            if key.value in seen:
                raise _Wrong(f"{place}: this key stands twice, in lines {seen[key.value]} and {line}. Take one away.")
            seen[key.value] = line
            yield key.value, self.value(value, place)

    def _scalar(self, node: yaml.Node, path: str) -> Any:
        if node.tag not in _PLAIN:
            raise _Wrong(f"{path or 'the top'}: line {node.start_mark.line + 1} has the tag {node.tag}. Leave it out.")
        if node.tag == "tag:yaml.org,2002:timestamp":
            return str(node.value)
        return self._scalars.construct_object(node)


def _sentence(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return f"{where}this is no YAML: {getattr(error, 'problem', None) or str(error).splitlines()[0]}."
