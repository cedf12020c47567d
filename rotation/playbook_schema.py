"""The JSON Schema of a playbook, made from the very structs that a file is read by, so that it can't be another."""

from __future__ import annotations

from typing import Any

import msgspec

from rotation import finds, playbooks, steps
from rotation.playbook import FORM, WORD, Input, Leave

Shape = dict[str, Any]
# Any argument may be a text with $names, which the file's own inputs and questions give a value.
_REFERENCE: Shape = {"type": "string", "pattern": r"\$"}


def schema() -> Shape:
    """Return the schema; editors and CI check a file by it, and loading it checks what a schema can't say."""
    targets = {name: kind.Args for name, kind in playbooks.usable_targets().items()}
    harmless = {name: steps.kinds()[name].Args for name in sorted(playbooks.HARMLESS & set(steps.kinds()))}
    asked = {name: kind.Args for name, kind in finds.kinds().items()}
    forms = [Input, Leave, *targets.values(), *harmless.values(), *asked.values()]
    shapes, parts = msgspec.json.schema_components(forms, ref_template="#/$defs/{name}")
    named = dict(zip(forms, shapes, strict=True))
    whole = {form: parts[shape["$ref"].rpartition("/")[2]] for form, shape in named.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A playbook of Keybook",
        "type": "object",
        "additionalProperties": False,
        "required": ["form", "title", "verb", "about", "question", "subject", "inputs", "steps"],
        "properties": {
            "form": {"const": FORM},
            **{name: {"type": "string"} for name in ("title", "verb", "about", "question", "subject")},
            "inputs": _by_name(named[Input]),
            "find": _by_name({"oneOf": [_entry("ask", name, whole[form], {}) for name, form in asked.items()]}),
            "steps": {"type": "array", "minItems": 1, "items": {"oneOf": [
                *(_entry("target", name, whole[form], _ITEM) for name, form in targets.items()),
                *(_entry("step", name, whole[form], _ITEM) for name, form in harmless.items()),
                {"type": "object", "additionalProperties": False, "required": ["leave"],
                 "properties": {"leave": named[Leave], **_ITEM}},
            ]}},
        },
        "$defs": parts,
    }  # fmt: skip


_ITEM: Shape = {
    "each": {"type": "string"}, "when": {"type": "string"}, "refused": {"enum": ["stop", "leave"]},
}  # fmt: skip


def _by_name(shape: Shape) -> Shape:
    return {"type": "object", "propertyNames": {"pattern": f"^{WORD.pattern}$"}, "additionalProperties": shape}


def _entry(word: str, kind: str, own: Shape, also: Shape) -> Shape:
    """Return the shape of an entry that names one kind, with that kind's arguments."""
    arguments = {key: {"anyOf": [one, _REFERENCE]} for key, one in own.get("properties", {}).items()}
    given = {
        "type": "object", "additionalProperties": False, "properties": arguments, "required": own.get("required", []),
    }  # fmt: skip
    return {
        "type": "object", "additionalProperties": False, "required": [word, *(["with"] if given["required"] else [])],
        "properties": {word: {"const": kind}, "with": given, **also},
    }  # fmt: skip
