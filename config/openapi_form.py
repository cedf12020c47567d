"""The words in which shapes of the API are written, as OpenAPI 3 wants them. Pure."""

from __future__ import annotations

from typing import Any

Shape = dict[str, Any]


def an_object(**properties: Shape) -> Shape:
    """Return an object of which every property is there."""
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def a_list(of: Shape) -> Shape:
    """Return a list of one shape."""
    return {"type": "array", "items": of}


def one_of(*words: str) -> Shape:
    """Return one of some texts."""
    return {"type": "string", "enum": list(words)}


def or_null(shape: Shape) -> Shape:
    """Return a shape that may be null."""
    return {**shape, "nullable": True}


def named(name: str) -> Shape:
    """Return the shape that goes by a name in the document."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Shape = {"type": "string"}
WHOLE: Shape = {"type": "integer"}
YES: Shape = {"type": "boolean"}
MOMENT: Shape = {"type": "string", "format": "date-time"}
WORDS = a_list(TEXT)
ANYTHING: Shape = {"type": "object", "additionalProperties": True}
