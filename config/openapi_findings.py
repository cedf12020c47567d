"""Findings in the OpenAPI document: what stands against Keybook's own work."""

from __future__ import annotations

from config.openapi_form import MOMENT, TEXT, WHOLE, Shape, a_list, an_object, named, one_of, or_null

SHAPES: dict[str, Shape] = {
    "Finding": an_object(
        id=TEXT, kind=one_of("mismatch", "identity", "review"), severity=one_of("critical", "high"), says=TEXT,
        mend=TEXT, vault=or_null(TEXT), change=or_null(TEXT), event=or_null(WHOLE), found_at=MOMENT,
        ended_at=or_null(MOMENT), looked_into_by=or_null(TEXT), note=or_null(TEXT),
    ),
}  # fmt: skip
ANSWERS: dict[str, Shape] = {
    "Findings": an_object(items=a_list(named("Finding"))),
    "LookInto": named("Finding"),
}
BODIES: dict[str, Shape] = {
    "LookInto": {
        **an_object(note={"type": "string", "minLength": 1, "maxLength": 2_000}),
        "additionalProperties": False,
    }
}
