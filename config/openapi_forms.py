"""The smallest shapes that the OpenAPI document is made of."""

from __future__ import annotations

from typing import Any

Shape = dict[str, Any]


def fields(**properties: Shape) -> Shape:
    """Return the shape of an object that has all of these fields."""
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def listed(of: Shape) -> Shape:
    """Return the shape of a list."""
    return {"type": "array", "items": of}


def one_of(*words: str) -> Shape:
    """Return the shape of a text that is one of some words."""
    return {"type": "string", "enum": list(words)}


def or_null(shape: Shape) -> Shape:
    """Return a shape that may be null."""
    return {**shape, "nullable": True}


def named(name: str) -> Shape:
    """Return the shape that the document has by a name."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Shape = {"type": "string"}
WHOLE: Shape = {"type": "integer"}
YES: Shape = {"type": "boolean"}
MOMENT: Shape = {"type": "string", "format": "date-time"}
WORDS = listed(TEXT)
ANYTHING: Shape = {"type": "object", "additionalProperties": True}
