"""What the OpenAPI document says of schedules and of what is overdue."""

from __future__ import annotations

from config.openapi_form import ANYTHING, MOMENT, TEXT, WHOLE, YES, Shape, a_list, an_object, named, one_of, or_null
from rotation import lifecycle
from rotation.due import LEAST_DAYS, MOST_DAYS, MOST_LEAD
from rotation.scheduling import NAMED

SCHEDULE: dict[str, Shape] = {
    "id": WHOLE, "name": TEXT, "target": TEXT, "pattern": TEXT, "args": ANYTHING, "vault": or_null(TEXT),
    "days": WHOLE, "lead_hours": WHOLE, "window": or_null(TEXT), "reason": TEXT, "owner": TEXT, "enabled": YES,
    "edition": WHOLE, "made_at": MOMENT, "changed_at": MOMENT, "ended_at": or_null(MOMENT),
    "looked_at": or_null(MOMENT), "says": or_null(TEXT),
}  # fmt: skip
KEPT: dict[str, Shape] = {
    "secret": TEXT, "vault": or_null(TEXT), "rotated_at": or_null(MOMENT), "rotated_by": or_null(TEXT),
    "version": or_null(WHOLE), "event": or_null(WHOLE), "seen_since": or_null(MOMENT), "due_at": MOMENT,
    "overdue": YES, "may_start": MOMENT, "change": or_null(TEXT),
    "change_state": {"type": "string", "enum": [*lifecycle.STATES, None], "nullable": True},
}  # fmt: skip

SHAPES: dict[str, Shape] = {
    "Schedule": an_object(**SCHEDULE),
    "KeptSecret": an_object(**KEPT),
    "OverdueSecret": an_object(**KEPT, target=TEXT, schedule=an_object(id=WHOLE, name=TEXT, days=WHOLE), enabled=YES),
    "Asking": an_object(
        change=TEXT, state=one_of(*lifecycle.STATES), secret=TEXT, period=WHOLE, due_at=MOMENT, opens_at=MOMENT,
        closes_at=or_null(MOMENT), asked_at=MOMENT, passed_by=or_null(TEXT),
    ),
    "WholeSchedule": an_object(
        **SCHEDULE, stopped_by=or_null(TEXT), secrets=a_list(named("KeptSecret")), asked=a_list(named("Asking")),
    ),
}  # fmt: skip
ANSWERS: dict[str, Shape] = {
    "Schedules": an_object(items=a_list(named("Schedule"))),
    "MakeSchedule": named("Schedule"),
    **{one: named("WholeSchedule") for one in ("OneSchedule", "ChangeSchedule", "EndSchedule", "GoOn")},
    "AskNow": named("WholeChange"),
    "Overdue": an_object(items=a_list(named("OverdueSecret"))),
}  # fmt: skip
BODIES: dict[str, Shape] = {
    "MakeSchedule": {
        **an_object(
            name=TEXT, target=one_of(*NAMED), pattern=TEXT,
            days={"type": "integer", "minimum": LEAST_DAYS, "maximum": MOST_DAYS},
            reason={"type": "string", "minLength": 1, "maxLength": 2_000},
        ),
        "additionalProperties": False,
        "description": "`args` are those of the target without the one that names the secret; `window` is a line such "
        "as `sat,sun 22:00-04:00 Europe/Vienna`, or empty.",
    },
}  # fmt: skip
BODIES["MakeSchedule"]["properties"] |= {
    "args": ANYTHING, "vault": TEXT, "window": TEXT, "enabled": {"type": "boolean"},
    "lead_hours": {"type": "integer", "minimum": 0, "maximum": MOST_LEAD},
}  # fmt: skip
_MAKE = BODIES["MakeSchedule"]
BODIES |= {
    "ChangeSchedule": {
        **_MAKE,
        "properties": {**_MAKE["properties"], "edition": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}},
        "required": [*_MAKE["required"], "edition"],
        "description": "The schedule as it is to be, whole, and the `edition` of it that was read.",
    },
    "EndSchedule": {**an_object(), "additionalProperties": False},
    "AskNow": {
        "type": "object", "additionalProperties": False, "required": ["secret"],
        "properties": {"secret": TEXT, "vault": TEXT},
    },
    "GoOn": {**an_object(change=TEXT), "additionalProperties": False},
}  # fmt: skip
